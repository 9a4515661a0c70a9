package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// endProcess is one attempt's supervisor, and with it the user's process: that
// lives on when only the end-process dies.
type endProcess struct {
	proc
	host     *host
	plan     *plan
	attempt  uint32
	executor int // the life that started it

	leader  bool        // the user's process lives
	ended   bool        // it has ended
	reaper  int         // the life of the executor that can say how
	outcome task.Report // how it ended by itself
	stopped bool        // it was told to stop
	late    bool        // its time is up
	killed  task.State  // why it was ended; zero: by itself
}

// begin looks at the disk, and makes the attempt's record before anything runs.
func (ep *endProcess) begin() {
	h, p := ep.host, ep.plan
	ep.executor = h.exec.life
	c := h.disk.commands[p.n]
	if c == nil {
		ep.die()
		return
	}
	a := c.attempt(ep.attempt)
	decided := task.Report{Attempt: ep.attempt}
	switch {
	case c.stop:
		decided.State, decided.Exit.Reason = task.Canceled, task.BeforeStart
	case h.clock().After(p.startBy(ep.attempt)) && !h.w.bug("start-by not looked at"):
		decided.State, decided.Exit.Reason = task.Expired, task.StartByPassed
	}
	if decided.State == task.Unspecified && p.lacks(h) {
		decided.State, decided.Exit.Reason = task.StartFailed, task.NoAccount
	}
	switch {
	case a.claim != adopt.NoClaim && !h.w.bug("claim not exclusive"):
		ep.over()
		return
	case decided.State != task.Unspecified:
		h.decide(p, ep.attempt, decided)
		ep.over()
		return
	}
	a.claim, a.by, a.boot = adopt.Begun, ep, h.boot
	h.exec.supervised[p.n] = h.exec.supervised[p.n] && !h.exec.up
	h.w.claimed(h, ep)
	h.exec.tellIfUp(p)
	h.crashPoint("with a record of an attempt")
	ep.after(h.slow(20*time.Millisecond), func() { ep.startLeader(c, a) })
}

func (x *executor) tellIfUp(p *plan) {
	if x.up {
		x.watched[p.n] = true
		x.tell(p)
	}
}

// startLeader starts the user's process.
func (ep *endProcess) startLeader(c *command, a *attempt) {
	h := ep.host
	if c.stop {
		h.finish(ep.plan, task.Report{Attempt: ep.attempt, State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}})
		ep.over()
		return
	}
	var takes time.Duration
	takes, ep.outcome = ep.plan.ending(h, ep.attempt)
	ep.leader = true
	h.w.started(h, ep)
	h.machine.after(takes, ep.leaderEnds)
	if s := &ep.plan.spec; s.Timeout > 0 && !s.TimeoutReportOnly {
		h.machine.after(s.Timeout, ep.timeIsUp)
	}
	ep.after(h.w.span(ofHost, time.Millisecond, 5*time.Millisecond), func() {
		a.run = true
		h.exec.tellIfUp(ep.plan)
	})
}

// exit is how the attempt ended.
func (ep *endProcess) exit() task.Report {
	r := ep.outcome
	if ep.killed == task.Canceled {
		r.State, r.Exit = task.Canceled, task.Exit{Reason: task.Killed}
	}
	if ep.killed == task.TimedOut {
		r.State, r.Exit = task.TimedOut, task.Exit{Reason: task.Timeout}
	}
	return r
}

// leaderEnds: the user's process has ended. Whoever supervises it writes how.
func (ep *endProcess) leaderEnds() {
	if !ep.leader {
		return
	}
	ep.leader, ep.ended, ep.reaper = false, true, -1
	h := ep.host
	if !ep.up {
		if h.exec.up {
			ep.reaper = h.exec.life // the subreaper can wait for it
			h.exec.look(ep.plan)
		}
		return
	}
	ep.after(h.w.span(ofHost, time.Millisecond, 10*time.Millisecond), func() {
		h.finish(ep.plan, ep.exit())
		ep.over()
	})
}

// knock makes it look at the wish to stop.
func (ep *endProcess) knock() {
	if !ep.up || ep.stopped || !ep.leader {
		return
	}
	ep.stopped = true
	ep.end(task.Canceled)
}

func (ep *endProcess) timeIsUp() {
	if !ep.leader {
		return
	}
	ep.late = true
	if ep.up {
		ep.end(task.TimedOut)
	} else if ep.host.exec.up {
		ep.host.exec.look(ep.plan)
	}
}

// end ends the tree: TERM, and a moment later it is gone.
func (ep *endProcess) end(why task.State) {
	ep.after(ep.host.w.span(ofHost, 5*time.Millisecond, 2*time.Second), func() {
		if ep.leader {
			ep.killed = why
			ep.leaderEnds()
		}
	})
}

// kill9 is the executor that took over and ends the tree.
func (ep *endProcess) kill9(then func()) {
	h := ep.host
	h.exec.after(50*time.Millisecond, func() {
		if ep.leader {
			ep.killed = task.TimedOut
			if c := h.disk.commands[ep.plan.n]; c != nil && c.stop {
				ep.killed = task.Canceled
			}
			ep.leaderEnds()
		}
		then()
	})
}

// over ends the end-process.
func (ep *endProcess) over() {
	ep.die()
	ep.host.exec.ended(ep)
}

// kill is kill -9 of the end-process alone; now and then all of the tree.
func (ep *endProcess) kill() {
	if !ep.up {
		return
	}
	ep.host.w.say(string(ep.host.id), "the end-process of %s is killed", ep.plan.name)
	ep.die()
	if ep.leader && ep.host.w.chance(ofCrash, 500) {
		ep.leader, ep.ended, ep.reaper = false, true, -1
	}
	ep.host.exec.ended(ep)
}
