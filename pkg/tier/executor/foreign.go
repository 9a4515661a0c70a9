package executor

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// ownerName is the variable of an end-process that says whose it is.
const ownerName = "CCS_EXECUTOR"

// owner is what our end-processes carry: the incarnation and the directory.
func (e *Executor) owner() string {
	incarnation := e.root.Incarnation()
	return ownerName + "=" + hex.EncodeToString(incarnation[:]) + e.place()
}

func (e *Executor) place() string { return "@" + e.cfg.StateDir }

// findForeign looks for end-processes that were started out of a state
// directory which was at our place before, and is gone. What they run is not
// known to us, and may be what we are asked to run: so nothing is started until
// they have ended (architecture section 8). What lives of a command whose
// end-process is dead too cannot be found: its mark went with the directory.
func (e *Executor) findForeign() error {
	found, err := proc.Carriers(ownerName)
	if err != nil {
		return err
	}
	e.foreign = map[proc.Identity]struct{}{}
	for _, c := range found {
		if entry := ownerName + "=" + c.Value; strings.HasSuffix(entry, e.place()) && entry != e.owner() && !planted.Bug("old end-processes are not waited for") {
			e.foreign[proc.Identity{Boot: e.boot, PID: c.PID, Start: c.Start}] = struct{}{}
		}
	}
	e.barred.Store(int64(len(e.foreign)))
	return nil
}

// waitForForeign waits for them beside the loop.
func (e *Executor) waitForForeign(ctx context.Context) {
	for id := range e.foreign {
		e.log.WarnContext(ctx, "an end-process of a state directory that is gone still runs; nothing is started until it has ended: wait, or end it", slog.Int("pid", id.PID))
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
	for name := range e.groups {
		e.pump(ctx, name)
	}
}
