package executor

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// command is what the loop holds of one command that is not released.
type command struct {
	id            string
	slotGroup     string
	startBy       time.Time // of the present attempt; zero: no limit
	accepted      time.Time
	rememberUntil time.Time
	context       []byte
	attempt       uint32
	report        task.Report
	detail        job.Detail
	buried        bool // it has no directory, but a tombstone
	unread        bool // its specification could not be read yet: the fields above are empty

	// busy: a write that decides whether it exists, or goes on to exist, is
	// under way. Whoever asks of it meanwhile waits in line.
	busy bool
	born bool // its first write is done: it is known
	line []func(ctx context.Context)
	// leaving: it is being released, so that nobody is told of it any more.
	leaving bool

	room    uint64 // that it holds on the disk
	outputs uint64 // of that, what the outputs of the present attempt may take

	looking, again bool   // a look is under way; another is wanted
	queued, slot   bool   // it waits for a slot; it has one
	supervised     bool   // somebody beside the loop waits for its end-process, or took over
	tries          int    // end-processes that ended without a record
	wake           func() // makes a take-over look at the wish to stop
	held           *spool.Holder
	heldInTime     bool // since before its end-process or its leader began to end

	found   bool       // an executor before has left it, and nothing has been done about it yet
	counted bool       // as live
	trace   string     // traceparent of the present attempt's start; empty: it is not traced
	span    trace.Span // of its run; nil: it does not run, or is not traced
	waiters []func()   // called when a look was carried out
}

func newCommand(s spool.Spec, attempt uint32) *command {
	return &command{
		id: s.ID, slotGroup: s.SlotGroup, startBy: s.StartBy, accepted: s.Accepted,
		rememberUntil: s.RememberUntil, context: s.Context, attempt: attempt,
		report: task.Report{Attempt: attempt, State: task.Accepted},
	}
}

// fill takes what could not be read before.
func (c *command) fill(s spool.Spec) {
	c.unread = false
	c.slotGroup, c.accepted, c.rememberUntil = s.SlotGroup, s.Accepted, s.RememberUntil
	if len(c.context) == 0 {
		c.context = s.Context
	}
	if c.attempt == 1 {
		c.startBy = s.StartBy
	}
}

// letGo gives the outputs back, which nobody needs any more.
func (c *command) letGo() {
	if c.held != nil {
		c.held.Close()
		c.held, c.heldInTime = nil, false
	}
}

// view is the command as callers see it.
func (c *command) view() wire.HostCommand {
	return wire.HostCommand{
		ID: c.id, Report: c.report, Detail: c.detail, RememberUntil: c.rememberUntil, Context: c.context,
	}
}

// see raises the live state; a state never goes back.
func (c *command) see(state task.State, started time.Time, overdue bool) (changed bool) {
	seen := task.Join(c.report, task.Report{Attempt: c.attempt, State: state})
	changed = seen != c.report || overdue != c.detail.Overdue || !started.Equal(c.detail.StartedAt)
	c.report, c.detail.Overdue, c.detail.StartedAt = seen, overdue, started
	return changed
}

// next makes it the next attempt, accepted and not begun.
func (c *command) next(startBy time.Time, context []byte) {
	c.letGo()
	c.attempt++
	c.report = task.Report{Attempt: c.attempt, State: task.Accepted}
	c.detail = job.Detail{}
	c.startBy, c.tries, c.supervised, c.wake = startBy, 0, false, nil
	c.trace, c.span, c.found = "", nil, false
	if len(context) > 0 {
		c.context = context
	}
}

// settle sets the outcome.
func (c *command) settle(o spool.Outcome, sums [2][32]byte) {
	c.report = task.Report{Attempt: c.attempt, State: o.State, Exit: o.Exit}
	c.detail = job.Detail{StartedAt: o.Started, EndedAt: o.Ended, Message: o.Message, Overdue: o.Overdue}
	if o.Started.IsZero() {
		return
	}
	for i, stream := range []job.Stream{job.Stdout, job.Stderr} {
		c.detail.Outputs = append(c.detail.Outputs, job.OutputRef{
			Stream: stream, Digest: sums[i], Size: o.Kept[i], Cut: o.Cut[i], Tail: o.Tail[i],
		})
	}
}

// unbusy ends the write, and serves those in line.
func (e *Executor) unbusy(ctx context.Context, c *command) {
	c.busy, c.born = false, true
	line := c.line
	c.line = nil
	for _, call := range line {
		call(ctx)
	}
}
