package executor

import (
	"context"
	"log/slog"
	"time"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// act carries out what core/adopt decides of what was seen.
func (e *Executor) act(ctx context.Context, c *command, s sight) {
	if s.err != nil {
		e.log.ErrorContext(ctx, "cannot look at a command; it is looked at again later", slog.String("command_id", c.id), slog.Any("error", s.err))
		return
	}
	if c.unread && s.specRead {
		c.fill(s.spec)
		e.changed(c)
	}
	if (s.found.Claim == adopt.Begun || !s.endProcess.IsZero()) && s.found.Exit != adopt.Whole {
		state := task.Starting
		if s.found.Run == adopt.Whole {
			state = task.Running
		}
		if c.see(state, s.run.At, s.overdue) {
			e.changed(c)
		}
	}
	e.hold(ctx, c, s)
	switch action := adopt.Decide(s.found, s.live); action {
	case adopt.Report:
		e.finish(ctx, c, s)
	case adopt.Watch:
		if !s.endProcess.IsZero() {
			e.meters.adopt(ctx, c)
			e.occupy(c)
			e.watchEndProcess(ctx, c, s.endProcess)
			e.remind(ctx, c, s)
		}
	case adopt.StartEndProcess:
		c.found = false
		e.startOrGiveUp(ctx, c)
	case adopt.TakeOver:
		e.meters.adopt(ctx, c)
		e.occupy(c)
		e.takeOver(ctx, c, s)
	case adopt.RecordCanceled, adopt.RecordExpired, adopt.SetAside, adopt.RecordRebooted, adopt.RecordSupervisorLost:
		c.found = false
		e.record(ctx, c, action, s)
	case adopt.RemoveIncomplete, adopt.FinishRelease: // done when the directory is read
	}
}

// remind tells the end-process again of a wish to stop that is on disk: whoever
// wrote it may have died before it said so. To hear it twice is harmless.
func (e *Executor) remind(ctx context.Context, c *command, s sight) {
	if !s.found.Stop {
		return
	}
	if err := knockAt(s.endProcess); err != nil {
		e.log.WarnContext(ctx, "cannot tell an end-process of the wish to stop; it is tried again", slog.String("command_id", c.id), slog.Any("error", err))
	}
}

// hold keeps the output that is under way, in case that its end-process and its
// leader die before it is taken.
func (e *Executor) hold(ctx context.Context, c *command, s sight) {
	if s.holdFault != nil {
		e.log.WarnContext(ctx, "cannot hold the output of a command; its end may be lost with its end-process", slog.String("command_id", c.id), slog.Any("error", s.holdFault))
	}
	if c.held == nil {
		c.held, c.heldInTime = s.held, s.heldInTime
		return
	}
	s.drop()
}

// finish takes the outcome from the disk to the callers.
func (e *Executor) finish(ctx context.Context, c *command, s sight) {
	c.letGo()
	e.removeGroup(s.claim.Group)
	e.keepOnly(c, s.outcome)
	c.settle(s.outcome, s.sums)
	e.meters.end(ctx, c)
	e.log.InfoContext(c.ran(ctx), "a command has ended", slog.String("command_id", c.id), slog.Uint64("attempt", uint64(c.attempt)),
		slog.String("state", c.report.State.String()), slog.String("reason", c.report.Exit.Reason.String()))
	e.vacate(ctx, c)
	e.changed(c)
}

// startTries is how many end-processes may end without a record before the
// attempt is given up.
const startTries = 4

// startOrGiveUp starts an end-process, or records that none can be started.
func (e *Executor) startOrGiveUp(ctx context.Context, c *command) {
	if c.supervised {
		return
	}
	if c.tries < startTries {
		e.enqueue(ctx, c)
		return
	}
	e.decide(ctx, c, spool.Outcome{
		State: task.StartFailed, Exit: task.Exit{Reason: task.NoResources}, Ended: time.Now(),
		Message: "cannot start the command: its end-process could not make its record; see to disk space, memory and pids of this host",
	})
}

// record writes the outcome that an action stands for.
func (e *Executor) record(ctx context.Context, c *command, action adopt.Action, s sight) {
	state, reason, _ := action.Records()
	o := spool.Outcome{State: state, Exit: task.Exit{Reason: reason}, Ended: time.Now(), Overdue: s.overdue}
	if state != task.Lost {
		e.decide(ctx, c, o)
		return
	}
	o.Started = s.run.At
	attempt, held := c.attempt, c.heldInTime
	e.beside(ctx, c, func(dir *spool.Command) error {
		if err := drainLast(dir, attempt, &o); err != nil {
			return err
		}
		if !held {
			o.Message = outputMissing
		}
		if s.found.Exit == adopt.Damaged {
			if err := dir.DropDamagedExit(attempt); err != nil {
				return err
			}
		}
		return dir.End(attempt, o)
	})
}

// decide creates the attempt's record with an outcome that needs no start.
func (e *Executor) decide(ctx context.Context, c *command, o spool.Outcome) {
	attempt := c.attempt
	e.beside(ctx, c, func(dir *spool.Command) error {
		return dir.Decide(attempt, spool.Attempt{At: o.Ended, Decided: dir.Explain(o)})
	})
}

// beside writes a record beside the loop and looks again. A write that fails is
// tried again by the slow pull, which comes to the same decision.
func (e *Executor) beside(ctx context.Context, c *command, write func(dir *spool.Command) error) {
	e.work.Go(func() {
		if err := e.write(c.id, write); err != nil {
			e.log.ErrorContext(ctx, "cannot record what became of a command; it is tried again", slog.String("command_id", c.id), slog.Any("error", err))
			return
		}
		e.post(func(ctx context.Context) { e.look(c) })
	})
}
