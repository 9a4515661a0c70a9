package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// look looks at a command: what is on disk, who lives, and so what to do.
func (x *executor) look(p *plan) {
	h := x.host
	c := h.disk.commands[p.n]
	if c == nil || x.busy[p.n] {
		return
	}
	n := c.accepted
	a := c.attempt(n)
	x.tell(p)
	action := adopt.Decide(found(c, a), x.liveness(c, a))
	h.w.saw("decided: " + action.String())
	switch action {
	case adopt.Report:
		x.watched[p.n] = false
	case adopt.Watch:
		x.watched[p.n] = true
		if c.stop && a.by != nil {
			a.by.knock()
		}
	case adopt.StartEndProcess:
		x.launch(p, n)
	case adopt.TakeOver:
		x.watched[p.n] = true
		x.takeOver(c, a)
	case adopt.RecordCanceled, adopt.RecordExpired, adopt.SetAside, adopt.RecordRebooted, adopt.RecordSupervisorLost:
		state, reason, _ := action.Records()
		r := task.Report{Attempt: n, State: state, Exit: task.Exit{Reason: reason}}
		x.write(func() {
			if state == task.Lost {
				h.finish(p, r)
			} else {
				h.decide(p, n, r)
			}
		}, func() { x.look(p) })
	case adopt.RemoveIncomplete, adopt.FinishRelease:
	}
}

// found is what is on disk of an attempt.
func found(c *command, a *attempt) adopt.Found {
	f := adopt.Found{Spec: adopt.Whole, Stop: c.stop, Claim: a.claim}
	if a.run {
		f.Run = adopt.Whole
	}
	if a.exit != nil {
		f.Exit = adopt.Whole
	}
	return f
}

// liveness is who lives of it.
func (x *executor) liveness(c *command, a *attempt) adopt.Liveness {
	h := x.host
	l := adopt.Liveness{StartByPassed: h.clock().After(c.plan.startBy(c.accepted)) && !h.w.bug("start-by not looked at")}
	switch {
	case a.by == nil && x.supervised[c.plan.n]:
		l.EndProcess = adopt.Alive
	case a.by != nil && a.by.up:
		l.EndProcess = adopt.Alive
	}
	if a.by != nil && h.w.strikes(Unclear, 100) {
		l.EndProcess = adopt.Unclear
	}
	l.OtherBoot = a.by != nil && a.boot != h.boot
	if a.by != nil && !l.OtherBoot {
		l.Tree = a.by.leader || a.by.ended && a.by.reaper == x.life
	}
	return l
}

// tell lets the agent know what is on disk.
func (x *executor) tell(p *plan) {
	a := x.host.agent
	x.after(time.Millisecond, func() {
		if r := x.host.disk.report(p); a.up && a.watches == x.life && r.State != task.Unspecified {
			a.observe(p, r)
		}
	})
}

// launch starts an end-process.
func (x *executor) launch(p *plan, n uint32) {
	if x.supervised[p.n] {
		return
	}
	if x.tries[p.n]++; x.tries[p.n] > 4 {
		r := task.Report{Attempt: n, State: task.StartFailed, Exit: task.Exit{Reason: task.NoResources}}
		x.write(func() { x.host.decide(p, n, r) }, func() { x.look(p) })
		return
	}
	x.supervised[p.n] = true
	ep := &endProcess{proc: x.w.newProc(string(x.host.id) + " end-process"), host: x.host, plan: p, attempt: n}
	x.host.processes = append(x.host.processes, ep)
	ep.rise()
	ep.after(x.host.slow(10*time.Millisecond), ep.begin)
	x.host.crashPoint("with an end-process that begins")
}

// ended is told that an end-process is no more.
func (x *executor) ended(ep *endProcess) {
	if !x.up {
		return
	}
	if ep.executor == x.life || x.watched[ep.plan.n] || x.supervised[ep.plan.n] {
		x.supervised[ep.plan.n] = false
		x.after(time.Millisecond, func() { x.look(ep.plan) })
	}
}

// takeOver goes on for an end-process that is dead: it waits for the leader, and
// ends it when that is wanted.
func (x *executor) takeOver(c *command, a *attempt) {
	ep := a.by
	if ep.leader && (c.stop || ep.late) {
		ep.kill9(func() { x.look(c.plan) })
		return
	}
	if !ep.leader && ep.ended {
		r := ep.exit()
		x.write(func() { x.host.finish(c.plan, r) }, func() { x.look(c.plan) })
	}
}
