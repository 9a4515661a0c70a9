package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Members are the pids of who is in the group and in groups below it, at some
// moment. Some may be zombies. Nobody is in a group that is not there.
func (g Group) Members() ([]int, error) {
	path := g.at[g.main()]
	if path == "" {
		return nil, nil
	}
	return members(path, nil)
}

func members(path string, found []int) ([]int, error) {
	data, err := os.ReadFile(filepath.Join(path, "cgroup.procs")) //nolint:gosec // a file of a group that we name
	// A group of threads says EOPNOTSUPP: its processes show in the one above.
	if err != nil && !gone(err) && !errors.Is(err, unix.EOPNOTSUPP) {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		if pid > 0 { // 0: it is in another pid namespace, out of our sight
			found = append(found, pid)
		}
	}
	below, err := os.ReadDir(path)
	if err != nil && !gone(err) {
		return nil, err
	}
	for _, entry := range below {
		if entry.IsDir() {
			if found, err = members(filepath.Join(path, entry.Name()), found); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// Empty reports whether it is certain, without a look at any process, that
// nobody lives in the group. False: see who the members are.
func (g Group) Empty() bool {
	if g.main() != unified {
		return false
	}
	path := g.at[unified]
	if path == "" {
		return true
	}
	populated, err := keyed(filepath.Join(path, "cgroup.events"), "populated")
	return err == nil && populated == 0
}

// ErrNoKill says that the kernel cannot end the group in one step: freeze it,
// signal the members, thaw it.
var ErrNoKill = errors.New("this host cannot end a cgroup in one step")

// Kill ends everybody in the group at once, forks under way included. A group
// that is not there has nobody to end.
func (g Group) Kill() error {
	path := g.at[unified]
	if path == "" {
		return ErrNoKill
	}
	err := write(filepath.Join(path, "cgroup.kill"), "1")
	if err == nil || !gone(err) {
		return err
	}
	if accessErr := unix.Access(path, unix.F_OK); gone(accessErr) {
		return nil // with it everybody who was in it
	}
	return ErrNoKill // before Linux 5.14
}

// How long members may take to come to rest. One within a system call that
// cannot be interrupted does not.
const (
	freezeLooks = 20
	freezePause = time.Millisecond
)

// Freeze stops everybody in the group, so that nobody forks while they are
// signaled, and waits a moment until they are at rest. Thaw must follow. A host
// that cannot freeze does nothing.
func (g Group) Freeze() {
	switch g.main() {
	case unified:
		if write(filepath.Join(g.at[unified], "cgroup.freeze"), "1") != nil {
			return
		}
		g.rest(func() bool {
			frozen, err := keyed(filepath.Join(g.at[unified], "cgroup.events"), "frozen")
			return err != nil || frozen == 1
		})
	case memory, pids, cpu, hierarchies: // nothing that could
	case freezer:
		state := filepath.Join(g.at[freezer], "freezer.state")
		if write(state, "FROZEN") != nil {
			return
		}
		g.rest(func() bool {
			data, err := os.ReadFile(state) //nolint:gosec // a file of a group that we name
			return err != nil || strings.TrimSpace(string(data)) == "FROZEN"
		})
	}
}

func (g Group) rest(frozen func() bool) {
	for range freezeLooks {
		if frozen() {
			return
		}
		time.Sleep(freezePause)
	}
}

// Thaw lets the group go on; also one that somebody else has frozen.
func (g Group) Thaw() error {
	var err error
	switch g.main() {
	case unified:
		err = write(filepath.Join(g.at[unified], "cgroup.freeze"), "0")
	case memory, pids, cpu, hierarchies: // as in Freeze
	case freezer:
		err = write(filepath.Join(g.at[freezer], "freezer.state"), "THAWED")
	}
	if gone(err) {
		return nil
	}
	return err
}
