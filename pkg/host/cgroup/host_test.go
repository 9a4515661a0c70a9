package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// places are what this host can be made to look like: version 2 alone, version
// 1 alone with and without a freezer, both.
func places(t *testing.T) map[string]Found {
	t.Helper()
	prefix := "test-" + strconv.Itoa(os.Getpid()) + "-"
	found := map[string]Found{}
	add := func(name string, f Found) {
		if f.Place != (Place{}) {
			found[name] = f
		}
	}
	add("v2", Find(Search{Choice: UseV2, Prefix: prefix, Program: "/bin/true"}))
	both := Find(Search{Choice: UseV1, Prefix: prefix, Program: "/bin/true"})
	if both.Place.Version() != V1 {
		both = Found{}
	}
	if both.Place.at[unified] != "" {
		add("v1 beside v2", both)
	}
	both.Place.at[unified] = ""
	add("v1", both)
	if both.Place.at[freezer] != "" {
		both.Place.at[freezer] = ""
		add("v1 without a freezer", both)
	}
	if len(found) == 0 {
		t.Skip("this host gives no cgroup to this user: run the tests as root, with cgroups mounted writable")
	}
	return found
}

// each runs a test at every place.
func each(t *testing.T, test func(t *testing.T, f Found)) {
	t.Helper()
	for name, f := range places(t) {
		t.Run(name, func(t *testing.T) { test(t, f) })
	}
}

// made makes a group that is gone with the test.
func made(t *testing.T, p Place, l Limits) (g Group, unheld []string) {
	t.Helper()
	g, unheld = p.Group(strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())), 1, l).Make(l)
	if g.IsZero() {
		t.Fatal("no group could be made")
	}
	t.Cleanup(func() {
		kill(t, g)
		eventually(t, "the group to be removed", func() bool { return g.Remove() == nil })
	})
	return g, unheld
}

// kill ends everybody, by hand.
func kill(t *testing.T, g Group) {
	t.Helper()
	_ = g.Thaw()
	if err := g.Kill(); err != nil && !errors.Is(err, ErrNoKill) {
		t.Error(err)
	}
	for _, pid := range membersOf(t, g) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

func membersOf(t *testing.T, g Group) []int {
	t.Helper()
	pids, err := g.Members()
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// born starts a shell line in the group; it is waited for with the test.
func born(t *testing.T, g Group, l Limits, line string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := g.Fork(cmd.SysProcAttr, l, cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestAProcessIsBornInItsGroupInEveryHierarchyAndItsChildrenToo(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		all := Limits{Memory: 64 << 20, CPU: 500, PIDs: 20}
		g, unheld := made(t, f.Place, all)
		for _, name := range []string{MemoryLimit, CPULimit, PIDsLimit} {
			if slices.Contains(f.Holds, name) == slices.Contains(unheld, name) {
				t.Errorf("the place holds %q, and the group does not hold %q", f.Holds, unheld)
			}
		}
		out := filepath.Join(t.TempDir(), "out")
		cmd := born(t, g, all, "cat /proc/self/cgroup >"+out+"; exec sleep 300")
		eventually(t, "the child of the child", func() bool {
			data, _ := os.ReadFile(out)
			return strings.Contains(string(data), "0::")
		})
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		m := parseMounts(string(info), string(data))
		for h, path := range g.at {
			if in := filepath.Join(m.point[h], m.own[h]); path != "" && in != path {
				t.Errorf("it was in %s, want %s", in, path)
			}
		}
		eventually(t, "nobody else to be in it", func() bool { return slices.Equal(membersOf(t, g), []int{cmd.Process.Pid}) })
	})
}

func TestTheThreadThatForksDoesNotStayInTheGroup(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		g, _ := made(t, f.Place, Limits{PIDs: 5})
		cmd := born(t, g, Limits{PIDs: 5}, "exec sleep 300")
		for h, path := range g.at {
			if path == "" || hierarchy(h) == unified {
				continue
			}
			data, err := os.ReadFile(filepath.Join(path, "tasks"))
			if err != nil || strings.TrimSpace(string(data)) != strconv.Itoa(cmd.Process.Pid) {
				t.Errorf("in %s are %q, %v; want %d alone", path, data, err, cmd.Process.Pid)
			}
		}
		if cmd.Process.Kill() != nil || cmd.Wait() == nil {
			t.Fatal("it could not be killed")
		}
		if pids := membersOf(t, g); len(pids) != 0 {
			t.Errorf("%d live in the group after its only process has ended", pids)
		}
	})
}

func TestWhatIsInAGroupBelowIsInTheGroup(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		g, _ := made(t, f.Place, Limits{})
		path := g.at[g.main()]
		cmd := born(t, g, Limits{}, "mkdir "+path+"/below && echo 0 >"+path+"/below/cgroup.procs && exec sleep 300")
		eventually(t, "the move", func() bool { data, _ := os.ReadFile(path + "/below/cgroup.procs"); return len(data) > 0 })
		if pids := membersOf(t, g); !slices.Equal(pids, []int{cmd.Process.Pid}) || g.Empty() {
			t.Errorf("the members are %d, empty %v; want %d", pids, g.Empty(), cmd.Process.Pid)
		}
		if err := g.Remove(); !errors.Is(err, unix.EBUSY) {
			t.Errorf("a group with somebody in it was removed: %v", err)
		}
		kill(t, g)
		_ = cmd.Wait()
		eventually(t, "the removal with what is below", func() bool { return g.Remove() == nil })
		if _, err := os.Stat(path); !os.IsNotExist(err) || g.Remove() != nil {
			t.Errorf("the directory is still there, or is missed: %v, %v", err, g.Remove())
		}
	})
}

func TestNothingIsRemovedBelowAGroupInWhichSomebodyIs(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		g, _ := made(t, f.Place, Limits{})
		below := g.at[g.main()] + "/below"
		cmd := born(t, g, Limits{}, "mkdir "+below+" && exec sleep 300") // such as a daemon that is to go on
		eventually(t, "the group below", func() bool { return unix.Access(below, unix.F_OK) == nil })
		if err := g.Remove(); !errors.Is(err, unix.EBUSY) {
			t.Errorf("a group with somebody in it was removed: %v", err)
		}
		if err := unix.Access(below, unix.F_OK); err != nil {
			t.Errorf("the group that it has made for itself: %v", err)
		}
		kill(t, g)
		_ = cmd.Wait()
		eventually(t, "the removal with what is below", func() bool { return g.Remove() == nil })
	})
}

func TestAFrozenGroupRestsUntilItIsThawed(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		g, _ := made(t, f.Place, Limits{})
		file := filepath.Join(t.TempDir(), "ticks")
		born(t, g, Limits{}, "while :; do echo x >>"+file+"; sleep 0.005; done")
		size := func() int64 { st, err := os.Stat(file); _ = err; return sizeOf(st) }
		eventually(t, "the first ticks", func() bool { return size() > 2 })
		g.Freeze()
		if m := g.main(); m == unified || m == freezer {
			before := size()
			eventually(t, "some time", elapsed(100*time.Millisecond))
			if now := size(); now > before+2 { // one write may have been under way
				t.Errorf("it went on from %d to %d while it was frozen", before, now)
			}
		}
		if err := g.Thaw(); err != nil {
			t.Fatal(err)
		}
		before := size()
		eventually(t, "it to go on", func() bool { return size() > before+2 })
	})
}

func sizeOf(st os.FileInfo) int64 {
	if st == nil {
		return 0
	}
	return st.Size()
}

func elapsed(d time.Duration) func() bool {
	begun := time.Now()
	return func() bool { return time.Since(begun) > d }
}

func TestAGroupIsKilledInOneStepWhereTheKernelCan(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		g, _ := made(t, f.Place, Limits{})
		cmd := born(t, g, Limits{}, "trap '' TERM; (setsid sleep 300 &) ; while :; do sleep 0.1; done")
		eventually(t, "its child", func() bool { return len(membersOf(t, g)) > 1 })
		err := g.Kill()
		if g.main() != unified {
			if !errors.Is(err, ErrNoKill) {
				t.Errorf("Kill says %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		eventually(t, "the group to be empty", g.Empty)
	})
}

func TestAGroupThatIsNotThereHasNobody(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		g := f.Place.Group("never-made", 1, Limits{})
		pids, err := g.Members()
		if len(pids) != 0 || err != nil || g.Remove() != nil || g.Thaw() != nil {
			t.Errorf("members %d, %v", pids, err)
		}
		if err := g.Kill(); err != nil && !errors.Is(err, ErrNoKill) {
			t.Error(err)
		}
		if kills, err := g.OOMKills(); kills != 0 || err != nil {
			t.Errorf("%d were killed, %v", kills, err)
		}
	})
}

func TestALeftGroupIsMadeAnewUnlessSomebodyIsInIt(t *testing.T) {
	each(t, func(t *testing.T, f Found) {
		t.Helper()
		g, _ := made(t, f.Place, Limits{})
		before, err := os.Stat(g.at[g.main()])
		if err != nil {
			t.Fatal(err)
		}
		again, _ := g.Make(Limits{})
		after, err := os.Stat(g.at[g.main()])
		if err != nil || again != g || os.SameFile(before, after) {
			t.Errorf("the old directory serves the new group: %v", err)
		}
		born(t, g, Limits{}, "exec sleep 300")
		if again, _ = g.Make(Limits{}); !again.IsZero() {
			t.Errorf("a group with a stranger in it was taken: %q", again.Entries())
		}
	})
}
