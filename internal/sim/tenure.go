package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// tenure is one ownership of a shard, as pkg/tier/scheduler/shard has it: events
// are taken when nothing is being written; all that is owed is written, and only
// then anything is sent or answered.
type tenure struct {
	*sched
	shard   int
	era     int // of the store, when it was claimed
	epoch   job.Epoch
	number  uint64
	jobs    []*held // by plan; nil: not in memory
	in      []func()
	strays  [][]int  // by plan: hosts that have spoken of it, and it is not in the store
	answers []func() // of this round
	loaded  bool
	serving bool
	busy    bool // claiming, loading or writing
	over    bool
	due     time.Time // when it is woken next; zero: not planned
	proven  time.Time // when the store last said that the shard is owned
}

// proveEvery is after how long without a write an owner writes an empty batch: it
// learns only by writing that the store was restored under it.
const proveEvery = 30 * time.Second

// held is a job in memory.
type held struct {
	plan    *plan
	machine *job.Machine
	fresh   bool // to be created
	here    bool // accepted under this epoch
	touched bool
	hereNow []bool      // who is here, as the machine was told
	away    []time.Time // since when hosts are away, as the machine was told
	doneAt  time.Time
	clock   time.Time // the latest that the machine was told
}

func newTenure(s *sched, shard int) *tenure {
	t := &tenure{sched: s, shard: shard, busy: true, jobs: make([]*held, len(s.w.plans)), strays: make([][]int, len(s.w.plans))}
	s.w.store.ask(&s.proc, func() func() {
		epoch, era := s.w.store.claim(shard), s.w.store.era
		return func() {
			if t.over {
				return
			}
			t.epoch, t.era, t.proven = epoch, era, t.w.now
			s.w.say(s.name, "claims shard %d: epoch %d.%d", shard, epoch.Generation, epoch.N)
			t.load()
		}
	})
	return t
}

// load restores the live jobs.
func (t *tenure) load() {
	t.w.store.ask(&t.proc, func() func() {
		var read []*held
		for _, p := range t.w.plans {
			if row := t.w.store.jobs[p.n]; row != nil && p.shard == t.shard && row.row.State != job.Done {
				read = append(read, t.restore(p, row))
			}
		}
		return func() {
			if t.over {
				return
			}
			for _, h := range read {
				t.jobs[h.plan.n] = h
			}
			t.loaded = true
			for _, h := range read {
				row := h.machine.Row()
				t.w.sawIf(row.State == job.Paused, "a paused job was taken over")
				t.w.sawIf(row.InFlight() > 0, "a job in flight was taken over")
				t.meet(h)
			}
			t.settle(func() {
				t.serving = true
				t.w.say(t.name, "serves shard %d with %d jobs", t.shard, len(read))
				t.tell()
			})
		}
	})
}

func (t *tenure) restore(p *plan, row *jobRow) *held {
	h := &held{plan: p, machine: job.New(p.spec, p.targets), away: make([]time.Time, p.targets.Len()), hereNow: make([]bool, p.targets.Len())}
	if err := h.machine.Restore(row.record()); err != nil {
		t.w.violate(OneOwner, "%s cannot be restored: %v", p.name, err)
	}
	return h
}

// fresh is a job that has just come.
func (t *tenure) fresh(p *plan) *held {
	return &held{plan: p, machine: job.New(p.spec, p.targets), away: make([]time.Time, p.targets.Len()), hereNow: make([]bool, p.targets.Len()), fresh: true, here: true}
}

// meet tells a job which of its targets are attached now.
func (t *tenure) meet(h *held) {
	for o := range uint32(h.plan.targets.Len()) {
		if ev, ok := t.sight(h.plan.targets.At(o)); ok {
			if r, here := ev.(job.Reached); here {
				_ = t.step(h, r)
			}
		}
	}
	h.touched = true
}

// find is a job in memory, or brought back from the store; nil: there is none.
func (t *tenure) find(p *plan) *held {
	if h := t.jobs[p.n]; h != nil {
		return h
	}
	row := t.w.store.jobs[p.n]
	if row == nil || !t.w.store.answers() || t.w.store.shards[t.shard].epoch != t.epoch {
		return nil
	}
	h := t.restore(p, row)
	t.jobs[p.n] = h
	t.meet(h)
	return h
}

func (t *tenure) held(p *plan) *held { return t.jobs[p.n] }

func (t *tenure) post(ev func()) {
	t.in = append(t.in, ev)
	t.wake(0)
}

// wake plans the next round.
func (t *tenure) wake(d time.Duration) {
	at := t.w.now.Add(d)
	if t.busy || !t.due.IsZero() && !t.due.After(at) {
		return
	}
	t.due = at
	t.after(d, func() {
		if t.due.Equal(at) {
			t.due = time.Time{}
			t.round()
		}
	})
}

func (t *tenure) round() {
	if t.busy || t.over {
		return
	}
	in := t.in
	t.in = nil
	for _, ev := range in {
		ev()
	}
	for _, h := range t.jobs {
		if h == nil || h.touched {
			continue
		}
		if !h.doneAt.IsZero() && t.w.now.Sub(h.doneAt) >= time.Minute && !t.lingers(h) {
			t.jobs[h.plan.n] = nil
			continue
		}
		if at, wants := h.machine.Due(); wants && !at.After(t.clock()) {
			_ = t.step(h, job.Tick{})
		}
	}
	t.settle(func() {})
}

// lingers reports whether a job that is done is to stay until its deadline has
// passed, and has been told to its hosts.
func (t *tenure) lingers(h *held) bool {
	return h.machine.Lingers() && t.clock().Before(h.plan.spec.Rollout.Deadline.Add(time.Minute))
}

// step steps a machine and notes what it was told of hosts.
func (t *tenure) step(h *held, ev job.Event) error {
	switch ev := ev.(type) {
	case job.Reached:
		if o, ok := h.plan.targets.Find(ev.Host); ok {
			h.away[o], h.hereNow[o] = time.Time{}, ev.Incarnation == h.plan.targets.At(o).Incarnation
		}
	case job.Gone:
		if o, ok := h.plan.targets.Find(ev.Host); ok {
			h.away[o], h.hereNow[o] = ev.Since, false
		}
	}
	h.touched = true
	if now := t.clock(); now.After(h.clock) {
		h.clock = now
	}
	return h.machine.Step(t.clock(), ev)
}

// settle ends a round.
func (t *tenure) settle(then func()) {
	if t.crashPoint("between step and commit") {
		return
	}
	b := batch{shard: t.shard, epoch: t.epoch, number: t.number + 1}
	var touched []*held
	var readys []job.Ready
	for _, h := range t.jobs {
		if h == nil || !h.touched {
			continue
		}
		rd := h.machine.Ready()
		touched, readys = append(touched, h), append(readys, rd)
		if rd.Persist.Row != nil {
			b.parts = append(b.parts, part{
				plan: h.plan, create: h.fresh, persist: rd.Persist,
				sight: append([]time.Time(nil), h.away...), here: append([]bool(nil), h.hereNow...), clock: h.clock,
			})
		}
		h.touched, h.fresh = false, false
	}
	answers := t.answers
	t.answers = nil
	finish := func() {
		t.busy = false
		for i, h := range touched {
			if t.owner() {
				t.w.idle(h, h.clock)
			}
			t.deliver(h, readys[i].Send)
			if !t.up {
				return
			}
			if h.machine.Row().State == job.Done && h.doneAt.IsZero() {
				h.doneAt = t.w.now
			}
		}
		for _, answer := range answers {
			answer()
		}
		then()
		t.plan()
	}
	if t.w.bug("send before persist") && len(b.parts) > 0 {
		for i, h := range touched {
			t.deliver(h, readys[i].Send)
		}
	}
	if t.w.bug("forget before commit") {
		for i, h := range touched {
			t.deliver(h, job.Send{Forget: readys[i].Send.Forget})
		}
	}
	if proof := t.w.now.Sub(t.proven) >= proveEvery && !t.w.bug("ownership is not proven"); len(b.parts) == 0 && !proof {
		finish()
		return
	}
	t.commit(&b, finish)
}

// commit writes a batch; its fate is known before anything goes on.
func (t *tenure) commit(b *batch, finish func()) {
	t.number++
	t.busy = true
	ok := false
	t.w.store.ask(&t.proc, func() func() {
		ok = t.w.store.apply(b)
		if t.w.strikes(SchedulerCrash, 6) {
			t.w.saw("a scheduler crashed between commit and reply")
			t.crash("between commit and reply")
		}
		return func() {
			switch {
			case t.over:
			case !ok:
				t.end("it is fenced")
			default:
				t.proven = t.w.now
				finish()
			}
		}
	})
	t.crashPoint("with a commit under way")
}

// owner reports whether the shard is still this tenure's.
func (t *tenure) owner() bool { return t.w.store.shards[t.shard].epoch == t.epoch }

// plan looks when something is to be done next.
func (t *tenure) plan() {
	if t.over || !t.up {
		return
	}
	if len(t.in) > 0 {
		t.wake(0)
		return
	}
	next := proveEvery
	for _, h := range t.jobs {
		if h == nil {
			continue
		}
		if at, wants := h.machine.Due(); wants {
			next = min(next, max(time.Second/10, at.Sub(t.clock())))
		}
		if !h.doneAt.IsZero() {
			next = min(next, time.Minute)
		}
	}
	t.wake(next)
}

// end gives the shard up.
func (t *tenure) end(why string) {
	t.w.say(t.name, "gives shard %d up: %s", t.shard, why)
	t.over, t.serving, t.loaded = true, false, false
	t.tenures[t.shard] = nil
	t.tell()
}

// deliver sends what is owed to where the hosts are.
func (t *tenure) deliver(h *held, s job.Send) {
	p, era := h.plan, t.era
	for _, d := range s.Dispatch {
		t.w.sending(p, d.Ordinal, task.DesiredRun, d.Attempt)
		if d.Want > task.DesiredRun {
			t.w.sending(p, d.Ordinal, d.Want, d.Attempt)
		}
		t.w.say(t.name, "dispatches %s, attempt %d, to %s%s", p.name, d.Attempt, t.w.hosts[p.hosts[d.Ordinal]].id, wish(d.Want))
		t.route(p.hosts[d.Ordinal], func(m *mesh) { t.dispatch(m, p, d) })
		if t.crashPoint("between two sends") {
			return
		}
	}
	for _, d := range s.Wishes {
		t.w.sending(p, d.Ordinal, d.Want, d.Attempt)
		t.route(p.hosts[d.Ordinal], func(m *mesh) { t.wish(m, p, d) })
	}
	for _, o := range s.Forget {
		t.w.sending(p, o, task.DesiredGone, 0)
		via, _ := t.seen.Via(t.w.hosts[p.hosts[o]].id)
		t.w.say(t.name, "lets %s forget %s, by %q", t.w.hosts[p.hosts[o]].id, p.name, via)
		t.route(p.hosts[o], func(m *mesh) { t.forget(m, p, o, era) })
		if t.crashPoint("between two sends") {
			return
		}
	}
	for _, o := range s.Query {
		t.route(p.hosts[o], func(m *mesh) { m.stream.send(1, inOrder, func() { m.agg.query(t.n, m.stream, p, o) }) })
	}
}

func wish(want task.Desired) string {
	if want > task.DesiredRun {
		return ", with the wish to " + want.String()
	}
	return ""
}
