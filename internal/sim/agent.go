package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// agent is the host's upper layer: it verifies, keeps a copy until the executor
// has it, and talks to an aggregator.
type agent struct {
	proc
	host    *host
	entries []*entry // by plan
	out     *link.Outbox[*plan]

	stream    *stream
	welcomed  bool
	heard     time.Time // the last reply
	time      time.Time // as the aggregator said it
	number    uint64    // of the last heartbeat
	haveReply uint64
	beating   bool
	said      bool // everything, in this session, since it was last asked

	watches  int  // the life of the executor that is watched; -1: none
	snapshot bool // the executor has said all that it has
}

// entry is what the agent knows of one task: what was seen, and what is wanted.
type entry struct {
	plan    *plan
	seen    task.Report
	want    task.Desired
	asked   *delivery
	refusal task.Report
	memory  bool // a ping: the executor knows nothing of it
	pastW   bool
	gone    bool         // with pastW: the executor was let forget it
	told    task.Desired // the greatest wish that the executor has carried out
	busy    bool
	era     int // of the Forget that it has heard
}

func (a *agent) start() {
	a.rise()
	a.entries = make([]*entry, len(a.w.plans))
	a.out = link.NewOutbox[*plan]()
	a.stream, a.welcomed, a.snapshot, a.watches = nil, false, false, -1
	a.time = time.Time{}
	for n, d := range a.host.disk.copies {
		if d != nil {
			e := a.entry(a.w.plans[n])
			e.asked = d
			e.want = max(e.want, d.want)
		}
	}
	a.after(a.w.span(ofHost, 0, 200*time.Millisecond), a.follow)
	a.after(a.w.span(ofHost, 0, time.Second), a.connect)
	a.every(heartbeatEvery, a.beatNow)
}

func (a *agent) entry(p *plan) *entry {
	e := a.entries[p.n]
	if e == nil {
		e = &entry{plan: p, want: task.DesiredRun}
		a.entries[p.n] = e
	}
	return e
}

// follow watches the executor: it is told everything once, and then what changes.
func (a *agent) follow() {
	x := a.host.exec
	if x.up && a.watches != x.life {
		life := x.life
		a.after(a.w.span(ofHost, time.Millisecond, 20*time.Millisecond), func() {
			if !x.up || x.life != life {
				return
			}
			a.watches = life
			for _, p := range a.w.plans {
				if r := a.host.disk.report(p); r.State != task.Unspecified {
					a.observe(p, r)
				}
			}
			a.snapshot = true
			for _, e := range a.entries {
				if e != nil {
					e.told = 0
					a.drive(e)
				}
			}
		})
	}
	a.after(300*time.Millisecond, a.follow)
}

// away reports whether the executor cannot be asked now.
func (a *agent) away() bool { return !a.snapshot || !a.host.exec.up || a.watches != a.host.exec.life }

// observe takes what the executor says.
func (a *agent) observe(p *plan, r task.Report) {
	e := a.entry(p)
	if e.asked != nil && e.asked.attempt <= r.Attempt {
		a.handed(e)
	}
	if task.Join(e.seen, r) != e.seen {
		e.seen = task.Join(e.seen, r)
		a.say(e)
	}
	a.drive(e)
}

// handed: the executor has what was asked, or need not have it.
func (a *agent) handed(e *entry) {
	e.asked, e.refusal = nil, task.Report{}
	a.host.disk.copies[e.plan.n] = nil
}

func (a *agent) say(e *entry) {
	if e.says() {
		a.out.Put(e.plan)
		a.beat()
	}
}

func (e *entry) says() bool {
	return (e.pastW || e.seen.State >= task.Accepted) && e.want < task.DesiredGone
}

// order takes a command of a reply. The copy is written at once.
func (a *agent) order(d delivery) {
	e := a.entry(d.plan)
	e.want = max(e.want, d.want)
	known := max(e.seen.Attempt, attemptOf(e.asked))
	next, follows := task.Rerun(e.seen)
	switch {
	case d.attempt <= known || e.seen.Attempt > 0 && (!follows || next.Attempt != d.attempt):
		if e.asked != nil && d.want > task.DesiredRun {
			e.asked = &delivery{d.plan, e.asked.attempt, e.want, e.asked.whole}
			a.copy(e)
		}
		a.say(e)
	default:
		e.asked = &d
		a.copy(e)
	}
	a.host.crashPoint("with a command that it has taken over")
	a.drive(e)
}

// copy keeps what was asked until the executor has it. Without its capsule it is
// nothing.
func (a *agent) copy(e *entry) {
	if e.asked.whole {
		a.host.disk.copies[e.plan.n] = e.asked
	}
}

func attemptOf(d *delivery) uint32 {
	if d == nil {
		return 0
	}
	return d.attempt
}

// judge verifies what was asked. A ping is answered here and now.
func (a *agent) judge(e *entry) {
	h, d := a.host, e.asked
	e.seen, e.told, e.refusal = task.Report{Attempt: d.attempt, State: task.Dispatched}, 0, task.Report{}
	o, named := d.plan.ordinal[h.n]
	refuse := func(s task.State, why task.Reason) {
		e.refusal = task.Report{Attempt: d.attempt, State: s, Exit: task.Exit{Reason: why}}
	}
	switch {
	case !named, d.plan.targets.At(o).Incarnation != h.disk.inc:
		refuse(task.Refused, task.NotTarget)
	case h.refuses:
		refuse(task.Refused, task.Frozen)
	case h.clock().After(d.plan.startBy(d.attempt)) && !a.w.bug("start-by not looked at"):
		refuse(task.Expired, task.StartByPassed)
	case d.plan.spec.Ping:
		a.answerPing(e)
	}
}

// answerPing settles a ping without a process and without a record.
func (a *agent) answerPing(e *entry) {
	r := task.Report{Attempt: e.seen.Attempt, State: task.Succeeded}
	if e.want >= task.DesiredWithdraw {
		r.State, r.Exit.Reason = task.Canceled, task.BeforeStart
	}
	e.memory, e.seen = true, r
	a.w.answered(a.host, e.plan, r)
	a.w.say(string(a.host.id), "answers %s: %s", e.plan.name, r.State)
	a.handed(e)
	a.say(e)
}

// parentLives reports whether the task that this one retries runs here, or may
// still be started here.
func (a *agent) parentLives(e *entry) bool {
	if e.plan.parent == nil || a.w.bug("a retry does not look at its parent") {
		return false
	}
	parent := a.entries[e.plan.parent.n]
	return parent != nil && !parent.settled()
}

// settled reports whether the task may be forgotten: it has an outcome, or none
// is to be had here, and no later attempt has been asked for.
func (e *entry) settled() bool {
	return e.pastW || e.seen.State.Final() && max(e.seen.Attempt, attemptOf(e.asked)) == e.seen.Attempt
}

// drive does the one next thing for a task, if it can be done now.
func (a *agent) drive(e *entry) {
	if e.busy {
		return
	}
	if e.lacksCapsule() {
		a.fetch(e)
		return
	}
	if e.asked != nil && e.asked.attempt > e.seen.Attempt {
		a.judge(e)
	}
	if e.pastW || e.memory {
		if e.want >= task.DesiredGone {
			a.drop(e)
		}
		return
	}
	x := a.host.exec
	switch task.Next(e.seen, e.want) {
	case task.Accept, task.Drop:
		switch attempt, wished := e.seen.Attempt, e.want > task.DesiredRun; {
		case e.refusal != task.Report{}:
			verdict := e.refusal
			a.call(e, attempt, func(answer func(answer)) { x.pass(e.plan, verdict, false, answer) })
		case !wished && !a.away() && a.parentLives(e):
			a.w.saw("a retry was refused: its parent lives")
			e.refusal = task.Report{Attempt: attempt, State: task.Refused, Exit: task.Exit{Reason: task.ParentLives}}
			a.drive(e)
		case !wished:
			if !a.away() {
				a.w.handing(a.host, e.plan)
			}
			a.call(e, attempt, func(answer func(answer)) { x.accept(e.plan, attempt, answer) })
		case e.told < e.want:
			a.signal(e, attempt, e.want >= task.DesiredStop)
		}
	case task.Stop:
		if e.told < e.want {
			a.signal(e, e.seen.Attempt, true)
		}
	case task.Forget:
		era := e.era
		a.call(e, e.seen.Attempt, func(answer func(answer)) { x.release(e.plan, era, answer) })
	case task.Wait, task.Spawn:
	}
}

// signal has the executor carry out a wish; kill: what has started is ended.
func (a *agent) signal(e *entry, attempt uint32, kill bool) {
	want := e.want
	verdict := task.Report{Attempt: attempt, State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}}
	a.call(e, attempt, func(reply func(answer)) {
		a.host.exec.pass(e.plan, verdict, kill, func(got answer) {
			got.told = want
			reply(got)
		})
	})
}

// call asks the executor for something; without an answer it is tried again.
func (a *agent) call(e *entry, attempt uint32, ask func(answer func(answer))) {
	if a.away() {
		return // it goes on when the executor is back
	}
	e.busy = true
	again := func() {
		e.busy = false
		a.after(500*time.Millisecond, func() { a.drive(e) })
	}
	a.w.call(&a.proc, &a.host.exec.proc, 3*time.Second, func(reply func(func())) {
		ask(func(got answer) {
			reply(func() {
				if e.busy = false; a.entries[e.plan.n] == e {
					a.answered(e, attempt, got)
				}
			})
		})
	}, again)
}

func (a *agent) answered(e *entry, attempt uint32, got answer) {
	switch got.kind {
	case invalid:
		e.refusal = task.Report{Attempt: attempt, State: task.Refused, Exit: task.Exit{Reason: task.Malformed}}
		a.after(500*time.Millisecond, func() { a.drive(e) })
		return
	case pastW:
		e.pastW = true
		a.handed(e)
		a.say(e)
	case released:
		a.handed(e)
		if e.want >= task.DesiredGone || a.w.bug("what was forgotten is not said") {
			a.drop(e)
			return
		}
		e.pastW, e.gone = true, true
		a.say(e)
	case recorded:
		e.told = max(e.told, got.told)
		if e.asked != nil && e.asked.attempt <= attempt {
			a.handed(e)
		}
		a.observe(e.plan, got.report)
		return
	}
	a.drive(e)
}

func (a *agent) drop(e *entry) {
	a.entries[e.plan.n] = nil
	a.host.disk.copies[e.plan.n] = nil
	a.out.Forget(e.plan)
}
