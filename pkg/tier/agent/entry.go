package agent

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/wire"
)

// entry is what the agent knows of one task. Two fields say it all, and have two
// writers: what was seen, which is the host's own knowledge, and what is wanted,
// which comes from above.
type entry struct {
	id       job.ID
	ticket   ticket
	seen     task.Report  // zero: not verified yet; DISPATCHED: to be handed over
	want     task.Desired // only grows
	detail   job.Detail   // signed when it has an outcome
	remember time.Time    // E

	memory    bool         // a ping: the executor knows nothing of it
	pastW     bool         // the executor may have known and forgotten it: no outcome
	forgotten bool         // with pastW: it has
	told      task.Desired // the greatest wish that the executor has carried out; 0: none

	handover
	delivery
}

// handover is what is still to be given to the executor.
type handover struct {
	asked    *wire.Delivery // as it came, or came from the cache; nil: it was handed over
	refusal  task.Report    // hand it over as this; zero: start order
	why      error          // of the refusal
	trace    string         // traceparent of the span that delivered it, and then of the verdict's; empty: not traced
	order    wire.StartOrder
	parent   job.ID    // of the job that it retries; zero: none
	copied   bool      // asked was given to the cache as it is now
	cached   bool      // it is there, and counted
	fetching bool      // its capsule is on its way
	waits    []item    // items of replies that are taken over when it is in the cache
	busy     bool      // a call to the executor is under way
	failures int       // of such calls, in a row
	retryAt  time.Time // not before then; zero: at once
}

// delivery is the state of an outcome's outputs on their way up.
type delivery struct {
	gathering uint64   // the session, by its place, in which they are being fetched; 0: none
	gathered  uint64   // the session in which they were; 0: none
	inline    [][]byte // the small ones, until they are sent
}

// item is a command or a wish in a reply, to be acknowledged.
type item struct {
	session uint64 // by its place in this process; 0: it came from the cache
	reply   uint64
	class   string // whose credit is given back; empty: none, it is a wish
}

// act is the one next thing to do for a task.
type act uint8

const (
	actNothing act = iota
	actFetch       // its capsule
	actCopy        // into the cache
	actStart
	actDecline
	actSignal   // end it
	actWithdraw // end it if it has not started
	actRelease
	actDrop // the executor knows nothing of it: forget it here
)

// action decides, from task.Next, what is to be done now. It does not look at
// whether the executor is there, or whether a call is under way.
func (e *entry) action() act {
	if e.lacksCapsule() {
		return actFetch
	}
	if e.asked != nil && !e.copied {
		return actCopy
	}
	if e.pastW || e.memory {
		if e.want >= task.DesiredGone {
			return actDrop
		}
		return actNothing
	}
	switch task.Next(e.seen, e.want) {
	case task.Accept:
		return e.handOver(actStart)
	case task.Drop:
		return e.handOver(e.heed())
	case task.Stop:
		return e.heed()
	case task.Forget:
		return actRelease
	case task.Wait, task.Spawn:
	}
	return actNothing
}

// refused reports whether the host's verdict is that it will not.
func (h *handover) refused() bool { return h.refusal != task.Report{} }

// handOver: a verdict of the host goes before any wish.
func (e *entry) handOver(otherwise act) act {
	if e.refused() {
		return actDecline
	}
	return otherwise
}

// heed is how the executor learns of a wish that it has not carried out.
func (e *entry) heed() act {
	switch {
	case e.told >= e.want:
		return actNothing
	case e.want < task.DesiredStop:
		return actWithdraw
	}
	return actSignal
}

// wish notes what is wanted. A wish that must not be lost with the process, not
// to start what is here, goes into the cache with the command.
func (e *entry) wish(want task.Desired) {
	if want <= e.want {
		return
	}
	e.want = want
	if want <= task.DesiredStop && e.asked != nil && !planted.Bug("a stop before the start is not kept") {
		e.asked.Want, e.copied = want, false
	}
}

// lacksCapsule reports whether an attempt was asked for by the name of its
// capsule alone, and nothing is known of it yet.
func (e *entry) lacksCapsule() bool {
	return e.asked != nil && e.asked.Capsule == nil && e.asked.Attempt > e.seen.Attempt
}

// overtaken reports whether the executor has the attempt that was asked for,
// before its capsule came: nothing is left to be handed over.
func (e *entry) overtaken() bool {
	return e.asked != nil && e.asked.Capsule == nil && e.asked.Attempt <= e.seen.Attempt
}

// settled reports whether the task may be forgotten: it has an outcome, or none
// is to be had here, and no later attempt has been asked for.
func (e *entry) settled() bool {
	return e.pastW || e.seen.State.Final() && e.attempt() == e.seen.Attempt
}

// attempt is the greatest attempt that is known here.
func (e *entry) attempt() uint32 {
	if e.asked != nil {
		return max(e.asked.Attempt, e.seen.Attempt)
	}
	return e.seen.Attempt
}

// knows reports whether a command brings nothing but perhaps a wish: the attempt
// is known, or cannot follow on what this host has seen.
func (e *entry) knows(attempt uint32) bool {
	if attempt <= e.attempt() {
		return true
	}
	next, ok := task.Rerun(e.seen)
	return !ok || next.Attempt != attempt
}

// says reports whether there is anything to report.
func (e *entry) says() bool {
	return (e.pastW || e.seen.State >= task.Accepted) && e.want < task.DesiredGone
}

// live reports whether it counts as accepted and not ended.
func (e *entry) live() bool { return !e.pastW && e.seen.State >= task.Accepted && e.seen.State.Live() }

// named is how the executor is told of an attempt. A remember-until that was lost
// counts as the longest there is.
func (e *entry) named(now time.Time) Named {
	n := Named{ID: e.id.String(), Attempt: max(e.seen.Attempt, 1), RememberUntil: e.remember, Context: e.ticket.encode()}
	if n.RememberUntil.IsZero() {
		n.RememberUntil = now.Add(longestE)
	}
	return n
}

// clearHandover: nothing is to be handed over any more. Items that wait are the
// caller's.
func (h *handover) clearHandover() { *h = handover{waits: h.waits, busy: h.busy} }
