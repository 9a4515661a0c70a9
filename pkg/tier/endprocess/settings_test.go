package endprocess

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// lookAround says how it was started: its limits and scores are the kernel's own
// words.
const lookAround = `umask; cat /proc/self/oom_score_adj; pwd; id -u; id -G; cat /proc/self/limits`

// seen is what a command found.
type seen struct {
	umask, oom, cwd, uid, groups string
	limits                       map[string]string // soft and hard by the name of the kernel
}

func (d *disk) look(run spool.Run) seen {
	d.Helper()
	run.Argv = []string{"sh", "-c", lookAround}
	d.want(d.run(run, nil, nil), task.Succeeded, task.NoReason)
	return readSeen(d.T, d.kept(0))
}

func readSeen(t *testing.T, text string) seen {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) < 20 {
		t.Fatalf("it says only %q", lines)
	}
	s := seen{lines[0], lines[1], lines[2], lines[3], lines[4], map[string]string{}}
	for _, line := range lines[6:] {
		const name, values = 26, 42 // columns of the kernel
		s.limits[strings.TrimSpace(line[:name])] = strings.Join(strings.Fields(line[name:name+values]), " ")
	}
	return s
}

// before is what a program finds that is simply started from here.
func before(t *testing.T) seen {
	t.Helper()
	out, err := exec.Command("sh", "-c", lookAround).Output()
	if err != nil {
		t.Fatal(err)
	}
	return readSeen(t, string(out))
}

func TestACommandHasWhatItAsksForAndNothingElseIsChanged(t *testing.T) {
	inherited := before(t)
	for name, c := range map[string]struct {
		run    spool.Run
		limits map[string]string // that are not the inherited ones
		umask  string
		oom    string
	}{
		"nothing":    {},
		"umask":      {run: spool.Run{Umask: new(uint32(0o27))}, umask: "0027"},
		"umask of 0": {run: spool.Run{Umask: new(uint32(0))}, umask: "0000"},
		"all bits":   {run: spool.Run{Umask: new(uint32(0o777))}, umask: "0777"},
		"oom score":  {run: spool.Run{OOMScoreAdj: 700}, oom: "700"},
		"open files": {run: spool.Run{Limits: spool.Limits{OpenFiles: 77}}, limits: map[string]string{"Max open files": "77 77"}},
		"core":       {run: limited(task.ResourceCore, 4096), limits: map[string]string{"Max core file size": "4096 4096"}},
		"cpu":        {run: limited(task.ResourceCPU, 1000), limits: map[string]string{"Max cpu time": "1000 1000"}},
		"data":       {run: limited(task.ResourceData, 1<<30), limits: map[string]string{"Max data size": "1073741824 1073741824"}},
		"fsize":      {run: limited(task.ResourceFSize, 1<<20), limits: map[string]string{"Max file size": "1048576 1048576"}},
		"memlock":    {run: limited(task.ResourceMemLock, 8192), limits: map[string]string{"Max locked memory": "8192 8192"}},
		"nproc":      {run: limited(task.ResourceNProc, 60_000), limits: map[string]string{"Max processes": "60000 60000"}},
		"stack":      {run: limited(task.ResourceStack, 1<<20), limits: map[string]string{"Max stack size": "1048576 1048576"}},
		"as":         {run: limited(task.ResourceAS, 1<<30), limits: map[string]string{"Max address space": "1073741824 1073741824"}},
		"memory without a cgroup": {
			run:    spool.Run{Limits: spool.Limits{MemoryBytes: 1 << 29}},
			limits: map[string]string{"Max address space": "536870912 536870912"},
		},
		"memory and a lower as": {
			run: spool.Run{
				Limits:  spool.Limits{MemoryBytes: 1 << 30},
				Rlimits: []task.Rlimit{{Resource: task.ResourceAS, Value: 1 << 29}},
			},
			limits: map[string]string{"Max address space": "536870912 536870912"},
		},
		"all at once": {
			run: spool.Run{
				Umask: new(uint32(0o77)), OOMScoreAdj: 1, Limits: spool.Limits{OpenFiles: 64},
				Rlimits: []task.Rlimit{{Resource: task.ResourceCPU, Value: 5}, {Resource: task.ResourceStack, Value: 1 << 22}},
			},
			umask: "0077", oom: "1",
			limits: map[string]string{"Max open files": "64 64", "Max cpu time": "5 5", "Max stack size": "4194304 4194304"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := seen{umask: "0022", oom: inherited.oom, cwd: "/usr", uid: inherited.uid, groups: inherited.groups, limits: maps.Clone(inherited.limits)}
			want.limits["Max core file size"] = "0 " + strings.Fields(want.limits["Max core file size"])[1]
			maps.Copy(want.limits, c.limits)
			if c.umask != "" {
				want.umask = c.umask
			}
			if c.oom != "" {
				want.oom = c.oom
			}
			run := c.run
			run.Dir = "/usr"
			same(t, newDisk(t).look(run), want)
		})
	}
}

func same(t *testing.T, got, want seen) {
	t.Helper()
	if got.umask != want.umask || got.oom != want.oom || got.cwd != want.cwd || got.uid != want.uid || got.groups != want.groups {
		t.Errorf("it finds %+v\nwant %+v", got, want)
	}
	for name, limit := range want.limits {
		if got.limits[name] != limit {
			t.Errorf("%s is %q, want %q", name, got.limits[name], limit)
		}
	}
}

func limited(r task.Resource, n uint64) spool.Run {
	return spool.Run{Rlimits: []task.Rlimit{{Resource: r, Value: n}}}
}

func TestTheSupervisorItselfIsNotLimited(t *testing.T) {
	d := newDisk(t)
	gate := filepath.Join(t.TempDir(), "gate")
	run := spool.Run{Argv: []string{"sh", "-c", "while [ ! -e " + gate + " ]; do /bin/sleep 0.02; done"}, OOMScoreAdj: 900, Limits: spool.Limits{MemoryBytes: 1 << 28, OpenFiles: 30}}
	run.Rlimits = []task.Rlimit{{Resource: task.ResourceFSize, Value: 1}}
	c := d.accept(run, nil, nil)
	cmd := d.begin()
	poll(t, "the start", func() bool { _, err := c.Started(1); return err == nil })
	for _, which := range []int{unix.RLIMIT_AS, unix.RLIMIT_NOFILE, unix.RLIMIT_FSIZE} {
		var its, ours unix.Rlimit
		if err := unix.Prlimit(cmd.Process.Pid, which, nil, &its); err != nil {
			t.Fatal(err)
		}
		if err := unix.Getrlimit(which, &ours); err != nil {
			t.Fatal(err)
		}
		if its.Max != ours.Max {
			t.Errorf("limit %d of the end-process is %d, ours %d", which, its.Max, ours.Max)
		}
	}
	if score, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/oom_score_adj"); err != nil || strings.TrimSpace(string(score)) == "900" {
		t.Errorf("its OOM score is %q, %v", score, err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	d.want(d.outcome(c), task.Succeeded, task.NoReason)
}

// TestWhatCannotBeStartedSaysSoThroughTheStage: each of these needs the stage,
// and fails in another step of it.
func TestWhatCannotBeStartedSaysSoThroughTheStage(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	core := []task.Rlimit{{Resource: task.ResourceCore}}
	for name, c := range map[string]struct {
		run    spool.Run
		reason task.Reason
		says   string
	}{
		"no such program":      {spool.Run{Argv: []string{"/no/such/path"}, Rlimits: core}, task.NoFile, "/no/such/path"},
		"not a program":        {spool.Run{Argv: []string{plain}, Rlimits: core}, task.NoPermission, plain},
		"too many descriptors": {spool.Run{Argv: []string{"true"}, Limits: spool.Limits{OpenFiles: 1 << 31}}, task.NoPermission, "open files"},
		"arguments over stack": {
			spool.Run{Argv: []string{"true", strings.Repeat("x", 100<<10)}, Rlimits: []task.Rlimit{{Resource: task.ResourceStack, Value: 64 << 10}}},
			task.BadSpec, "true",
		},
		"CPU without a cgroup":  {spool.Run{Argv: []string{"true"}, Limits: spool.Limits{CPUMillis: 100}}, task.BadSpec, "limits CPU"},
		"a directory of others": {spool.Run{Argv: []string{"true"}, Rlimits: core, Account: "nobody", Dir: closed}, task.NoPermission, closed},
		"processes of root":     {spool.Run{Argv: []string{"true"}, Limits: spool.Limits{PIDs: 5}}, task.BadSpec, "processes of root"},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Geteuid() != 0 && (c.run.Account != "" || c.run.Limits.PIDs > 0) {
				t.Skip("only root can become another account, or be root")
			}
			d := newDisk(t)
			o := d.run(c.run, nil, nil)
			d.want(o, task.StartFailed, c.reason)
			if !strings.Contains(o.Message, c.says) || !o.Started.IsZero() || d.kept(0)+d.kept(1) != "" {
				t.Errorf("the message is %q, started %v, output %q", o.Message, o.Started, d.kept(1))
			}
		})
	}
}

func TestAnOrdinaryUserCannotRaiseALimit(t *testing.T) {
	d := newDisk(t)
	run := spool.Run{Argv: []string{"true"}, Limits: spool.Limits{OpenFiles: 1 << 20}}
	d.accept(run, nil, nil)
	c := d.open()
	args := []string{d.root.Path("c"), "1"}
	cmd := exec.Command("prlimit", append([]string{"--nofile=100:200", program}, args...)...)
	if os.Geteuid() == 0 {
		cmd = exec.Command("setpriv", append([]string{"--reuid=65534", "--clear-groups", "prlimit", "--nofile=100:200", copyOf(t, program)}, args...)...)
		giveAway(t, d.path)
	}
	cmd.Env = marked()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	o := d.outcome(c)
	d.want(o, task.StartFailed, task.NoPermission)
	if !strings.Contains(o.Message, "limit of open files") {
		t.Errorf("the message is %q", o.Message)
	}
}

func TestALimitLeavesARoomThatIsTooSmallToBeSeen(t *testing.T) {
	for _, r := range []task.Resource{task.ResourceAS, task.ResourceData, task.ResourceStack} {
		d := newDisk(t)
		run := limited(r, 4096)
		run.Argv = []string{"sh", "-c", "exec sleep 300"}
		o := d.run(run, nil, nil)
		if o.State != task.StartFailed && (o.State != task.Failed || o.Exit.Signal == 0 && o.Exit.Code == 0) {
			t.Errorf("%v: the outcome is %+v", r, o)
		}
		if strings.Contains(d.kept(1), "goroutine") {
			t.Errorf("%v: the stage fell: %s", r, d.kept(1))
		}
	}
}

func TestALimitStopsWhoPassesIt(t *testing.T) {
	for name, c := range map[string]struct {
		run  spool.Run
		line string
	}{
		"memory": {spool.Run{Limits: spool.Limits{MemoryBytes: 256 << 20}}, "exec dd bs=1G count=1 if=/dev/zero of=/dev/null"},
		"files":  {spool.Run{Limits: spool.Limits{OpenFiles: 20}}, "exec 30</dev/null"},
		"fsize":  {limited(task.ResourceFSize, 512), "cd " + t.TempDir() + " && exec head -c 100000 /dev/zero >file"},
		"cpu":    {limited(task.ResourceCPU, 1), "while :; do :; done"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			c.run.Argv = []string{"bash", "-c", c.line}
			if o := d.run(c.run, nil, nil); o.State != task.Failed {
				t.Errorf("the outcome is %+v", o)
			}
		})
	}
}

func TestACommandOfAnotherAccountHasItsLimitsToo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another account")
	}
	d := newDisk(t)
	got := d.look(spool.Run{
		Account: "nobody", Dir: "/usr", Umask: new(uint32(0o77)), OOMScoreAdj: 5,
		Limits: spool.Limits{PIDs: 40_000, OpenFiles: 1000},
	})
	want := before(t)
	want.umask, want.oom, want.uid, want.cwd, want.groups = "0077", "5", "65534", "/usr", "65534"
	maps.Copy(want.limits, map[string]string{"Max processes": "40000 40000", "Max open files": "1000 1000"})
	want.limits["Max core file size"] = got.limits["Max core file size"]
	same(t, got, want)
}

func TestAScriptOfAnotherAccountIsReadThroughTheStage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another account")
	}
	d := newDisk(t)
	run := limited(task.ResourceCore, 0)
	run.Interpreter, run.Account = []string{"sh"}, "nobody"
	o := d.run(run, []byte("id -un; cat; ls /proc/self/fd | tr '\\n' ' '"), []byte("stdin\n"))
	d.want(o, task.Succeeded, task.NoReason)
	if got := d.kept(0); got != "nobody\nstdin\n0 1 2 3 4 " { // 3 is the script, 4 what ls reads
		t.Errorf("stdout is %q, stderr %q", got, d.kept(1))
	}
}

func TestTheEnvironmentIsWholeThroughTheStage(t *testing.T) {
	d := newDisk(t)
	run := limited(task.ResourceCore, 0)
	run.Argv, run.Env = []string{"env"}, []string{"GODEBUG=inittrace=1", "EMPTY=", "LINES=a\nb", spool.MarkName + "=forged"}
	d.want(d.run(run, nil, nil), task.Succeeded, task.NoReason)
	got := d.kept(0)
	for _, want := range []string{"GODEBUG=inittrace=1\n", "EMPTY=\n", "LINES=a\nb\n", "CCS_COMMAND_ID=c\n", spool.MarkName + "="} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %q", want, got)
		}
	}
	if d.kept(1) != "" || strings.Contains(got, "forged") {
		t.Errorf("stderr is %q, the environment %q", d.kept(1), got)
	}
}

func TestAProtectedExecutorDoesNotProtectItsCommands(t *testing.T) {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("-500"), 0); err != nil {
		t.Skipf("may not protect itself here: %v", err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0); err != nil {
			t.Error(err)
		}
	})
	for asked, want := range map[uint16]string{0: "0", 40: "40"} {
		if got := newDisk(t).look(spool.Run{OOMScoreAdj: asked}); got.oom != want {
			t.Errorf("asked for %d, it has %s", asked, got.oom)
		}
	}
}

func TestWhatACommandLeavesBehindGoesOnIfItSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		leave bool
		lives bool
	}{"left": {true, true}, "killed": {false, false}} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			o := d.run(spool.Run{
				Argv:             []string{"sh", "-c", "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $!"},
				LeaveDescendants: c.leave,
			}, nil, nil)
			d.want(o, task.Succeeded, task.NoReason)
			pid, err := strconv.Atoi(strings.TrimSpace(d.kept(0)))
			if err != nil {
				t.Fatal(err)
			}
			lives := syscall.Kill(pid, 0) == nil
			if lives {
				t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
			}
			if lives != c.lives || (o.Leftovers == 0) != c.leave {
				t.Errorf("it lives: %v; %d were ended", lives, o.Leftovers)
			}
		})
	}
}

func TestATimeoutEndsWhatWouldHaveBeenLeft(t *testing.T) {
	d := newDisk(t)
	o := d.run(spool.Run{
		Argv:             []string{"sh", "-c", "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo $!; wait"},
		LeaveDescendants: true, Timeout: 300 * time.Millisecond,
	}, nil, nil)
	d.want(o, task.TimedOut, task.Timeout)
	pid, err := strconv.Atoi(strings.TrimSpace(d.kept(0)))
	if err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(pid, 0) == nil {
		t.Errorf("process %d lives", pid)
	}
}
