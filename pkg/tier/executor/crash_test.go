package executor

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// gated runs until the returned file appears, then says "late" and exits 7.
func gated(t *testing.T, id string) (o wire.StartOrder, open func(), witness string) {
	t.Helper()
	dir := t.TempDir()
	gate, witness := filepath.Join(dir, "gate"), filepath.Join(dir, "witness")
	line := "echo started >>" + witness + "; echo early; while [ ! -e " + gate + " ]; do /bin/sleep 0.02; done; echo late; exit 7"
	open = func() {
		t.Helper()
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return shell(id, line), open, witness
}

func TestACommandOutlivesItsExecutor(t *testing.T) {
	h := boot(t)
	o, open, witness := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.kill()
	h.launch()
	h.running("a")
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
	if got := h.stdout("a"); got != "early\nlate\n" {
		t.Errorf("stdout is %q", got)
	}
	if n := lines(t, witness); n != 1 {
		t.Errorf("it was started %d times", n)
	}
}

func TestTheStatusArrivesOfACommandThatEndedWhileNoExecutorLived(t *testing.T) {
	h := boot(t)
	o, open, witness := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.kill()
	open()
	h.poll("the exit record", func() bool { return exists(filepath.Join(h.state, "commands", "a", "exit.1")) })
	h.launch()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
	if r := h.start(o); r.GetCommand().GetStatus().GetExitCode() != 7 {
		t.Errorf("the same start again answers %v", r)
	}
	if n := lines(t, witness); n != 1 {
		t.Errorf("it was started %d times", n)
	}
}

func TestAnExecutorThatStopsInGoodOrderLeavesItsCommandsRunning(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.signal(syscall.SIGTERM)
	h.launch()
	h.running("a")
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
}

func TestTheExecutorTakesOverFromADeadEndProcessAndLearnsTheStatus(t *testing.T) {
	h := boot(t)
	o, open, witness := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.killEndProcess("a")
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
	if got := h.stdout("a"); got != "early\nlate\n" {
		t.Errorf("stdout is %q", got)
	}
	if n := lines(t, witness); n != 1 {
		t.Errorf("it was started %d times", n)
	}
}

func TestWhatNobodyCouldWaitForIsLostOnceItsTreeIsGone(t *testing.T) {
	h := boot(t)
	o, open, _ := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.kill() // the end-process is an orphan from now on, and no child of the next executor
	h.launch()
	h.running("a")
	h.killEndProcess("a")
	h.poll("the take-over", func() bool { return strings.Contains(h.log(), "taken over") })
	if c := h.running("a"); c.Report.State != task.Running {
		t.Fatalf("while its tree lives it is %v", c.Report)
	}
	open()
	h.becomes("a", task.Lost, task.Exit{Reason: task.SupervisorLost})
	if got := h.stdout("a"); got != "early\nlate\n" {
		t.Errorf("stdout is %q", got)
	}
}

func TestALostAttemptMayBeFollowedByOneMoreAndNoOther(t *testing.T) {
	h := newHost(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo $CCS_ATTEMPT >>"+witness)
	beganBeforeReboot(t, h, o.Spec)
	h.launch()
	h.becomes("a", task.Lost, task.Exit{Reason: task.Rebooted})
	if n := lines(t, witness); n != 0 {
		t.Fatal("a command that may have run before the reboot was started again")
	}
	third := o
	third.Attempt = 3
	if _, err := h.api.Start(h.ctx(), wire.StartToProto(third)); err == nil {
		t.Error("attempt 3 was accepted after attempt 1")
	}
	second := o
	second.Attempt = 2
	h.accept(second)
	h.until("a", "SUCCEEDED in attempt 2", func(c wire.HostCommand) bool {
		return c.Report == task.Report{Attempt: 2, State: task.Succeeded}
	})
	if _, err := h.api.Start(h.ctx(), wire.StartToProto(third)); err == nil {
		t.Error("attempt 3 was accepted after a success")
	}
	h.kill()
	h.launch()
	if c := h.ended("a"); c.Report != (task.Report{Attempt: 2, State: task.Succeeded}) {
		t.Errorf("after a restart it is %v", c.Report)
	}
	if n := lines(t, witness); n != 1 {
		t.Errorf("it was started %d times", n)
	}
}

// beganBeforeReboot leaves what an attempt leaves that a reboot cut off.
func beganBeforeReboot(t *testing.T, h *host, spec spool.Spec) {
	t.Helper()
	root, err := spool.Open(h.state)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	spec.Run.Keep = spool.DefaultKept
	if err := root.Accept(spec, nil, nil); err != nil {
		t.Fatal(err)
	}
	dir, err := root.Command(spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	other := proc.Identity{Boot: "an-earlier-boot", PID: os.Getpid(), Start: 1}
	if err := dir.Decide(1, spool.Attempt{Supervisor: other, Mark: "m", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

func TestAStopReachesACommandThatWasTakenOver(t *testing.T) {
	h := boot(t)
	h.accept(shell("a", "trap '' TERM; while :; do /bin/sleep 0.05; done"))
	h.running("a")
	h.killEndProcess("a")
	h.poll("the take-over", func() bool { return strings.Contains(h.log(), "taken over") })
	h.stop("a", 1)
	c := h.ended("a")
	if c.Report.State != task.Canceled || c.Report.Exit.Reason != task.Killed {
		t.Errorf("it became %v", c.Report)
	}
}

func TestATimeoutIsEnforcedByWhoTookOver(t *testing.T) {
	h := boot(t)
	o := shell("a", "while :; do /bin/sleep 0.05; done")
	o.Spec.Run.Timeout = 2 * time.Second
	h.accept(o)
	h.running("a")
	h.killEndProcess("a")
	c := h.ended("a")
	if c.Report.State != task.TimedOut || c.Report.Exit.Reason != task.Timeout {
		t.Errorf("it became %v", c.Report)
	}
}

func TestACommandAcceptedJustBeforeACrashIsStartedOnce(t *testing.T) {
	h := newHost(t)
	witness := filepath.Join(t.TempDir(), "witness")
	o := shell("a", "echo x >>"+witness)
	acceptOnly(t, h, o.Spec)
	h.launch()
	h.becomes("a", task.Succeeded, task.Exit{})
	if n := lines(t, witness); n != 1 {
		t.Errorf("it was started %d times", n)
	}
}

// acceptOnly leaves what an executor leaves that dies right after the sync.
func acceptOnly(t *testing.T, h *host, spec spool.Spec) {
	t.Helper()
	root, err := spool.Open(h.state)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if spec.Run.Keep == 0 {
		spec.Run.Keep = spool.DefaultKept
	}
	if err := root.Accept(spec, nil, nil); err != nil {
		t.Fatal(err)
	}
}

func TestACommandWhoseStartByPassedWhileNobodyLivedExpires(t *testing.T) {
	h := newHost(t)
	o := shell("a", "echo never")
	o.Spec.StartBy = time.Now().Add(-time.Second)
	acceptOnly(t, h, o.Spec)
	h.launch()
	h.becomes("a", task.Expired, task.Exit{Reason: task.StartByPassed})
}

func TestAnyKillOfTheExecutorLeavesEveryCommandRunOnce(t *testing.T) {
	h := boot(t)
	witness := filepath.Join(t.TempDir(), "witness")
	ids := []string{"a", "b", "c", "d", "e", "f"}
	for _, id := range ids {
		h.accept(shell(id, "echo "+id+" >>"+witness))
		h.kill() // somewhere between the acknowledgement and the outcome
		h.launch()
	}
	for _, id := range ids {
		h.becomes(id, task.Succeeded, task.Exit{})
	}
	if n := lines(t, witness); n != len(ids) {
		t.Errorf("%d commands were started %d times", len(ids), n)
	}
}

func TestAnEndProcessKilledAtAnyPointNeverMakesItsCommandRunTwice(t *testing.T) {
	h := boot(t)
	dir := t.TempDir()
	for n := range 12 {
		id := "c" + strconv.Itoa(n)
		witness := filepath.Join(dir, id)
		h.accept(shell(id, "echo x >>"+witness+"; exit 3"))
		claim := filepath.Join(h.state, "commands", id, "attempt.1")
		h.poll("the claim", func() bool { return exists(claim) })
		for spin := time.Now().Add(time.Duration(n) * 400 * time.Microsecond); time.Now().Before(spin); {
			runtime.Gosched()
		}
		if p, err := proc.Open(h.supervisor(id)); err == nil { // it may have ended
			_ = p.Signal(syscall.SIGKILL)
			p.Close()
		}
		c := h.ended(id)
		started := lines(t, witness)
		switch {
		case started > 1:
			t.Errorf("%s was started %d times", id, started)
		case c.Report.State == task.Failed && (c.Report.Exit.Code != 3 || started != 1):
			t.Errorf("%s became %v, started %d times", id, c.Report, started)
		case c.Report.State != task.Failed && c.Report.State != task.Lost:
			t.Errorf("%s became %v", id, c.Report)
		}
		t.Logf("killed %d µs after the claim: %v, started %d times", n*400, c.Report.State, started)
	}
}

func TestANewStateDirectoryStartsNothingWhileTheOldOnesProcessesRun(t *testing.T) {
	h := boot(t)
	o, open, witness := gated(t, "a")
	h.accept(o)
	h.running("a")
	h.kill()
	old := h.supervisor("a")
	tree := h.mark("a")
	h.Cleanup(func() { _ = tree.Signal(syscall.SIGKILL) })
	// The end-process may still write in it.
	h.poll("the directory to be gone", func() bool { return os.RemoveAll(h.state) == nil })
	// The second time the directory is not new any more.
	for n := range 2 {
		h.launch()
		h.accept(o)
		h.poll("the warning", func() bool { return strings.Count(h.log(), "pid="+strconv.Itoa(old.PID)) > n })
		if c := h.until("a", "known", func(wire.HostCommand) bool { return true }); c.Report.State != task.Accepted || lines(t, witness) != 1 {
			t.Errorf("while the old one runs it is %v, started %d times", c.Report, lines(t, witness))
		}
		h.kill()
	}
	h.launch()
	open()
	h.becomes("a", task.Failed, task.Exit{Code: 7})
	if n := lines(t, witness); n != 2 {
		t.Errorf("it was started %d times", n)
	}
}
