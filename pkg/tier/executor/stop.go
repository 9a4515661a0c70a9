package executor

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// verdict is an outcome that needs no start: what Decline and Stop record.
type verdict struct {
	id            string
	attempt       uint32
	outcome       spool.Outcome
	rememberUntil time.Time
	context       []byte
	stop          bool // it is a wish to stop: what runs is ended
}

func canceled(id string, attempt uint32, rememberUntil time.Time, context []byte, now time.Time) verdict {
	return verdict{
		id: id, attempt: attempt, rememberUntil: rememberUntil, context: context, stop: true,
		outcome: spool.Outcome{State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}, Ended: now},
	}
}

// pass carries a verdict out. Whoever creates the attempt's record first has
// decided; the answer is what is known then.
func (e *Executor) pass(v verdict, reply replier) {
	again := func(context.Context) { e.pass(v, reply) }
	c, free := e.known(v.id, v.rememberUntil, again, reply)
	switch {
	case c == nil && !free:
	case c == nil:
		e.bury(v, reply)
	case !c.report.State.Final() && v.attempt > c.attempt:
		reply(answer{}, cannotFollow(v.id, v.attempt, c))
	case !c.report.State.Final() && v.attempt < c.attempt:
		tell(c, reply) // of an attempt that is over
	case !c.report.State.Final():
		e.passLive(c, v, reply)
	default:
		e.passEnded(c, v, reply)
	}
}

// bury records the verdict on what has no directory, and never will have.
func (e *Executor) bury(v verdict, reply replier) {
	t := spool.Tomb{ID: v.id, RememberUntil: v.rememberUntil, Attempt: v.attempt, Outcome: v.outcome, Context: v.context}
	c := fromTomb(t)
	c.busy = true
	e.commands[c.id] = c
	e.work.Go(func() {
		var stands spool.Tomb
		err := e.onDisk(func() (err error) {
			stands, err = e.root.Bury(t)
			return err
		})
		e.post(func(ctx context.Context) {
			switch {
			case err != nil:
				delete(e.commands, c.id)
				e.unbusy(ctx, c)
				reply(answer{}, writeFault("record the decision", c.id, err))
				return
			case stands.Released: // a damaged one
				delete(e.commands, c.id)
				e.tombs.add(c.id, stands.RememberUntil)
				e.unbusy(ctx, c)
				reply(answer{acceptance: released}, nil)
				return
			}
			c.bury(stands)
			e.unbusy(ctx, c)
			tell(c, reply)
			e.changed(c)
		})
	})
}

// passLive makes the wish durable first, then tries to decide, then tells
// whoever was first.
func (e *Executor) passLive(c *command, v verdict, reply replier) {
	planted.Do("cancel without the record", func() { c.settle(v.outcome, [2][32]byte{}) })
	c.busy = true
	attempt := c.attempt
	e.work.Go(func() {
		err := e.write(c.id, func(dir *spool.Command) error {
			if v.stop {
				if err := dir.Stop(); err != nil {
					return err
				}
			}
			err := dir.Decide(attempt, spool.Attempt{At: v.outcome.Ended, Decided: dir.Explain(v.outcome)})
			if v.stop && errors.Is(err, spool.ErrExists) {
				return knock(dir, attempt)
			}
			return err
		})
		e.post(func(ctx context.Context) {
			e.unbusy(ctx, c)
			if err != nil {
				reply(answer{}, writeFault("record the decision", c.id, err))
				return
			}
			if v.stop && c.wake != nil {
				c.wake()
			}
			e.tellAfterLook(c, reply)
		})
	})
}

// knock makes the attempt's end-process look at the wish to stop.
func knock(dir *spool.Command, attempt uint32) error {
	a, err := dir.Attempt(attempt)
	if errors.Is(err, spool.ErrDamaged) {
		return nil // nobody can be told; whoever takes over finds the wish
	}
	if err != nil || a.Supervisor.IsZero() {
		return err
	}
	return knockAt(a.Supervisor)
}

// knockAt does not mind an end-process that is gone: the wish is durable, and
// somebody else finds it.
func knockAt(endProcess proc.Identity) error {
	p, err := proc.Open(endProcess)
	if err == nil {
		err = p.Signal(unix.SIGUSR1)
		p.Close()
	}
	if errors.Is(err, proc.ErrGone) {
		return nil
	}
	return err
}

// passEnded forbids the attempt after one that was lost; anything else that has
// ended is only told.
func (e *Executor) passEnded(c *command, v verdict, reply replier) {
	next, ok := task.Rerun(c.report)
	if !ok || next.Attempt != v.attempt || c.buried {
		tell(c, reply)
		return
	}
	c.busy = true
	e.work.Go(func() {
		err := e.write(c.id, func(dir *spool.Command) error {
			if v.stop {
				if err := dir.Stop(); err != nil {
					return err
				}
			}
			return dir.Decide(v.attempt, spool.Attempt{At: v.outcome.Ended, Decided: v.outcome})
		})
		e.post(func(ctx context.Context) {
			if err == nil {
				c.next(time.Time{}, v.context)
			}
			e.unbusy(ctx, c)
			if err != nil {
				reply(answer{}, writeFault("record the decision", c.id, err))
				return
			}
			e.tellAfterLook(c, reply)
		})
	})
}
