package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain is a process that says what it finds, if it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_FIND") == "" {
		os.Exit(m.Run())
	}
	f := Find(Search{Choice: UseV2, Prefix: "x-", Program: "/bin/true"})
	_, _ = os.Stdout.WriteString(strings.Join(append(f.Place.Entries(), f.Holds...), "\n"))
	if f.Why != nil {
		_, _ = os.Stderr.WriteString(f.Why.Error() + "\n")
	}
	os.Exit(0)
}

// foundFrom is what a process finds that is in the group below path.
func foundFrom(t *testing.T, path string) (entry string, holds []string) {
	t.Helper()
	g := Group{placeOf(map[hierarchy]string{unified: path}).at}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_FIND=yes")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	var out strings.Builder
	cmd.Stdout = &out
	if err := g.Fork(cmd.SysProcAttr, Limits{}, cmd.Start); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	found := strings.Split(out.String(), "\n")
	return found[0], found[1:]
}

// second is a new group of version 2 that is gone with the test, and what its
// place holds.
func second(t *testing.T) (path string, holds []string) {
	t.Helper()
	f := Find(Search{Choice: UseV2, Prefix: "test-" + strconv.Itoa(os.Getpid()) + "-", Program: "/bin/true"})
	if f.Place == (Place{}) {
		t.Skipf("this host gives no cgroup of version 2 to this user: run the tests as root: %v", f.Why)
	}
	g, _ := made(t, f.Place, Limits{})
	return g.at[unified], f.Holds
}

func TestAGroupWithTheExecutorInItEndsCommandsAndLimitsNothing(t *testing.T) {
	path, _ := second(t)
	entry, holds := foundFrom(t, path)
	if entry != "unified="+path+"/ccs/x-" || len(holds) != 0 {
		t.Errorf("found %s, which holds %q", entry, holds)
	}
	if data, err := os.ReadFile(filepath.Join(path, "cgroup.subtree_control")); err != nil || len(data) > 1 {
		t.Errorf("switched on are %q, %v", data, err)
	}
}

func TestBesideADelegatedSubgroupCommandsHaveAllLimits(t *testing.T) {
	path, most := second(t)
	if err := unix.Setxattr(path, "trusted.delegate", []byte("1"), 0); err != nil {
		t.Skipf("this test marks a cgroup as systemd does; that needs root, and a kernel that lets cgroups have attributes: %v", err)
	}
	sub := filepath.Join(path, "executor")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	entry, holds := foundFrom(t, sub)
	if entry != "unified="+path+"/ccs/x-" || !slices.Equal(holds, most) {
		t.Errorf("found %s, which holds %q; want %q", entry, holds, most)
	}
}
