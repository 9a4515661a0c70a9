package proc

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
)

// Grouped is the tree of a command that has a cgroup: who is in it, and what
// another kind of tree shows beside. A process that root has moved elsewhere is
// in the other; one that no tree shows, since it has lost its parent and cleared
// its environment, is in the group.
type Grouped struct {
	Group cgroup.Group
	Also  Tree
}

// Signal implements Tree. KILL ends the whole group in one step where the
// kernel can, so that nobody forks away from it.
func (g Grouped) Signal(sig syscall.Signal) error {
	if sig != unix.SIGKILL {
		return signalAll(g, sig)
	}
	err := g.Group.Kill()
	if errors.Is(err, cgroup.ErrNoKill) {
		err = g.killFrozen()
	}
	return errors.Join(err, signalAll(g.Also, sig))
}

// killFrozen signals members who cannot fork meanwhile. Who had forked just
// before is met the next time: KILL is sent until nobody is left.
func (g Grouped) killFrozen() error {
	g.Group.Freeze()
	err := signalAll(members{g.Group}, unix.SIGKILL)
	return errors.Join(err, g.Group.Thaw())
}

// Alive implements Tree.
func (g Grouped) Alive() (bool, error) {
	alive, err := g.Also.Alive()
	if alive || err != nil || g.Group.Empty() {
		return alive, err
	}
	return members{g.Group}.Alive()
}

// Living implements Tree.
func (g Grouped) Living() ([]Stat, error) {
	all, err := g.Also.Living()
	if err != nil {
		return nil, err
	}
	inside, err := members{g.Group}.Living()
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for _, st := range all {
		seen[st.PID] = true
	}
	for _, st := range inside {
		if !seen[st.PID] {
			all = append(all, st)
		}
	}
	return all, nil
}

// members is who is in the group alone.
type members struct{ group cgroup.Group }

func (m members) Signal(sig syscall.Signal) error { return signalAll(m, sig) }

func (m members) Alive() (bool, error) {
	living, err := m.Living()
	return len(living) > 0, err
}

// Living reads the members twice: one that is named both times, and had the
// start time between, is no stranger who took the pid over, or is gone by now.
// The caller is none: where version 1 is used, the thread of it that has forked a
// member may not be quite gone (cgroup.Group.Fork).
func (m members) Living() ([]Stat, error) {
	before, err := m.group.Members()
	if err != nil || len(before) == 0 {
		return nil, err
	}
	stats := map[int]Stat{}
	for _, pid := range before {
		if pid == os.Getpid() {
			continue
		}
		st, err := ReadStat(pid)
		switch {
		case errors.Is(err, ErrGone):
		case err != nil:
			return nil, err
		case !st.Ended():
			stats[pid] = st
		}
	}
	after, err := m.group.Members()
	if err != nil {
		return nil, err
	}
	var living []Stat
	for _, pid := range after {
		if st, ok := stats[pid]; ok {
			living = append(living, st)
			delete(stats, pid) // a hierarchy may name one twice
		}
	}
	return living, nil
}
