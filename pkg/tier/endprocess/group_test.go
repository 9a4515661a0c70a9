package endprocess

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// escapeArtist is a program that does what it can to be lost sight of: three
// times a session of its own and a dead parent, no environment, another name,
// deaf to every signal that can be ignored. It holds its standard output and
// the file open, by which a witness finds it, and writes a line into it.
func escapeArtist(stage int, file string) {
	if stage > 0 {
		cmd := exec.Command("/proc/self/exe", "escape", strconv.Itoa(stage-1), file)
		cmd.Args[0], cmd.Env, cmd.Stdout = "[kworker/0:1]", []string{}, os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if cmd.Start() != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	signal.Ignore(unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGPIPE)
	name := []byte("kworker/0:1\x00")
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("up\n")
	}
	if err != nil {
		os.Exit(1)
	}
	for {
		_ = unix.Nanosleep(&unix.Timespec{Sec: 3600}, nil)
	}
}

// witness is a file that an escape artist holds open.
type witness struct{ path string }

func newWitness(t *testing.T) witness {
	t.Helper()
	w := witness{filepath.Join(t.TempDir(), "witness")}
	if err := os.WriteFile(w.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range w.holders(t) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	})
	return w
}

// artist is a line of shell that lets one escape.
func (w witness) artist() string { return os.Args[0] + " escape 3 " + w.path + "; " }

func (w witness) up() int { data, _ := os.ReadFile(w.path); return bytes.Count(data, []byte{'\n'}) }

// holders scans /proc for who has the file open.
func (w witness) holders(t *testing.T) (pids []int) {
	t.Helper()
	table, err := proc.Table()
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range table {
		dir := "/proc/" + strconv.Itoa(st.PID) + "/fd/"
		fds, _ := os.ReadDir(dir)
		for _, fd := range fds {
			if to, err := os.Readlink(dir + fd.Name()); err == nil && to == w.path {
				pids = append(pids, st.PID)
				break
			}
		}
	}
	return pids
}

// places are what a host may give: nothing, version 2, version 1 with and
// without version 2 beside it.
func places(t *testing.T) map[string]cgroup.Place {
	t.Helper()
	found := map[string]cgroup.Place{"none": {}}
	prefix := "test-" + strconv.Itoa(os.Getpid()) + "-"
	find := func(c cgroup.Choice) cgroup.Place {
		return cgroup.Find(cgroup.Search{Choice: c, Prefix: prefix, Program: program}).Place
	}
	if p := find(cgroup.UseV2); p.Version() == cgroup.V2 {
		found["v2"] = p
	}
	if p := find(cgroup.UseV1); p.Version() == cgroup.V1 {
		found["v1"] = p
		entries := slices.DeleteFunc(p.Entries(), func(e string) bool { return strings.HasPrefix(e, "unified=") })
		alone, err := cgroup.ParsePlace(entries)
		if err != nil {
			t.Fatal(err)
		}
		found["v1 alone"] = alone
	}
	if len(found) == 1 {
		t.Log("this host gives no cgroup to this user; run the test as root to see more of it")
	}
	return found
}

// everywhere runs a test at each place.
func everywhere(t *testing.T, test func(d *disk)) {
	t.Helper()
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			d.place = p
			t.Cleanup(func() {
				groups, err := p.Groups()
				if err != nil {
					t.Error(err)
				}
				for _, g := range groups {
					tree := proc.Grouped{Group: g.Group, Also: proc.Orphans{}}
					poll(t, "the end of what is left in a group", func() bool {
						_ = tree.Signal(unix.SIGKILL)
						return g.Group.Remove() == nil
					})
				}
			})
			test(d)
		})
	}
}

// gone demands that nothing is left of the command: no process and no group.
func (d *disk) gone(w witness, c *spool.Command) {
	d.Helper()
	if left := w.holders(d.T); len(left) != 0 {
		d.Errorf("these live on: %d", left)
	}
	if left, err := d.mark(c).Living(); len(left) != 0 || err != nil {
		d.Errorf("these have the mark: %+v, %v", left, err)
	}
	if groups, err := d.place.Groups(); len(groups) != 0 || err != nil {
		d.Errorf("these groups are left: %+v, %v", groups, err)
	}
}

func TestNobodyEscapesAStop(t *testing.T) {
	everywhere(t, func(d *disk) {
		w := newWitness(d.T)
		c := d.accept(spool.Run{Argv: []string{"sh", "-c", w.artist() + w.artist() + "exec sleep 300"}, Grace: 200 * time.Millisecond}, nil, nil)
		cmd := d.begin()
		poll(d.T, "both to be up", func() bool { return w.up() == 2 && len(w.holders(d.T)) == 2 })
		if err := c.Stop(); err != nil {
			d.Fatal(err)
		}
		if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
			d.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			d.Fatal(err)
		}
		d.want(d.outcome(c), task.Canceled, task.Killed)
		d.gone(w, c)
	})
}

func TestNobodyEscapesATimeout(t *testing.T) {
	everywhere(t, func(d *disk) {
		w := newWitness(d.T)
		c := d.accept(spool.Run{Argv: []string{"sh", "-c", w.artist() + "exec sleep 300"}, Timeout: 1500 * time.Millisecond, Grace: 200 * time.Millisecond}, nil, nil)
		if err := d.begin().Wait(); err != nil {
			d.Fatal(err)
		}
		d.want(d.outcome(c), task.TimedOut, task.Timeout)
		if w.up() != 1 {
			d.Errorf("%d were up before the timeout", w.up())
		}
		d.gone(w, c)
	})
}

func TestWhoHoldsTheOutputOpenDoesNotHoldUpTheEndAndIsEnded(t *testing.T) {
	everywhere(t, func(d *disk) {
		w := newWitness(d.T)
		begun := time.Now()
		line := w.artist() + "while ! [ -s " + w.path + " ]; do sleep 0.01; done; echo said; exit 3"
		c := d.accept(spool.Run{Argv: []string{"sh", "-c", line}, Grace: 100 * time.Millisecond}, nil, nil)
		if err := d.begin().Wait(); err != nil {
			d.Fatal(err)
		}
		o := d.outcome(c)
		d.want(o, task.Failed, task.NoReason)
		if o.Exit.Code != 3 || o.Leftovers != 1 || d.kept(0) != "said\n" {
			d.Errorf("the outcome is %+v with output %q", o, d.kept(0))
		}
		if took := time.Since(begun); took > 20*time.Second {
			d.Errorf("it took %v", took)
		}
		d.gone(w, c)
	})
}

func TestWhatIsLeftRunningStaysInItsGroup(t *testing.T) {
	everywhere(t, func(d *disk) {
		w := newWitness(d.T)
		line := w.artist() + "while ! [ -s " + w.path + " ]; do sleep 0.01; done"
		c := d.accept(spool.Run{Argv: []string{"sh", "-c", line}, LeaveDescendants: true}, nil, nil)
		if err := d.begin().Wait(); err != nil {
			d.Fatal(err)
		}
		d.want(d.outcome(c), task.Succeeded, task.NoReason)
		left := w.holders(d.T)
		if len(left) != 1 {
			d.Fatalf("%d are left running, want 1", left)
		}
		groups, err := d.place.Groups()
		if err != nil {
			d.Fatal(err)
		}
		if d.place == (cgroup.Place{}) {
			return
		}
		if len(groups) != 1 || groups[0].ID != "c" || groups[0].Attempt != 1 {
			d.Fatalf("the groups are %+v", groups)
		}
		if pids, err := groups[0].Group.Members(); err != nil || !slices.Equal(pids, left) {
			d.Errorf("in the group are %d, %v; want %d", pids, err, left)
		}
	})
}

func TestATreeThatReachesItsMemoryLimitSaysSo(t *testing.T) {
	everywhere(t, func(d *disk) {
		const limit = 24 << 20
		o := d.run(spool.Run{
			Argv:   []string{"sh", "-c", `x=$(head -c 200000000 /dev/zero | tr '\0' y); echo ${#x}`},
			Limits: spool.Limits{MemoryBytes: limit},
		}, nil, nil)
		if !slices.Contains(d.holds(), cgroup.MemoryLimit) {
			if !strings.Contains(o.Message, "no cgroup that limits memory") || d.kept(0) == "200000000\n" {
				d.Errorf("the outcome is %+v, it said %q", o, d.kept(0))
			}
			return
		}
		d.want(o, task.Failed, task.Signaled)
		if o.Exit.Signal != int32(unix.SIGKILL) || !strings.Contains(o.Message, "memory limit of 25165824 bytes") {
			d.Errorf("the outcome is %+v", o)
		}
	})
}

// holds is what the place holds.
func (d *disk) holds() []string {
	d.Helper()
	l := cgroup.Limits{Memory: 1 << 30, CPU: 1000, PIDs: 1000}
	g, unheld := d.place.Group("asked", 1, l).Make(l)
	if err := g.Remove(); err != nil {
		d.Fatal(err)
	}
	return slices.DeleteFunc([]string{cgroup.MemoryLimit, cgroup.CPULimit, cgroup.PIDsLimit}, func(name string) bool { return slices.Contains(unheld, name) })
}

func TestALimitOfCPUThatNothingHoldsKeepsTheCommandFromStarting(t *testing.T) {
	everywhere(t, func(d *disk) {
		o := d.run(spool.Run{Argv: []string{"true"}, Limits: spool.Limits{CPUMillis: 500}}, nil, nil)
		if slices.Contains(d.holds(), cgroup.CPULimit) {
			d.want(o, task.Succeeded, task.NoReason)
		} else {
			d.want(o, task.StartFailed, task.BadSpec)
		}
		if groups, err := d.place.Groups(); len(groups) != 0 || err != nil {
			d.Errorf("these groups are left: %+v, %v", groups, err)
		}
	})
}

func TestALimitOfProcessesHoldsATreeOfRootAlsoBehindAStage(t *testing.T) {
	everywhere(t, func(d *disk) {
		if !slices.Contains(d.holds(), cgroup.PIDsLimit) {
			return // TestWithoutACgroupTheKernelsLimitsHoldWhatTheyCan
		}
		gate := filepath.Join(d.TempDir(), "gate")
		c := d.accept(spool.Run{
			Argv:   []string{"sh", "-c", "until [ -e " + gate + " ]; do :; done; for i in 1 2 3 4 5; do sleep 300 & echo $i; done"},
			Limits: spool.Limits{PIDs: 4, OpenFiles: 64}, Grace: 100 * time.Millisecond, Timeout: 20 * time.Second,
		}, nil, nil)
		cmd := d.begin()
		poll(d.T, "the start", func() bool { _, err := c.Started(1); return err == nil })
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			d.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			d.Fatal(err)
		}
		o := d.outcome(c)
		if o.State != task.Failed || d.kept(0) != "1\n2\n3\n" {
			d.Errorf("it started %q, then %+v", d.kept(0), o)
		}
	})
}

// freezer is a cgroup of version 1 that holds what no signal ends.
func freezer(t *testing.T) string {
	t.Helper()
	dir := "/sys/fs/cgroup/freezer/ccs-test-" + strconv.Itoa(os.Getpid())
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("this test needs a process that KILL does not end, and so the freezer of cgroup version 1, and root: %v", err)
	}
	t.Cleanup(func() { poll(t, "the freezer to be empty", func() bool { return os.Remove(dir) == nil }) })
	return dir
}

func TestWhatCannotBeKilledIsNamedWithItsState(t *testing.T) {
	everywhere(t, func(d *disk) {
		dir := freezer(d.T)
		w := newWitness(d.T)
		c := d.accept(spool.Run{Argv: []string{"sh", "-c", w.artist() + "exec sleep 300"}, Grace: 100 * time.Millisecond}, nil, nil)
		cmd := d.begin()
		poll(d.T, "it to be up", func() bool { return w.up() == 1 && len(w.holders(d.T)) == 1 })
		pid := strconv.Itoa(w.holders(d.T)[0])
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0); err != nil {
			d.Fatal(err)
		}
		state := filepath.Join(dir, "freezer.state")
		if err := os.WriteFile(state, []byte("FROZEN"), 0); err != nil {
			d.Fatal(err)
		}
		poll(d.T, "it to be frozen", func() bool { data, _ := os.ReadFile(state); return string(data) == "FROZEN\n" })
		if err := c.Stop(); err != nil {
			d.Fatal(err)
		}
		if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
			d.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			d.Fatal(err)
		}
		o := d.outcome(c)
		d.want(o, task.Canceled, task.Killed)
		if !strings.Contains(o.Message, pid+" (kworker/0:1, state D)") {
			d.Errorf("the message is %q; it should name %s", o.Message, pid)
		}
		if err := os.WriteFile(state, []byte("THAWED"), 0); err != nil {
			d.Fatal(err)
		}
		poll(d.T, "its end", func() bool { return len(w.holders(d.T)) == 0 })
	})
}
