package sim

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// store is the job store: shards that are claimed, jobs, and the host table. It
// never dies; it may be away, lose its answers, and be restored.
type store struct {
	w          *world
	away       time.Time // until then nobody is answered
	generation uint64
	era        int // how often it was restored
	shards     []shardRow
	jobs       []*jobRow           // by plan; nil: it was never accepted
	rows       []fleet.Incarnation // of hosts, as they enrolled
	backup     *store
}

// shardRow says who owns a shard, and which batch of it came last.
type shardRow struct {
	epoch job.Epoch
	batch uint64
}

// jobRow is what is durable of a job.
type jobRow struct {
	row      job.Row
	released []bool
	tasks    []*job.TaskRow // by ordinal; nil: none
	controls []job.ControlRow
}

// batch is what a shard writes in one transaction.
type batch struct {
	shard  int
	epoch  job.Epoch
	number uint64
	parts  []part
}

type part struct {
	plan    *plan
	create  bool
	persist job.Persist
	here    []bool      // for the promises: who was here, by ordinal
	sight   []time.Time // for the promises: since when hosts are away, by ordinal; zero: they are not
	clock   time.Time   // for the promises: of the owner
}

func newStore(w *world) *store {
	s := &store{w: w, generation: 1, shards: make([]shardRow, shards)}
	for i := range s.shards {
		s.shards[i].epoch.Generation = 1
	}
	return s
}

// claim makes a caller the owner.
func (s *store) claim(shard int) job.Epoch {
	row := &s.shards[shard]
	row.epoch = job.Epoch{Generation: s.generation, N: row.epoch.N + 1}
	row.batch = 0
	s.w.saw("a shard was claimed")
	return row.epoch
}

// apply writes a batch, if it comes from the owner; once, however often it comes.
func (s *store) apply(b *batch) (ok bool) {
	row := &s.shards[b.shard]
	if stale := b.epoch.Compare(row.epoch) < 0; stale {
		s.w.saw("an old owner was fenced off")
		if !s.w.bug("stale epoch accepted") {
			return false
		}
		s.w.violate(OneOwner, "a batch of epoch %v of shard %d is written, its owner has %v", b.epoch, b.shard, row.epoch)
	}
	if b.number <= row.batch {
		s.w.saw("a batch came twice")
		return true
	}
	row.batch = b.number
	for i := range b.parts {
		s.write(&b.parts[i])
	}
	return true
}

func (s *store) write(p *part) {
	j := s.jobs[p.plan.n]
	if j == nil {
		if !p.create {
			s.w.violate(OneOwner, "%s is written and was never accepted", p.plan.name)
			return
		}
		j = &jobRow{released: make([]bool, p.plan.targets.Len()), tasks: make([]*job.TaskRow, p.plan.targets.Len())}
		s.jobs[p.plan.n] = j
	}
	s.w.committing(p, j)
	for _, o := range p.persist.Released {
		j.released[o] = true
	}
	for i := range p.persist.Tasks {
		row := p.persist.Tasks[i]
		j.tasks[row.Ordinal] = &row
	}
	j.controls = append(j.controls, p.persist.Controls...)
	j.row = *p.persist.Row
}

// record is what a new owner reads.
func (j *jobRow) record() job.Record {
	r := job.Record{Row: j.row, Controls: slices.Clone(j.controls)}
	for o, released := range j.released {
		if released {
			r.Released = append(r.Released, uint32(o))
		}
	}
	for _, row := range j.tasks {
		if row != nil {
			r.Tasks = append(r.Tasks, *row)
		}
	}
	return r
}

// copy is a backup.
func (s *store) copy() *store {
	c := &store{shards: slices.Clone(s.shards), rows: slices.Clone(s.rows), jobs: make([]*jobRow, len(s.jobs))}
	for i, j := range s.jobs {
		if j != nil {
			c.jobs[i] = &jobRow{row: j.row, released: slices.Clone(j.released), tasks: slices.Clone(j.tasks), controls: slices.Clone(j.controls)}
		}
	}
	return c
}

// restore is an operator who puts the backup in place and raises the generation.
// Hosts that enrolled since then are known all the same: they come again.
func (s *store) restore() {
	if s.backup == nil {
		return
	}
	b := s.backup.copy()
	s.era++
	s.generation++
	s.jobs, s.shards = b.jobs, b.shards
	for i := range s.shards {
		s.shards[i].epoch.Generation = s.generation
	}
	s.w.struck(StoreRestore)
	s.w.restored()
}

// answers reports whether the store can be reached.
func (s *store) answers() bool { return !s.w.now.Before(s.away) }

// ask does something in the store for a process, and tells it. It is tried until
// it is answered: it may be done more than once.
func (s *store) ask(by *proc, do func() (tell func())) {
	w, answered, life := s.w, false, by.life
	var try func()
	try = func() {
		w.after(w.hop(), func() { // it arrives, even if who asked has died
			if !s.answers() {
				return
			}
			tell := do()
			if w.strikes(LostReply, 60) {
				return
			}
			by.afterIn(life, w.hop(), func() {
				if !answered {
					answered = true
					tell()
				}
			})
		})
		by.after(time.Second+w.span(ofNet, 0, time.Second), func() {
			if !answered {
				try()
			}
		})
	}
	try()
}
