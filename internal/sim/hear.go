package sim

import (
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// said is what a host says of a task.
type said struct {
	inc       fleet.Incarnation
	seen      task.Report
	pastW     bool
	forgotten bool // with pastW: the host had it, and was let forget it
}

// Answers to users.
var (
	errNotOwner = errors.New("this scheduler does not own the shard")
	errNoJob    = errors.New("there is no such job")
)

// heard takes one report.
func (t *tenure) heard(r report) {
	p := t.w.plans[r.job]
	h := t.find(p)
	if h == nil && !t.w.store.answers() && !t.w.bug("unread is unheard") {
		t.w.saw("a report waited for the store")
		t.after(10*time.Second, func() { t.hearAgain(r) }) // its aggregator was told that it has come
		return
	}
	if h == nil {
		t.strays[p.n] = append(t.strays[p.n], r.host) // not in the store: its host keeps it
		return
	}
	id := t.w.hosts[r.host].id
	t.w.say(t.name, "hears from %s of %s: attempt %d %s%s", id, p.name, r.said.seen.Attempt, r.said.seen.State, past(r.said.pastW))
	if r.said.pastW {
		t.w.sawIf(!r.said.forgotten, "a host answered PAST_W")
		t.w.sawIf(r.said.forgotten, "a host said that it was let forget a task")
		// Not even a job that this owner accepted is without a history: a restored
		// store may have lost it, and its user has submitted it again.
		same := t.epoch.Generation == 1 || h.here && t.w.bug("what is accepted here has no history")
		err := t.step(h, job.PastW{Host: id, Incarnation: r.said.inc, SameGeneration: same, Forgotten: r.said.forgotten})
		if errors.Is(err, job.ErrForgotten) && t.owner() && !t.w.bug("what is accepted here has no history") {
			t.w.violate(ForgetAfterCommit, "%s was let forget %s, of which the store has no outcome", id, p.name)
		}
		return
	}
	if o, ok := p.targets.Find(id); ok && h.machine.Task(o).Report.State == task.Unknown && r.said.seen.State.Final() {
		t.w.saw("an outcome came after UNKNOWN")
	}
	_ = t.step(h, job.Reported{Host: id, Incarnation: r.said.inc, Report: r.said.seen})
}

// hearAgain takes a report whose job could not be read before.
func (t *tenure) hearAgain(r report) {
	if !t.over {
		t.post(func() { t.heard(r) })
	}
}

// hostsChanged tells the jobs of hosts that came, went or changed.
func (t *tenure) hostsChanged(hosts []int) {
	for _, h := range t.jobs {
		if h == nil {
			continue
		}
		for _, n := range hosts {
			o, ok := h.plan.ordinal[n]
			if !ok {
				continue
			}
			if ev, tell := t.sight(h.plan.targets.At(o)); tell {
				_ = t.step(h, ev)
			}
		}
	}
}

// submit accepts a job; the same one again is the same job.
func (t *tenure) submit(p *plan, answer func(error)) {
	if h := t.find(p); h != nil {
		t.answers = append(t.answers, func() { answer(nil) })
		return
	}
	if t.w.store.jobs[p.n] != nil || !t.w.store.answers() {
		answer(errNotOwner) // it cannot be read now
		return
	}
	if err := job.Validate(p.spec, p.targets, t.clock()); err != nil {
		answer(err)
		return
	}
	h := t.fresh(p)
	t.jobs[p.n] = h
	t.meet(h)
	t.answers = append(t.answers, func() {
		t.askStrays(h)
		answer(nil)
	})
}

// askStrays asks those who have spoken of a job before it was there: a restored
// store had lost it, and their aggregators were told that they were heard.
func (t *tenure) askStrays(h *held) {
	var ask job.Send
	for _, host := range t.strays[h.plan.n] {
		ask.Query = append(ask.Query, h.plan.ordinal[host])
	}
	t.strays[h.plan.n] = nil
	t.w.sawIf(len(ask.Query) > 0, "strays were asked again")
	if !t.w.bug("strays are not asked again") {
		t.deliver(h, ask)
	}
}

// control steps a job with a request of a user.
func (t *tenure) control(p *plan, ev job.Event, answer func(error)) {
	h := t.find(p)
	if h == nil {
		answer(errNoJob)
		return
	}
	before := h.machine.Row()
	if err := t.step(h, ev); err != nil {
		t.w.sawIf(errors.Is(err, job.ErrControlRevision), "a stale control revision was refused")
		answer(err)
		return
	}
	if h.machine.Row().ControlRevision > before.ControlRevision {
		t.w.controlled(h, before, ev)
	} else {
		t.w.saw("a control request changed nothing")
	}
	t.answers = append(t.answers, func() { answer(nil) })
}

func past(w bool) string {
	if w {
		return ", past W"
	}
	return ""
}
