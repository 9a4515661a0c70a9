package proc

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
)

// nobody is a tree in which nobody lives.
type nobody struct{}

func (nobody) Signal(syscall.Signal) error { return nil }
func (nobody) Alive() (bool, error)        { return false, nil }
func (nobody) Living() ([]Stat, error)     { return nil, nil }

// inGroups runs a test with a new group of each kind that the host gives:
// version 2, and version 1 with a freezer and with none.
func inGroups(t *testing.T, test func(t *testing.T, g cgroup.Group)) {
	t.Helper()
	find := func(c cgroup.Choice) []string {
		return cgroup.Find(cgroup.Search{Choice: c, Prefix: "test-" + strconv.Itoa(os.Getpid()) + "-", Program: "/bin/true"}).Place.Entries()
	}
	without := func(entries []string, name string) []string {
		return slices.DeleteFunc(slices.Clone(entries), func(e string) bool { return strings.HasPrefix(e, name+"=") })
	}
	old := without(find(cgroup.UseV1), "unified")
	kinds := map[string][]string{"v2": find(cgroup.UseV2), "v1": old, "v1 without a freezer": without(old, "freezer")}
	some := false
	for name, entries := range kinds {
		place, err := cgroup.ParsePlace(entries)
		if err != nil {
			t.Fatal(err)
		}
		if place == (cgroup.Place{}) {
			continue
		}
		some = true
		t.Run(name, func(t *testing.T) {
			g, _ := place.Group("tree", 1, cgroup.Limits{}).Make(cgroup.Limits{})
			if g.IsZero() {
				t.Fatal("no group could be made")
			}
			t.Cleanup(func() {
				poll(t, "the group to be removed", func() bool {
					_ = Grouped{g, nobody{}}.Signal(unix.SIGKILL)
					return g.Remove() == nil
				})
			})
			test(t, g)
		})
	}
	if !some {
		t.Skip("this host gives no cgroup to this user: run the tests as root, with cgroups mounted writable")
	}
}

// inside starts a shell line in the group.
func inside(t *testing.T, g cgroup.Group, line string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := g.Fork(cmd.SysProcAttr, cgroup.Limits{}, cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func TestAGroupShowsWhoHasLostEverythingElse(t *testing.T) {
	inGroups(t, func(t *testing.T, g cgroup.Group) {
		t.Helper()
		tree := Grouped{g, nobody{}}
		if lives(t, tree) || count(t, tree) != 0 {
			t.Fatal("somebody lives in a new group")
		}
		cmd := inside(t, g, "(setsid env -i sleep 300 &); exit 0") // no parent, no session, no environment
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		poll(t, "the orphan", func() bool {
			living, err := tree.Living()
			return err == nil && len(living) == 1 && living[0].Name == "sleep"
		})
		if !lives(t, tree) {
			t.Error("it is not alive")
		}
		if err := tree.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		poll(t, "its end", func() bool { return !lives(t, tree) && count(t, tree) == 0 })
	})
}

func TestKillEndsAGroupThatForksAllTheTime(t *testing.T) {
	inGroups(t, func(t *testing.T, g cgroup.Group) {
		t.Helper()
		tree := Grouped{g, nobody{}}
		cmd := inside(t, g, "trap '' TERM; f() { while :; do (exec sleep 0.02) & (exec sleep 0.02); done; }; f & f & f & wait")
		poll(t, "some of them", func() bool { return count(t, tree) > 4 })
		rounds := 0
		poll(t, "the end of all", func() bool {
			rounds++
			if err := tree.Signal(unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return !lives(t, tree)
		})
		_ = cmd.Wait()
		t.Logf("%d rounds of KILL", rounds)
		if count(t, tree) != 0 {
			t.Error("somebody lives")
		}
	})
}

func TestAMemberThatTheOtherTreeShowsTooIsThereOnce(t *testing.T) {
	inGroups(t, func(t *testing.T, g cgroup.Group) {
		t.Helper()
		cmd := inside(t, g, "exec sleep 300")
		_, beside := child(t, "sleep", "300")
		st, err := ReadStat(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		other, err := ReadStat(beside.Identity().PID)
		if err != nil {
			t.Fatal(err)
		}
		tree := Grouped{g, these{st, other}}
		living, err := tree.Living()
		if err != nil || len(living) != 2 || living[0].PID != st.PID || living[1].PID != other.PID {
			t.Errorf("these live: %+v, %v", living, err)
		}
		if err := tree.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		poll(t, "the end of both", func() bool { return beside.Ended() && count(t, Grouped{g, nobody{}}) == 0 })
	})
}

// these is a tree of processes by name.
type these []Stat

func (s these) Signal(sig syscall.Signal) error { return signalAll(s, sig) }
func (s these) Alive() (bool, error)            { return len(s) > 0, nil }
func (s these) Living() ([]Stat, error)         { return s, nil }

func TestAZombieDoesNotLiveInItsGroup(t *testing.T) {
	inGroups(t, func(t *testing.T, g cgroup.Group) {
		t.Helper()
		cmd := inside(t, g, "exit 0")
		poll(t, "the zombie", func() bool { st, err := ReadStat(cmd.Process.Pid); return err == nil && st.Ended() })
		tree := Grouped{g, nobody{}}
		poll(t, "nobody to live", func() bool { return !lives(t, tree) && count(t, tree) == 0 })
		if err := tree.Signal(unix.SIGKILL); err != nil {
			t.Error(err)
		}
	})
}

func TestAnUnreadableOtherTreeIsNotTakenForDead(t *testing.T) {
	broken := Orphans{Mark: "X=1"}
	inGroups(t, func(t *testing.T, g cgroup.Group) {
		t.Helper()
		withoutDescriptors(t, func() {
			tree := Grouped{g, broken}
			if alive, err := tree.Alive(); err == nil {
				t.Errorf("alive is %v, and the process table cannot be read", alive)
			}
			if living, err := tree.Living(); err == nil {
				t.Errorf("these live: %+v, and the process table cannot be read", living)
			}
		})
	})
}

// The thread that forks stands in the group, and may be there a moment longer.
func TestWhoForksIntoAGroupIsNoneOfItsMembers(t *testing.T) {
	inGroups(t, func(t *testing.T, g cgroup.Group) {
		t.Helper()
		var living []Stat
		err := g.Fork(&syscall.SysProcAttr{}, cgroup.Limits{}, func() (err error) {
			living, err = Grouped{g, nobody{}}.Living()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(living) > 0 {
			t.Errorf("members are %v, and this test is %d", living, os.Getpid())
		}
	})
}
