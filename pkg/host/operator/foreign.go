package operator

import (
	"time"

	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// Foreign is an end-process of a state directory that was at this place before
// and is gone. While it lives and is not released, the executor starts nothing.
type Foreign struct {
	Process  proc.Identity
	Since    time.Time
	Released bool
}

// Foreign finds them. Only who may see their environments can: root, or the
// account that they run as.
func (h Host) Foreign(now time.Time) ([]Foreign, error) {
	v, err := spool.Look(h.StateDir)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	incarnation, err := v.Incarnation()
	if err != nil {
		return nil, err
	}
	boot, err := proc.BootID()
	if err != nil {
		return nil, err
	}
	released, err := v.Released()
	if err != nil {
		return nil, err
	}
	free := map[proc.Identity]bool{}
	for _, r := range released {
		free[r.Process] = true
	}
	carriers, err := proc.Carriers(spool.OwnerName)
	if err != nil {
		return nil, err
	}
	var all []Foreign
	for _, c := range carriers {
		if !spool.Foreign(c.Value, incarnation, h.StateDir) {
			continue
		}
		id := proc.Identity{Boot: boot, PID: c.PID, Start: c.Start}
		all = append(all, Foreign{Process: id, Since: startedAt(c.Start, now), Released: free[id]})
	}
	return all, nil
}

// Release lets the executor go on beside a foreign end-process, durably. What
// that one runs goes on too, and what it runs nobody knows: if it is the same
// command that is asked for next, it runs twice.
func (h Host) Release(id proc.Identity, why string, now time.Time) error {
	v, err := spool.Look(h.StateDir)
	if err != nil {
		return err
	}
	defer v.Close()
	return v.Release(spool.Release{Process: id, At: now, Why: why})
}
