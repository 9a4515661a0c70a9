package endprocess

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// makeGroup makes the group in which everything is born that we start. We stay
// outside: we are to outlive it.
func (p *endProcess) makeGroup() {
	p.group, p.unheld = p.group.Make(p.spec.Run.Limits.Tree())
}

// tree is everything that we have started.
func (p *endProcess) tree() proc.Tree {
	if p.group.IsZero() {
		return proc.Offspring{}
	}
	return proc.Grouped{Group: p.group, Also: proc.Offspring{}}
}

// ungrouped is what of the limits of the whole tree no group holds.
func (p *endProcess) ungrouped() spool.Limits {
	l := p.spec.Run.Limits
	if !slices.Contains(p.unheld, cgroup.MemoryLimit) {
		l.MemoryBytes = 0
	}
	if !slices.Contains(p.unheld, cgroup.CPULimit) {
		l.CPUMillis = 0
	}
	if !slices.Contains(p.unheld, cgroup.PIDsLimit) {
		l.PIDs = 0
	}
	return l
}

// fallback says what is held in another way than it was meant.
func (p *endProcess) fallback() string {
	text := ""
	if slices.Contains(p.unheld, cgroup.MemoryLimit) {
		text = "this host has no cgroup that limits memory: its limit was held for each process, as address space"
	}
	if slices.Contains(p.unheld, cgroup.PIDsLimit) {
		if text != "" {
			text += "; "
		}
		text += "this host has no cgroup that limits processes: its limit was held for all of the account's on the host"
	}
	return text
}

// How long a group may take to be empty after its last process was waited for.
const (
	removeTries = 20
	removePause = time.Millisecond
)

// removeGroup removes the group. One that is not empty stays: what is left
// running goes on in it, and the executor removes it when that has ended.
func (p *endProcess) removeGroup() {
	for range removeTries {
		if p.group.Remove() == nil || !p.group.Empty() && p.alive() {
			return
		}
		time.Sleep(removePause)
	}
}

func (p *endProcess) alive() bool {
	alive, err := p.tree().Alive()
	return alive || err != nil
}
