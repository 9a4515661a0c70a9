package hosttorture

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/host/proc"
)

// nothingIsLeft waits until the hosts hold nothing of commands that are done and
// forgotten: no process, no zombie, no directory, no FIFO, no cgroup.
func (s *site) nothingIsLeft(t *testing.T) {
	t.Helper()
	rig.Eventually(t, func() string {
		for _, p := range s.onHosts(t) {
			if !isTier(p, "ccs-agent", "ccs-executor") {
				return fmt.Sprintf("process %d is left: %q", p.PID, p.Args)
			}
			if n := zombies(t, p.PID); n > 0 {
				return fmt.Sprintf("%s (%d) has %d zombies", p.Args[0], p.PID, n)
			}
		}
		for _, name := range s.hosts {
			if left := leftIn(t, s.state(name)); left != "" {
				return left
			}
			if left := groupsOf(t, s.state(name)); len(left) > 0 {
				return fmt.Sprintf("%d cgroups of %s are left, first %s", len(left), name, left[0])
			}
		}
		return ""
	})
}

// groupsOf are the cgroups of an executor: their names begin with a hash of its
// state directory.
func groupsOf(t *testing.T, state string) (found []string) {
	t.Helper()
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(state))
	prefix := strconv.FormatUint(hash.Sum64(), 16) + "-"
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err != nil { // it has gone meanwhile
			return nil //nolint:nilerr // see above
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// leftIn says what is left of commands in the state directory of an executor.
func leftIn(t *testing.T, dir string) (left string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && !os.IsNotExist(err):
			return err
		case err != nil:
			return nil //nolint:nilerr // it is gone
		case filepath.Base(filepath.Dir(path)) == "commands", filepath.Base(filepath.Dir(path)) == "damaged",
			strings.HasSuffix(path, ".fifo"), strings.Contains(e.Name(), ".tmp"):
			left = path + " is left"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// zombies counts the children of a process that nobody has waited for.
func zombies(t *testing.T, pid int) (n int) {
	t.Helper()
	table, err := proc.Table()
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range table {
		if st.Parent == pid && st.State == 'Z' {
			n++
		}
	}
	return n
}
