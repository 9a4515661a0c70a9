package executor

import (
	"context"

	"github.com/ccs-project/ccs/pkg/wire"
)

// atOnce is how many commands go in one message: below gRPC's 4 MiB with the
// longest contexts and messages.
const atOnce = 256

// watcher is one caller of Watch or List. What it has not been told yet is a
// set of ids, so a slow one holds at most one entry for each command, and gets
// the newest of each.
type watcher struct {
	kick     chan struct{} // one token: there is something to tell
	dirty    map[string]struct{}
	snapshot bool // the snapshot is not complete
}

// subscribe begins with everything there is.
func (e *Executor) subscribe(ctx context.Context) (*watcher, error) {
	return ask(ctx, e, func(_ context.Context, reply func(*watcher, error)) {
		w := &watcher{kick: make(chan struct{}, 1), dirty: make(map[string]struct{}, len(e.commands)), snapshot: true}
		for id := range e.commands {
			w.dirty[id] = struct{}{}
		}
		w.kick <- struct{}{}
		e.watchers[w] = struct{}{}
		reply(w, nil)
	})
}

func (e *Executor) unsubscribe(w *watcher) {
	e.post(func(context.Context) { delete(e.watchers, w) })
}

// changed tells the watchers.
func (e *Executor) changed(c *command) {
	e.meters.count(c)
	for w := range e.watchers {
		w.dirty[c.id] = struct{}{}
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}

// news is one message for a watcher.
type news struct {
	commands []wire.HostCommand
	complete bool // the snapshot is complete with it
	more     bool
}

// take takes the next message's worth.
func (e *Executor) take(ctx context.Context, w *watcher) (news, error) {
	return ask(ctx, e, func(_ context.Context, reply func(news, error)) {
		var n news
		for id := range w.dirty {
			if len(n.commands) == atOnce {
				break
			}
			delete(w.dirty, id)
			if c := e.commands[id]; c != nil && !unborn(c) && !c.leaving {
				n.commands = append(n.commands, c.view())
			}
		}
		n.more = len(w.dirty) > 0
		n.complete = w.snapshot && !n.more
		w.snapshot = w.snapshot && n.more
		reply(n, nil)
	})
}

// unborn reports whether the command's first write is not done: it is not known
// yet, and will be told as a change.
func unborn(c *command) bool { return c.busy && !c.born }

// follow sends the snapshot and then, unless only that is wanted, every change
// until the context is done.
func (e *Executor) follow(ctx context.Context, send func(news) error, snapshotOnly bool) error {
	w, err := e.subscribe(ctx)
	if err != nil {
		return err
	}
	defer e.unsubscribe(w)
	for {
		select {
		case <-w.kick:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.stopped:
			return errStopping
		case <-e.hangUp:
			return errStopping
		}
		for more := true; more; {
			n, err := e.take(ctx, w)
			if err != nil {
				return err
			}
			more = n.more
			if len(n.commands) == 0 && !n.complete {
				continue
			}
			if err := send(n); err != nil {
				return err
			}
			if n.complete && snapshotOnly {
				return nil
			}
		}
	}
}
