package executor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/wire"
)

// start accepts an attempt: (1) write the specification, synced (2) answer
// (3) start the end-process. traceParent is of the span of the call; empty: it
// is not traced.
func (e *Executor) start(o wire.StartOrder, traceParent string, reply replier) {
	again := func(context.Context) { e.start(o, traceParent, reply) }
	c, free := e.known(o.Spec.ID, o.Spec.RememberUntil, again, reply)
	switch {
	case c == nil && !free:
	case c == nil && o.Attempt != 1:
		reply(answer{}, cannotFollow(o.Spec.ID, o.Attempt, nil))
	case c == nil:
		e.acceptFirst(o, traceParent, reply)
	case o.Attempt <= c.attempt:
		tell(c, reply)
	default:
		e.acceptNext(c, o, traceParent, reply)
	}
}

func (e *Executor) acceptFirst(o wire.StartOrder, traceParent string, reply replier) {
	o.Spec.Accepted = time.Now()
	if more := roomOf(o.Spec); !e.room.fits(more) {
		reply(answer{}, e.noRoomFor(o.Spec.ID, more))
		return
	}
	c := newCommand(o.Spec, 1)
	e.takeRoom(c, o.Spec)
	c.busy, c.trace = true, traceParent
	e.commands[c.id] = c
	e.work.Go(func() {
		err := e.onDisk(func() error {
			if err := e.diskFor(c.id); err != nil {
				return err
			}
			if err := e.root.Accept(o.Spec, o.Script, o.Stdin); err != nil {
				return writeFault("write the specification", c.id, err)
			}
			return nil
		})
		e.post(func(ctx context.Context) {
			if err != nil && !planted.Bug("accepted without the disk") {
				reply(answer{}, err)
				e.forget(ctx, c)
				return
			}
			e.unbusy(ctx, c)
			tell(c, reply)
			e.changed(c)
			e.look(c)
		})
	})
}

// forget drops a command whose acceptance failed. What could not be deleted of
// it is deleted first: a specification that stays would be started after a
// restart. Until then whoever asks of it waits.
func (e *Executor) forget(ctx context.Context, c *command) {
	e.work.Go(func() {
		for e.onDisk(func() error { return e.root.Clear(c.id) }) != nil {
			e.log.ErrorContext(ctx, "cannot delete a command that was not accepted; it is tried again", slog.String("command_id", c.id))
			if pausing(ctx, recordRetry) != nil {
				return
			}
		}
		e.post(func(ctx context.Context) {
			delete(e.commands, c.id)
			e.giveBack(c, c.room)
			e.unbusy(ctx, c)
		})
	})
}

// acceptNext accepts an attempt after one that was lost.
func (e *Executor) acceptNext(c *command, o wire.StartOrder, traceParent string, reply replier) {
	next, ok := task.Rerun(c.report)
	if !ok || next.Attempt != o.Attempt || c.buried {
		reply(answer{}, cannotFollow(c.id, o.Attempt, c))
		return
	}
	if more := outputRoom(o.Spec.Run); !e.room.fits(more) {
		reply(answer{}, e.noRoomFor(c.id, more))
		return
	}
	c.busy = true
	e.takeOutputs(c, o.Spec.Run)
	e.work.Go(func() {
		err := e.write(c.id, func(dir *spool.Command) error {
			return dir.Accept(o.Attempt, spool.Acceptance{StartBy: o.Spec.StartBy, Context: o.Spec.Context})
		})
		e.post(func(ctx context.Context) {
			if err == nil {
				c.next(o.Spec.StartBy, o.Spec.Context)
				c.trace = traceParent
			} else {
				e.keepOnly(c, spool.Outcome{})
			}
			e.unbusy(ctx, c)
			if err != nil {
				reply(answer{}, writeFault("accept the next attempt", c.id, err))
				return
			}
			tell(c, reply)
			e.changed(c)
			e.look(c)
		})
	})
}

// write runs a write in a command's directory; that it was made before is fine.
func (e *Executor) write(id string, do func(dir *spool.Command) error) error {
	return e.onDisk(func() error {
		dir, err := e.root.Command(id)
		if err != nil {
			return err
		}
		defer dir.Close()
		if err := do(dir); err != nil && !errors.Is(err, spool.ErrExists) {
			return err
		}
		return nil
	})
}
