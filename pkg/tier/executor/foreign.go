package executor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// owner is what our end-processes carry: the incarnation and the directory.
func (e *Executor) owner() string {
	return spool.OwnerName + "=" + spool.Owner(e.root.Incarnation(), e.cfg.StateDir)
}

// findForeign looks for end-processes that were started out of a state
// directory which was at our place before, and is gone. What they run is not
// known to us, and may be what we are asked to run: so nothing is started until
// they have ended (architecture section 8). What lives of a command whose
// end-process is dead too cannot be found: its mark went with the directory.
func (e *Executor) findForeign() error {
	found, err := proc.Carriers(spool.OwnerName)
	if err != nil {
		return err
	}
	e.foreign = map[proc.Identity]struct{}{}
	for _, c := range found {
		if spool.Foreign(c.Value, e.root.Incarnation(), e.cfg.StateDir) && !planted.Bug("old end-processes are not waited for") {
			e.foreign[proc.Identity{Boot: e.boot, PID: c.PID, Start: c.Start}] = struct{}{}
		}
	}
	e.barred.Store(int64(len(e.foreign)))
	return e.dropReleases()
}

// dropReleases deletes the releases of processes that have ended.
func (e *Executor) dropReleases() error {
	released, err := e.root.Released()
	if err != nil {
		return err
	}
	for _, r := range released {
		if _, lives := e.foreign[r.Process]; !lives {
			err = errors.Join(err, e.root.DropRelease(r))
		}
	}
	return err
}

// heedReleases takes the word of an operator for it that a foreign end-process
// runs nothing that could be asked for here. It reads the disk in the loop, and
// only while there is something to release.
func (e *Executor) heedReleases(ctx context.Context) {
	if len(e.foreign) == 0 {
		return
	}
	released, err := e.root.Released()
	if err != nil {
		e.log.WarnContext(ctx, "cannot read what an operator has released; it is tried again", slog.Any("error", err))
		return
	}
	for _, r := range released {
		if _, barred := e.foreign[r.Process]; barred {
			e.log.WarnContext(ctx, "an operator has released a foreign end-process: it is waited for no longer", slog.Int("pid", r.Process.PID), slog.String("why", r.Why))
			e.unforeign(ctx, r.Process)
		}
	}
}

// waitForForeign waits for them beside the loop.
func (e *Executor) waitForForeign(ctx context.Context) {
	if len(e.foreign) == 0 {
		return
	}
	e.heedReleases(ctx)
	e.work.Go(func() { // who releases rings the bell, and a ring may be lost
		for pausing(ctx, lookAgainEvery) == nil {
			e.post(e.heedReleases)
		}
	})
	for id := range e.foreign {
		e.log.WarnContext(ctx, "an end-process of a state directory that is gone still runs; nothing is started until it has ended: wait, end it, or ccshost release it", slog.Int("pid", id.PID))
		e.work.Go(func() {
			if e.awaitEnd(ctx, id) {
				e.post(func(ctx context.Context) { e.unforeign(ctx, id) })
			}
		})
	}
}

// awaitEnd reports whether the process has ended; false: we stop before.
func (e *Executor) awaitEnd(ctx context.Context, id proc.Identity) bool {
	for ctx.Err() == nil {
		p, err := proc.Open(id)
		if errors.Is(err, proc.ErrGone) {
			return true
		}
		if err == nil {
			err = p.Wait(ctx)
			p.Close()
			if err == nil {
				return true
			}
		}
		if pausing(ctx, time.Second) != nil {
			return false
		}
	}
	return false
}

func (e *Executor) unforeign(ctx context.Context, id proc.Identity) {
	delete(e.foreign, id)
	e.barred.Store(int64(len(e.foreign)))
	e.pumpAll(ctx)
}
