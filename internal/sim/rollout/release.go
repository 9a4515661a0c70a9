package rollout

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// control moves the pause points, as the user was told when the resume was made.
func (l *Ledger) control(w Write, c job.ControlRow, report Report) {
	if l.requests[c.RequestID] {
		report(ResumeOnce, "request %s has an effect a second time", c.RequestID)
	}
	l.requests[c.RequestID] = true
	made, known := l.resumes[c.RequestID]
	if !isResume(c) || !known {
		return
	}
	points := &l.spec.Rollout
	if made.budget {
		l.forgiven = min(made.bad, int(w.Row.Forgiven)) // fewer, if late truth has come since
	}
	switch {
	case made.unsure:
		l.batchGate = int(w.Row.BatchGate)
	case made.batchOver:
		l.batchGate = next(points.PauseBatches, made.batch+1)
	}
	switch made.ev.Until {
	case job.UntilEnd:
		l.gate, l.batchGate = 0, 0
	case job.UntilNumber:
		l.gate = made.released + min(int(made.ev.Targets), len(l.states))
	case job.UntilNext:
		if l.gate > 0 && made.released >= l.gate && made.settled {
			l.gate = next(points.PauseAfter, made.released)
		}
	}
}

func (l *Ledger) charged() int { return max(0, l.bad-l.forgiven) }

func (l *Ledger) budget() int { return l.spec.Rollout.MaxFailures.Of(len(l.states)) }

// window is from when until when targets are released.
func (l *Ledger) window() (from, until time.Time) {
	until = l.spec.StartBy
	if d := l.spec.Rollout.Deadline; d.Before(until) {
		until = d
	}
	return l.spec.NotBefore, until
}

// release looks at what is released, and whether the rollout allows it.
func (l *Ledger) release(w Write, report Report) {
	if len(w.Released) == 0 {
		return
	}
	end, gate := l.Ends[w.Row.Batch], l.Layout.gate(l.batchGate)
	for _, o := range w.Released {
		if l.released[o] || l.states[o].Final() {
			report(ReleasedOnce, "%s is released, and was released or %s before", l.Name(o), l.states[o])
			continue
		}
		l.released[o] = true
		l.nReleased++
		if !l.states[o].Settled() {
			l.inFlight++
			l.move(o, task.Dispatched)
		}
		switch pos := int(l.Place[o]); {
		case pos >= end:
			report(BatchBarrier, "%s is at position %d and released in batch %d, which ends at %d", l.Name(o), pos, w.Row.Batch+1, end)
		case pos >= gate:
			report(PausePoint, "%s is at position %d and released, the pause point after batch %d is at %d", l.Name(o), pos, l.batchGate, gate)
		}
	}
	from, until := l.window()
	switch {
	case w.Row.State != job.Running:
		report(PausePoint, "%d are released, and the job is %s", len(w.Released), w.Row.State)
	case w.Clock.Before(from), !w.Clock.Before(until):
		report(ReleaseWindow, "%d are released at %s, which may be from %s until %s", len(w.Released), w.Clock, from, until)
	case l.inFlight > l.limit:
		report(Concurrency, "%d are released and not settled, the concurrency is %d", l.inFlight, l.limit)
	case l.gate > 0 && l.nReleased > l.gate:
		report(PausePoint, "%d are released, the pause point is after %d", l.nReleased, l.gate)
	case l.spec.Rollout.MaxFailures.Limited && l.charged()+l.inFlight > l.budget()+1:
		report(Budget, "%d are bad and %d in flight, the budget is %d", l.charged(), l.inFlight, l.budget())
	}
}

// barrier looks at a batch that is passed: what was released of it and before it
// has settled, and who was not has been away for long enough.
func (l *Ledger) barrier(w Write, batch int, report Report) {
	wait, something := l.wait(), false
	for pos, o := range l.Order[:l.Ends[batch]] {
		switch {
		case l.states[o].Settled():
			something = something || pos >= l.Begin(batch)
		case l.released[o]:
			report(BatchBarrier, "batch %d begins, and %s of a batch before has not settled", batch+2, l.Name(o))
		case !w.Excused(o, wait):
			report(BatchBarrier, "batch %d begins without %s, whose host was not away for %s", batch+2, l.Name(o), wait)
		}
	}
	if !something {
		report(BatchBarrier, "batch %d begins, and nothing of the one before has settled", batch+2)
	}
}

// wait is how long a batch waits for hosts that are away.
func (l *Ledger) wait() time.Duration {
	if wait := l.spec.Rollout.WaitOffline; wait > 0 {
		return wait
	}
	return job.DefaultWaitOffline
}

// over reports whether a batch is, when all that was released has settled.
func (l *Ledger) over(batch int, excused Excused) bool {
	something := false
	for pos, o := range l.Order[:l.Ends[batch]] {
		switch {
		case l.released[o] || l.states[o].Settled():
			something = something || pos >= l.Begin(batch)
		case !excused(o, l.wait()):
			return false
		}
	}
	return something
}

// paused looks at whether there is a reason for an automatic pause.
func (l *Ledger) paused(w Write, report Report) {
	if w.Row.Pause == l.row.Pause {
		return
	}
	switch w.Row.Pause {
	case job.PausedByBudget:
		if l.charged() <= l.budget() {
			report(Budget, "it is paused for its budget, of which %d of %d is used", l.charged(), l.budget())
		}
	case job.PausedAtPoint:
		at := l.gate > 0 && l.nReleased >= l.gate || l.batchGate > 0 && int(w.Row.Batch)+1 >= l.batchGate
		if !at || l.inFlight > 0 {
			report(PausePoint, "it is paused at a point, with %d released and %d in flight: the points are after %d and after batch %d", l.nReleased, l.inFlight, l.gate, l.batchGate)
		}
	case job.NotPaused, job.PausedByUser:
	}
}

// Idle looks at a job of which nothing is owed: what may be released is, and what
// has to stop or go on by itself does. It looks at the targets of the batch.
func (l *Ledger) Idle(clock time.Time, here func(ordinal uint32) bool, report Report) {
	from, until := l.window()
	if l.row.State != job.Running || l.counts[task.Pending/64] == 0 || clock.Before(from) || !clock.Before(until) {
		return
	}
	limited, end := l.spec.Rollout.MaxFailures.Limited, l.Ends[l.row.Batch]
	switch {
	case limited && l.charged() > l.budget():
		report(Budget, "%d are bad, the budget is %d, and releasing has not stopped", l.charged(), l.budget())
		return
	case l.inFlight >= l.limit, limited && l.charged()+l.inFlight > l.budget():
		return
	case l.gate > 0 && l.nReleased >= l.gate:
		if l.inFlight == 0 {
			report(NotHeldBack, "all before the pause point after %d have settled, and it is not paused", l.gate)
		}
		return
	}
	waits := false
	for _, o := range l.Order[:end] {
		waits = waits || !l.states[o].Settled()
		if l.states[o] == task.Pending && here(o) {
			report(NotHeldBack, "%s is here and may be released, and is not: %d in flight, batch %d", l.Name(o), l.inFlight, l.row.Batch+1)
			return
		}
	}
	if !waits && end < len(l.Order) {
		report(NotHeldBack, "batch %d has settled, and the next does not begin", l.row.Batch+1)
	}
}
