package scale

import (
	"errors"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// keepDone is how long a job that is done stays in memory.
const keepDone = time.Minute

// leaseTime is until an owner hears from etcd that it is none any more.
const leaseTime = 3 * time.Second

// tenure is one ownership of a shard, in the order of the scheduler's shell: events
// are taken when nothing is being written; all that is owed is written, and only
// then anything is sent or answered.
type tenure struct {
	*sched
	shard   int
	epoch   job.Epoch
	jobs    map[*plan]*held
	list    []*held // the same, in the order in which they came
	in      []func()
	touched []*held
	answers []func()
	waking  bool
	busy    bool // writing
	over    bool
}

// held is a job in memory.
type held struct {
	plan    *plan
	machine *job.Machine
	fresh   bool // to be created
	touched bool
	gone    bool
	wake    time.Duration // planned; 0: not
	done    bool
}

// claim makes this process the owner of a shard: the store says so, then its live
// jobs are loaded.
func (s *sched) claim(shard int) {
	w := s.w
	w.epochs[shard].Generation = 1
	w.epochs[shard].N++
	t := &tenure{sched: s, shard: shard, epoch: w.epochs[shard], jobs: map[*plan]*held{}}
	for _, p := range w.plans {
		if p.shard == shard && p.row != nil && p.row.State != job.Done {
			t.restore(p)
		}
	}
	for _, other := range w.scheds {
		if old := other.tenures[shard]; old != nil {
			w.after(leaseTime, old.end)
		}
	}
	s.tenures[shard] = t
	for _, h := range t.list {
		t.meet(h)
	}
	for _, g := range w.aggs {
		s.sendDown(g, w.sizes.have)
		w.after(meshHop, func() { g.owns(s, shard, t.epoch) })
	}
	t.poke()
}

func (t *tenure) hold(p *plan) *held {
	h := &held{plan: p, machine: job.New(p.spec, p.targets)}
	t.jobs[p] = h
	t.list = append(t.list, h)
	if l := t.load(); t.w.epochs[t.shard] == t.epoch {
		l.MostJobs, l.MostTargets = max(l.MostJobs, len(t.jobs)), max(l.MostTargets, t.targets())
	}
	return h
}

func (t *tenure) targets() int {
	sum := 0
	for _, h := range t.list {
		sum += h.plan.targets.Len()
	}
	return sum
}

func (t *tenure) load() *ShardLoad { return &t.w.Shards[t.shard] }

func (t *tenure) restore(p *plan) *held {
	h := t.hold(p)
	if err := h.machine.Restore(p.row.record()); err != nil {
		t.w.violate("one-owner", "job %d cannot be restored: %v", p.n, err)
	}
	return h
}

// meet tells a job which of its targets are here, and which are away.
func (t *tenure) meet(h *held) {
	for _, n := range h.plan.hosts {
		if ev, ok := t.sight(t.w.hosts[n]); ok {
			t.step(h, ev)
		}
	}
}

func (t *tenure) step(h *held, ev job.Event) {
	if !h.touched {
		h.touched = true
		t.touched = append(t.touched, h)
	}
	t.w.Steps++
	t.load().Steps++
	// Requests come late, and hosts may be of two minds: that is the job's to judge.
	if err := h.machine.Step(t.w.clock(), ev); err != nil && !errors.Is(err, job.ErrNotPaused) && !errors.Is(err, job.ErrControlRevision) {
		t.w.violate("step", "job %d: %T: %v", h.plan.n, ev, err)
	}
}

func (t *tenure) post(ev func()) {
	t.in = append(t.in, ev)
	t.poke()
}

// poke plans a round.
func (t *tenure) poke() {
	if t.waking || t.busy || t.over {
		return
	}
	t.waking = true
	t.w.after(linger, t.round)
}

func (t *tenure) round() {
	t.waking = false
	if t.busy || t.over {
		return
	}
	in := t.in
	t.in = nil
	for _, ev := range in {
		ev()
	}
	touched, answers := t.touched, t.answers
	t.touched, t.answers = nil, nil
	readys := make([]job.Ready, len(touched))
	var parts []part
	for i, h := range touched {
		readys[i] = h.machine.Ready()
		if readys[i].Persist.Row != nil {
			parts = append(parts, part{plan: h.plan, create: h.fresh, persist: readys[i].Persist})
		}
		h.touched, h.fresh = false, false
	}
	finish := func() {
		t.busy = false
		for i, h := range touched {
			t.conclude(h, &readys[i])
		}
		for _, answer := range answers {
			answer()
		}
		if len(t.in) > 0 || len(t.touched) > 0 {
			t.poke()
		}
	}
	if len(parts) == 0 {
		finish()
		return
	}
	t.busy = true
	t.w.after(commitTime, func() {
		if t.w.commit(t, parts) {
			finish()
		} else {
			t.w.Fenced++
			t.end()
		}
	})
}

// end: another owns the shard, as the store or etcd has said.
func (t *tenure) end() {
	t.over = true
	if t.tenures[t.shard] == t {
		t.tenures[t.shard] = nil
	}
}

// conclude does for a job what its round allows now.
func (t *tenure) conclude(h *held, rd *job.Ready) {
	if !rd.Send.Empty() {
		t.w.sending(h.plan, &rd.Send)
		t.send(h.plan, rd.Send)
	}
	t.plan(h)
	switch {
	case h.machine.Row().State == job.Paused:
		t.w.attend(h.plan)
	case h.machine.Row().State == job.Done && !h.done:
		h.done = true
		t.w.after(keepDone, func() { t.drop(h) })
	}
}

// drop takes a job that is done out of memory, if it wants nothing more.
func (t *tenure) drop(h *held) {
	if t.over {
		return
	}
	if _, wants := h.machine.Due(); wants || h.touched || t.busy {
		t.w.after(keepDone, func() { t.drop(h) })
		return
	}
	h.gone = true
	delete(t.jobs, h.plan)
	t.list = slices.DeleteFunc(t.list, func(o *held) bool { return o == h })
}

// plan wakes the machine when it is due.
func (t *tenure) plan(h *held) {
	at, wants := h.machine.Due()
	if !wants {
		return
	}
	due := max(t.w.now, at.Sub(t.w.began))
	if h.wake != 0 && h.wake <= due {
		return
	}
	h.wake = due
	t.w.at(due, func() {
		if h.wake != due || h.gone || t.over {
			return
		}
		h.wake = 0
		if at, wants := h.machine.Due(); wants && at.After(t.w.clock()) {
			t.plan(h)
			return
		}
		t.post(func() { t.step(h, job.Tick{}) })
	})
}

// find is a job in memory, or brought back from the store.
func (t *tenure) find(p *plan) *held {
	if h := t.jobs[p]; h != nil || p.row == nil {
		return h
	}
	h := t.restore(p)
	t.meet(h)
	return h
}

func (t *tenure) hear(list []report) {
	for _, r := range list {
		h := t.find(r.plan)
		if h == nil {
			t.w.violate("nothing-lost", "job %d is not in the store, and %s has it", r.plan.n, r.plan.targets.At(r.ordinal).Host)
			continue
		}
		target := r.plan.targets.At(r.ordinal)
		t.step(h, job.Reported{Host: target.Host, Incarnation: target.Incarnation, Report: r.seen})
	}
}

// hostChanged tells the jobs of a host that came or went.
func (t *tenure) hostChanged(of *host) {
	for _, h := range t.list {
		if h.done {
			continue
		}
		if o, ok := h.plan.targets.Find(of.id); ok {
			if ev, tell := t.sight(t.w.hosts[h.plan.hosts[o]]); tell {
				t.step(h, ev)
			}
		}
	}
}

// submit accepts a job.
func (t *tenure) submit(p *plan, answer func()) {
	if t.find(p) == nil {
		if err := job.Validate(p.spec, p.targets, t.w.clock()); err != nil {
			t.w.violate("plan", "job %d is refused: %v", p.n, err)
			return
		}
		h := t.hold(p)
		h.fresh = true
		t.meet(h)
		if !h.touched {
			t.step(h, job.Tick{})
		}
	}
	t.answers = append(t.answers, answer)
}

// control steps a job with a request of its user.
func (t *tenure) control(p *plan, ev job.Event) {
	h := t.find(p)
	if h == nil {
		t.w.violate("nothing-lost", "job %d was accepted, and is not in the store", p.n)
		return
	}
	before := h.machine.Row()
	t.step(h, ev)
	if r, ok := ev.(job.Resume); ok && h.machine.Row().ControlRevision > before.ControlRevision {
		p.row.ledger.Made(r, before, t.w.excused(p))
	}
}
