package executor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// blocked makes the copy of a program that nobody can execute yet: whoever
// tries waits, until release or for 45 seconds.
func blocked(t *testing.T, program string) (path string, release func()) {
	t.Helper()
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), filepath.Base(program))
	if err := os.WriteFile(path, data, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatalf("cannot take a lease on %s: %v", path, err)
	}
	return path, func() { _ = file.Close() }
}

// children names the processes that carry the mark of the command.
func (h *host) children(id string) []proc.Stat {
	h.Helper()
	living, err := h.mark(id).Living()
	if err != nil {
		h.Fatal(err)
	}
	return living
}

func TestWhatIsNotTheCommandYetWhenItsEndProcessDiesIsNotLostBeforeItEnds(t *testing.T) {
	h := boot(t)
	program, release := blocked(t, "/bin/sh")
	witness := filepath.Join(t.TempDir(), "witness")
	h.accept(order("a", program, "-c", "echo begin >>"+witness+"; sleep 0.3; echo end >>"+witness))
	fifo := filepath.Join(h.state, "commands", "a", "stderr.1.fifo")
	h.poll("the child that is to become the command", func() bool { return exists(fifo) && len(h.children("a")) == 2 })
	h.killEndProcess("a")
	h.poll("the take-over", func() bool { return strings.Contains(h.log(), "taken over") })
	release()
	h.becomes("a", task.Lost, task.Exit{Reason: task.SupervisorLost})
	if n := lines(t, witness); n != 2 {
		t.Errorf("when it was lost its command had done %d of 2 steps", n)
	}
	if left := h.children("a"); len(left) != 0 {
		t.Errorf("it is lost and %+v live", left)
	}
}

// without calls while this process can open no file.
func without(t *testing.T, call func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Error(err)
		}
	}()
	call()
}

func TestATakeOverWithoutDescriptorsTouchesNothing(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	leader, err := proc.Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	e := &Executor{boot: leader.Boot, orphans: newOrphans()}
	s := sight{run: spool.Started{Leader: leader}, claim: spool.Attempt{
		Supervisor: proc.Identity{Boot: leader.Boot, PID: 1 << 22, Start: 1}, Mark: "m",
	}}
	s.found.Claim, s.found.Run = adopt.Begun, adopt.Whole
	without(t, func() {
		if p, err := openLeader(s); err == nil {
			t.Errorf("the leader is said to be %v", p)
		}
		if known, err := e.canTell(leader); err == nil {
			t.Errorf("its end can be told: %v", known)
		}
		if got := alive(s.claim.Supervisor); got != adopt.Unclear {
			t.Errorf("an end-process that cannot be looked at is %v", got)
		}
		if err := knockAt(leader); err == nil {
			t.Error("a knock that nobody heard is a success")
		}
	})
	if l, err := e.liveness(s, s.claim.Supervisor, false); err != nil || !l.Tree || l.EndProcess != adopt.Dead {
		t.Errorf("with descriptors it is %+v, %v", l, err)
	}
}

func TestOutputSurvivesTheDeathOfEndProcessAndLeader(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	endProcess, err := proc.Open(h.supervisor("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer endProcess.Close()
	leader := h.leader("a")
	h.freeze(endProcess)
	open()
	h.poll("the leader's end", func() bool { st, err := proc.ReadStat(leader.PID); return err == nil && st.Ended() })
	if err := endProcess.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.becomes("a", task.Failed, task.Exit{Code: 7})
	if got := h.stdout("a"); got != "early\nlate\n" {
		t.Errorf("stdout is %q", got)
	}
}

func TestOutputThatNobodyHeldIsSaidToBeMissing(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.kill()
	endProcess, err := proc.Open(h.supervisor("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer endProcess.Close()
	leader := h.leader("a")
	h.freeze(endProcess)
	open()
	h.poll("the leader's end", func() bool { st, err := proc.ReadStat(leader.PID); return errors.Is(err, proc.ErrGone) || st.Ended() })
	if err := endProcess.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := endProcess.Wait(h.ctx()); err != nil { // else its successor may still find the output in its hands
		t.Fatal(err)
	}
	h.launch()
	c := h.ended("a")
	if c.Report.State != task.Lost || !strings.Contains(c.Detail.Message, "may be missing") {
		t.Errorf("it became %v: %q", c.Report, c.Detail.Message)
	}
}

// freeze stops a process and waits until each of its threads stands still: on a
// busy machine those that run go on for a while.
func (h *host) freeze(p *proc.Process) {
	h.Helper()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		h.Fatal(err)
	}
	h.poll("the end of all movement", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Identity().PID))
		if err != nil {
			h.Fatal(err)
		}
		for _, path := range threads {
			line, _ := os.ReadFile(path) // no line: it is gone
			if _, state, ok := strings.Cut(string(line), ") "); ok && !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return true
	})
}

// TestOutputIsHeldInTimeOnlyWhileSomebodyElseHasIt is what decides whether the
// end of an output may be missing: an end-process that is killed lets go of its
// files before it counts as ended, and what nobody had then is gone.
func TestOutputIsHeldInTimeOnlyWhileSomebodyElseHasIt(t *testing.T) {
	e, dir := withFIFOs(t, "a")
	defer dir.Close()
	living, dead := sleeper(t), sleeper(t)
	p, err := proc.Open(dead)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := errors.Join(p.Signal(syscall.SIGKILL), p.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name               string
		endProcess, leader proc.Identity
		inTime             bool
	}{
		{"both live", living, living, true},
		{"the end-process has ended", dead, living, true},
		{"the leader has ended", living, dead, true},
		{"both have ended", dead, dead, false},
	} {
		cmd := newCommand(spool.Spec{ID: "a"}, 1)
		s := sight{claim: spool.Attempt{Supervisor: c.endProcess}, run: spool.Started{Leader: c.leader}}
		s.found.Run = adopt.Whole
		e.holdOutputs("a", 1, &s)
		e.hold(t.Context(), cmd, s)
		if cmd.held == nil || cmd.heldInTime != c.inTime {
			t.Errorf("%s: held %v, in time %v, want %v", c.name, cmd.held != nil, cmd.heldInTime, c.inTime)
		}
		cmd.letGo()
		if cmd.held != nil || cmd.heldInTime {
			t.Errorf("%s: it is held after it was let go", c.name)
		}
	}
}

// withFIFOs is an executor with a command whose first attempt has its outputs.
func withFIFOs(t *testing.T, id string) (*Executor, *spool.Command) {
	t.Helper()
	root, err := spool.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(root.Close)
	if err := root.Accept(shell(id, "true").Spec, nil, nil); err != nil {
		t.Fatal(err)
	}
	dir, err := root.Command(id)
	if err != nil {
		t.Fatal(err)
	}
	for stream := range spool.Streams {
		fd, err := dir.FIFO(1, stream, -1, -1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
	return &Executor{root: root, log: slog.New(slog.DiscardHandler)}, dir
}

// sleeper is a process that ends with the test.
func sleeper(t *testing.T) proc.Identity {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	id, err := proc.Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (h *host) leader(id string) proc.Identity {
	h.Helper()
	dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", id))
	if err != nil {
		h.Fatal(err)
	}
	defer dir.Close()
	s, err := dir.Started(1)
	if err != nil {
		h.Fatal(err)
	}
	return s.Leader
}

func TestATakeOverEndsWhenItsDirectoryIsGone(t *testing.T) {
	root, err := spool.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	spec := shell("a", "true").Spec
	spec.Run.Keep = 1
	if err := root.Accept(spec, nil, nil); err != nil {
		t.Fatal(err)
	}
	dir, err := root.Command("a")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := root.Remove("a"); err != nil {
		t.Fatal(err)
	}
	e := &Executor{root: root}
	if err := e.conclude(t.Context(), dir, 1, sight{}, spool.Outcome{Ended: time.Now()}, nil); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestWhatWasToldToEndIsNotTakenForAFailureOfItsOwn: an end-process tells a
// command to end, and dies before it can record why the command has.
func TestWhatWasToldToEndIsNotTakenForAFailureOfItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		tell    func(h *host)
		state   task.State
		reason  task.Reason
	}{
		"its time was up": {200 * time.Millisecond, func(*host) {}, task.TimedOut, task.Timeout},
		"it was canceled": {0, func(h *host) { h.running("a"); h.stop("a", 1) }, task.Canceled, task.Killed},
	} {
		t.Run(name, func(t *testing.T) {
			h := boot(t)
			dir := t.TempDir()
			told, gate := filepath.Join(dir, "told"), filepath.Join(dir, "gate")
			o := shell("a", "trap 'echo >"+told+"' TERM; while [ ! -e "+gate+" ]; do /bin/sleep 0.02; done; exit 9")
			o.Spec.Run.Timeout, o.Spec.Run.Grace = c.timeout, time.Minute
			h.accept(o)
			c.tell(h)
			h.poll("what it is told", func() bool { return exists(told) })
			endProcess, err := proc.Open(h.supervisor("a"))
			if err != nil {
				t.Fatal(err)
			}
			defer endProcess.Close()
			h.freeze(endProcess)
			leader := h.leader("a")
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			h.poll("the leader's end", func() bool { st, err := proc.ReadStat(leader.PID); return err == nil && st.Ended() })
			if err := endProcess.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			h.becomes("a", c.state, task.Exit{Reason: c.reason, Code: 9})
		})
	}
}
