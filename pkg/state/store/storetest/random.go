package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// A random history is so many things that happen, one after another.
const (
	histories = 4
	happens   = 110
)

func random() (tests []test) {
	for seed := range uint64(histories) {
		tests = append(tests, test{
			name: fmt.Sprintf("of a random history a dumb book keeps the same, seed %d", seed),
			run: func(r *rig) {
				b := &book{
					rig: r, rand: rand.New(rand.NewPCG(seed, 1)), now: noon, //nolint:gosec // a history that can be repeated
					owner: r.claim(shard(), "s1"), sweeper: r.sweeper(),
				}
				for range happens {
					b.happen()
				}
				for range 3 { // whatever has happened, now all that is done goes, and then its id
					b.now = b.now.Add(100 * time.Hour)
					b.sweepAll()
				}
				if b.removals == 0 || b.forgotten == 0 {
					r.Errorf("nothing has happened: %d removed, %d forgotten", b.removals, b.forgotten)
				}
			},
		})
	}
	return tests
}

// book is the oracle: it looks at all entries every time.
type book struct {
	*rig
	rand           *rand.Rand
	now            time.Time
	owner, sweeper *owner
	entries        []*entry // in the order of their acceptance

	removals, forgotten int
}

type entry struct {
	store.JobBatch
	doneAt    time.Time // zero: it lives
	removedAt time.Time // zero: it is there
	forgotten bool      // its id as well
	revision  uint64
}

func (b *book) happen() {
	switch n := b.rand.IntN(100); {
	case n < 35:
		b.accept()
	case n < 60:
		b.finish()
	case n < 70:
		b.lateTruth()
	case n < 77:
		b.again()
	case n < 90:
		b.now = b.now.Add(time.Duration(b.rand.Int64N(int64(40 * time.Hour))))
	default:
		b.sweepAll()
	}
}

// policy keeps jobs for three days, and ids for one more.
func (b *book) policy() store.Sweep {
	return store.Sweep{Now: b.now, Age: 72 * time.Hour, IDs: 24 * time.Hour, Limit: 1 + b.rand.IntN(30)}
}

// newID is an id by a clock that is off by less than is refused at the door.
func (b *book) newID() job.ID {
	var random [10]byte
	for i := range random {
		random[i] = byte(b.rand.Uint32())
	}
	off := time.Duration(b.rand.Int64N(int64(2*job.MaxIDSkew))) - job.MaxIDSkew
	return job.NewID(b.now.Add(off), random)
}

func (b *book) accept() {
	jb := NewJob(b.newID(), "standard", 1+b.rand.IntN(4))
	jb.Create.Spec.Created = b.now
	jb.Create.KeepUntil = jb.ID.Time().Add(job.MaxIDSkew + 5*time.Minute + time.Duration(b.rand.Int64N(int64(96*time.Hour))))
	if existing := b.owner.commit(jb).Existing; len(existing) != 0 {
		b.Fatalf("the new job %s exists: %+v", jb.ID, existing[0])
	}
	b.entries = append(b.entries, &entry{JobBatch: jb, revision: 1})
}

func (b *book) pick() *entry {
	if len(b.entries) == 0 {
		b.accept()
	}
	return b.entries[b.rand.IntN(len(b.entries))]
}

func (b *book) finish() {
	e := b.pick()
	if !e.doneAt.IsZero() {
		return
	}
	e.doneAt = b.now
	b.write(e, task.Succeeded)
}

// lateTruth writes to a job that is done, whether it is there or not.
func (b *book) lateTruth() {
	if e := b.pick(); !e.doneAt.IsZero() {
		b.write(e, task.Failed)
	}
}

func (b *book) write(e *entry, outcome task.State) {
	e.revision++
	row := doneRow(e.doneAt, e.Create.Targets.Len())
	row.Revision = e.revision
	result := b.owner.commit(store.JobBatch{ID: e.ID, Persist: job.Persist{Row: row, Tasks: []job.TaskRow{Outcome(0, outcome, e.revision)}}})
	if purged := len(result.Purged) == 1; purged == e.removedAt.IsZero() {
		b.Fatalf("job %s, removed at %s, was written: %+v", e.ID, e.removedAt, result)
	}
	if e.removedAt.IsZero() {
		e.Persist.Tasks = []job.TaskRow{{}}
	}
}

// again submits a job once more.
func (b *book) again() {
	e := b.pick()
	if existing := b.owner.commit(e.JobBatch).Existing; len(existing) != 1 || existing[0].Removed.IsZero() == (!e.removedAt.IsZero() && !e.forgotten) {
		b.Fatalf("job %s again: %+v, removed at %s, forgotten %v", e.ID, existing, e.removedAt, e.forgotten)
	}
}

// sweepAll sweeps to the end, and compares.
func (b *book) sweepAll() {
	policy := b.policy()
	done := b.pass(b.sweeper, policy, nil)
	jobs, ids := 0, 0
	for _, e := range b.entries {
		if e.removedAt.IsZero() && !e.doneAt.IsZero() && b.now.Sub(e.doneAt) >= policy.Age {
			e.removedAt = b.now
			jobs++
		}
		if !e.removedAt.IsZero() && !e.forgotten && b.now.Sub(e.removedAt) >= policy.IDs && !b.now.Before(e.Create.KeepUntil) {
			e.forgotten = true
			ids++
		}
	}
	b.removals, b.forgotten = b.removals+jobs, b.forgotten+ids
	b.same("jobs removed", done.Jobs, jobs)
	b.same("ids forgotten", done.IDs, ids)
	for _, e := range b.entries {
		b.compare(e)
	}
}

func (b *book) compare(e *entry) {
	if there := b.there(e.JobBatch); there != e.removedAt.IsZero() {
		b.Fatalf("job %s, done at %s, is there: %v, at %s", e.ID, e.doneAt, there, b.now)
	}
	at, err := b.LocateJob(b.Context(), e.ID)
	switch {
	case e.forgotten && !errors.Is(err, store.ErrPurged), !e.forgotten && err != nil:
		b.Fatalf("the id of %s, removed at %s: %v", e.ID, e.removedAt, err)
	case !e.forgotten && !at.Removed.Equal(e.removedAt):
		b.Fatalf("job %s was removed at %s, it says %s", e.ID, e.removedAt, at.Removed)
	}
}
