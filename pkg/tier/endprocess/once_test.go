package endprocess

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestOfManyEndProcessesOnOneAttemptExactlyOneRunsIt(t *testing.T) {
	for range 10 {
		d := newDisk(t)
		witness := filepath.Join(t.TempDir(), "witness")
		c := d.accept(spool.Run{Argv: []string{"sh", "-c", "echo x >>" + witness}}, nil, nil)
		var racers []*exec.Cmd
		for range 6 {
			racers = append(racers, d.begin())
		}
		for _, r := range racers {
			if err := r.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		d.want(d.outcome(c), task.Succeeded, task.NoReason)
		data, err := os.ReadFile(witness)
		if err != nil || bytes.Count(data, []byte{'\n'}) != 1 {
			t.Fatalf("the witness saw %q, %v", data, err)
		}
	}
}

func TestWhatWasDecidedBeforeIsNotRun(t *testing.T) {
	d := newDisk(t)
	witness := filepath.Join(t.TempDir(), "witness")
	c := d.accept(spool.Run{Argv: []string{"touch", witness}}, nil, nil)
	decided := spool.Outcome{State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}, Ended: time.Now()}
	if err := c.Decide(1, spool.Attempt{At: time.Now(), Decided: decided}); err != nil {
		t.Fatal(err)
	}
	if err := d.begin().Wait(); err != nil {
		t.Fatal(err)
	}
	d.want(d.outcome(c), task.Canceled, task.BeforeStart)
	if exists(witness) {
		t.Error("it was run")
	}
}

func TestAWishToStopIsFoundBeforeTheStart(t *testing.T) {
	d := newDisk(t)
	witness := filepath.Join(t.TempDir(), "witness")
	c := d.accept(spool.Run{Argv: []string{"touch", witness}}, nil, nil)
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := d.begin().Wait(); err != nil {
		t.Fatal(err)
	}
	d.want(d.outcome(c), task.Canceled, task.BeforeStart)
	if exists(witness) {
		t.Error("it was run")
	}
}

func TestWithoutADirectoryOrASpecificationNothingIsMadeOrRun(t *testing.T) {
	d := newDisk(t)
	if err := d.begin().Wait(); exitCode(err) != NotThere || exists(d.root.Path("c")) {
		t.Errorf("without a directory: %v, made: %v", err, exists(d.root.Path("c")))
	}
	if err := os.Mkdir(d.root.Path("c"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.begin().Wait(); exitCode(err) != NotThere || exists(d.root.Path("c")+"/attempt.1") {
		t.Errorf("without a spec: %v", err)
	}
}

func TestASecondAttemptNeedsALossBeforeIt(t *testing.T) {
	d := newDisk(t)
	witness := filepath.Join(t.TempDir(), "witness")
	c := d.accept(spool.Run{Argv: []string{"touch", witness}}, nil, nil)
	if err := c.Accept(2, spool.Acceptance{}); err != nil {
		t.Fatal(err)
	}
	second := func() error {
		cmd := exec.Command(program, d.root.Path("c"), "2")
		cmd.Env = marked()
		return cmd.Run()
	}
	if err := second(); exitCode(err) != NotThere {
		t.Errorf("after nothing: %v", err)
	}
	other := proc.Identity{Boot: "earlier", PID: 1, Start: 1}
	if err := c.Decide(1, spool.Attempt{Supervisor: other, Mark: "m", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := second(); exitCode(err) != NotThere || exists(witness) {
		t.Errorf("while the first may run: %v", err)
	}
	if err := c.End(1, spool.Outcome{State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}); err != nil {
		t.Fatal(err)
	}
	if err := second(); err != nil || !exists(witness) {
		t.Errorf("after a loss: %v, run: %v", err, exists(witness))
	}
}

func TestWithoutAMarkNothingIsRun(t *testing.T) {
	d := newDisk(t)
	witness := filepath.Join(t.TempDir(), "witness")
	c := d.accept(spool.Run{Argv: []string{"touch", witness}}, nil, nil)
	if err := exec.Command(program, d.root.Path("c"), "1").Run(); exitCode(err) != 2 {
		t.Errorf("it ended with %v", err)
	}
	if _, err := c.Attempt(1); err == nil || exists(witness) {
		t.Errorf("the attempt was decided: %v, run: %v", err == nil, exists(witness))
	}
}

func TestWhatIsNotTheCommandYetCarriesItsMark(t *testing.T) {
	// A child that has not made itself the command shares our memory, and so
	// what it was given.
	d := newDisk(t)
	c := d.accept(spool.Run{Argv: []string{"sleep", "60"}}, nil, nil)
	cmd := d.begin()
	poll(t, "the start", func() bool { _, err := c.Started(1); return err == nil })
	a, err := c.Attempt(1)
	if err != nil {
		t.Fatal(err)
	}
	given, err := os.ReadFile("/proc/" + itoa(cmd.Process.Pid) + "/environ")
	if err != nil || !bytes.Contains(append([]byte{0}, given...), []byte("\x00"+a.MarkEntry()+"\x00")) {
		t.Errorf("the end-process does not carry %q: %v", a.MarkEntry(), err)
	}
}

func exitCode(err error) int {
	if e, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Wait returns it bare
		return e.ExitCode()
	}
	return -1
}

func TestKilledAfterTheLeaderEndedTheStatusCanStillBeLearnt(t *testing.T) {
	// Stopped before the leader ends, and killed after, the end-process has seen
	// nothing: whoever inherits the leader must still be able to wait for it.
	d := newDisk(t)
	if err := proc.BecomeSubreaper(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
	gate := filepath.Join(t.TempDir(), "gate")
	c := d.accept(spool.Run{Argv: []string{"sh", "-c", "while [ ! -e " + gate + " ]; do /bin/sleep 0.02; done; exit 9"}}, nil, nil)
	cmd := d.begin()
	poll(t, "the start", func() bool { _, err := c.Started(1); return err == nil })
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	run, err := c.Started(1)
	if err != nil {
		t.Fatal(err)
	}
	leader, err := proc.Open(run.Leader)
	if err != nil {
		t.Fatal(err)
	}
	defer leader.Close()
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := leader.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status, known := leader.Reap(); !known || status.Code != 9 {
		t.Errorf("the status is %+v, known: %v", status, known)
	}
}
