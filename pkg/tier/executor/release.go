package executor

import (
	"context"
	"log/slog"
	"time"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// Limits of forgetting.
const (
	day = 24 * time.Hour
	// greatestE is how far ahead a remember-until may be: a deadline is at most
	// 30 days away. What is remembered longer would fill the host.
	greatestE = 32 * day
	// longestE is after how long a command whose remember-until was lost is
	// past it.
	longestE = greatestE
	// afterStarts is how long a release waits before it writes. It comes on the
	// same message as new commands, nobody waits for it, and the file system
	// makes one wait for what another syncs: without it a start took 4 ms longer.
	afterStarts = 15 * time.Millisecond
	// purgeAtOnce is how many tombstones go in one sweep.
	purgeAtOnce = 1000
)

// release forgets an ended command but for its tombstone, which is durable
// before the directory goes.
func (e *Executor) release(ctx context.Context, id string, reply func(bool, error)) {
	c := e.commands[id]
	switch {
	case c == nil:
		reply(e.tombs.has(id), nil)
		return
	case c.busy:
		c.line = append(c.line, func(ctx context.Context) { e.release(ctx, id, reply) })
		return
	case !c.report.State.Final():
		reply(false, nil)
		return
	}
	c.busy, c.leaving = true, true
	if c.rememberUntil.IsZero() {
		c.rememberUntil = time.Now().Add(longestE)
	}
	until, buried := c.rememberUntil, c.buried
	e.work.Go(func() {
		_ = pausing(ctx, afterStarts) // who stops need not wait
		err := e.onDisk(func() error {
			if err := e.root.MarkReleased(id, until); err != nil || buried {
				return err
			}
			if left := e.root.Remove(id); left != nil {
				e.log.WarnContext(ctx, "cannot delete a released command; the next start of the executor will", slog.String("command_id", id), slog.Any("error", left))
			}
			return nil
		})
		e.post(func(ctx context.Context) {
			if err == nil {
				delete(e.commands, id)
				e.giveBack(c, c.room)
				e.tombs.add(id, until)
			} else {
				c.leaving = false
				e.changed(c)
			}
			e.unbusy(ctx, c)
			if err != nil {
				reply(false, writeFault("record the release", id, err))
				return
			}
			reply(true, nil)
		})
	})
}

// hearTime takes the time that a caller heard from above. The last one counts,
// not the greatest: one server whose clock was once ahead must not disable the
// check for ever.
func (e *Executor) hearTime(t time.Time) {
	if !t.IsZero() {
		e.serverTime = t
		e.purge(time.Now())
	}
}

// purge forgets tombstones whose remember-until is past by the local clock,
// which also refuses late starts, and by the caller's. W is durable first.
func (e *Executor) purge(now time.Time) {
	if e.purging {
		return
	}
	gone, w := e.tombs.past(func(until time.Time) bool {
		return until.Before(now) && (until.Before(e.serverTime) || planted.Bug("purged by its own clock alone"))
	}, purgeAtOnce)
	if len(gone) == 0 {
		return
	}
	ids := make([]string, len(gone))
	for i, d := range gone {
		ids[i] = d.id
	}
	if w.Before(e.watermark) {
		w = e.watermark
	}
	e.purging = true
	e.work.Go(func() {
		err := e.onDisk(func() error { return e.root.Purge(ids, w) })
		e.post(func(ctx context.Context) {
			e.purging = false
			if err != nil {
				e.log.WarnContext(ctx, "cannot purge tombstones; it is tried again", slog.Any("error", err))
				e.tombs.putBack(gone)
				return
			}
			e.watermark = w
			e.tombs.forget(gone)
		})
	})
}
