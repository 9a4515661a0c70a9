package operator

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

const words = "killed on the host by ops: fills /var"

// kill kills with the executor down, and wants it done in one way.
func (h *host) kill(id string, want Way) {
	h.Helper()
	if way, err := h.Kill(id, words, nobody, time.Now()); err != nil || way != want {
		h.Fatalf("kill %s: %q, %v; want %q", id, way, err, want)
	}
}

// wantKilled demands the outcome of a kill, with its words.
func (h *host) wantKilled(id string, reason task.Reason) {
	h.Helper()
	if e := h.ended(id); e.State != task.Canceled || e.Reason != reason || e.Message != words {
		h.Errorf("%s became %v %v (%q)", id, e.State, e.Reason, e.Message)
	}
}

func TestWithTheExecutorDownTheEndProcessEndsTheWholeTree(t *testing.T) {
	h := newHost(t)
	child := filepath.Join(t.TempDir(), "child")
	h.run("a", "setsid sh -c 'trap \"\" TERM; echo $$ >"+child+"; while :; do sleep 1; done' & sleep 60")
	h.poll("the child", func() bool { st, err := os.Stat(child); return err == nil && st.Size() > 0 })
	h.down()
	mark := h.mark("a")
	h.kill("a", EndProcessTold)
	h.wantKilled("a", task.Killed)
	if left, err := mark.Living(); err != nil || len(left) > 1 { // the end-process itself may be about to exit
		t.Errorf("%+v live on, %v", left, err)
	}
	h.kill("a", Over)
}

func (h *host) mark(id string) proc.Orphans {
	h.Helper()
	dir, err := spool.OpenCommand(filepath.Join(h.StateDir, "commands", id))
	must(h.T, err)
	defer dir.Close()
	a, err := dir.Attempt(1)
	must(h.T, err)
	return proc.Orphans{Since: a.Supervisor.Start, Mark: a.MarkEntry()}
}

func TestWithExecutorAndEndProcessDeadWhatIsLeftIsEndedHere(t *testing.T) {
	h := newHost(t)
	// The shell and its child carry on without anybody; the child hears no TERM.
	h.behead(h.run("a", "echo said; (trap '' TERM; while :; do sleep 1; done) & sleep 60"))
	h.down()
	mark := h.mark("a")
	h.kill("a", EndedHere)
	h.wantKilled("a", task.Killed)
	if left, err := mark.Living(); err != nil || len(left) > 0 {
		t.Errorf("%+v live on, %v", left, err)
	}
	data, err := os.ReadFile(filepath.Join(h.StateDir, "commands", "a", "stdout.1"))
	if err != nil || string(data) != "said\n" {
		t.Errorf("its output is %q, %v", data, err)
	}
	h.wantCheck("FIFOs", OK, "none")
	h.up() // the lock was given back
}

func TestWhatHasNotStartedNeverWill(t *testing.T) {
	h := newHost(t)
	h.accept("a", "echo >>"+filepath.Join(h.AgentDir, "witness"))
	h.down()
	h.kill("a", BeforeStart)
	h.wantKilled("a", task.BeforeStart)
	h.up()
	_ = h.start("a").Wait() // who comes later finds that it was decided
	if _, err := os.Stat(filepath.Join(h.AgentDir, "witness")); err == nil {
		t.Error("it ran")
	}
	h.wantKilled("a", task.BeforeStart)
}

func TestAnExecutorThatIsUpIsToldAndFindsTheWishOnTheDisk(t *testing.T) {
	h := newHost(t)
	h.accept("a", "sleep 60")
	told := 0
	way, err := h.Kill("a", words, func(attempt uint32, spec spool.Spec) error {
		told++
		if e := h.find("a"); !e.Stop || attempt != 1 || spec.ID != "a" || spec.RememberUntil.IsZero() {
			t.Errorf("it was told of attempt %d of %+v before the wish was durable: %+v", attempt, spec, e)
		}
		return nil
	}, time.Now())
	if err != nil || way != ThroughIt || told != 1 {
		t.Errorf("%q, %v, told %d times", way, err, told)
	}
	if e := h.find("a"); !e.Live() {
		t.Errorf("somebody else than the executor has decided: %+v", e)
	}
}

func TestAnExecutorThatHangsIsInNobodysWay(t *testing.T) {
	h := newHost(t) // it holds its lock, and does not answer
	cmd := h.run("a", "sleep 60")
	h.accept("b", "sleep 60")
	h.kill("a", EndProcessTold)
	h.wantKilled("a", task.Killed)
	h.kill("b", BeforeStart)
	_ = cmd.Wait()
	h.behead(h.run("c", "sleep 60"))
	if _, err := h.Kill("c", words, nobody, time.Now()); !errors.Is(err, ErrExecutorHangs) {
		t.Errorf("what it has taken over: %v", err)
	}
	if e := h.find("c"); !e.Live() || e.Leader == 0 || !e.Stop {
		t.Errorf("it was touched, or the wish is not there: %+v", e)
	}
}

func TestWhatIsGoneAlreadyIsLeftToTheExecutorToSay(t *testing.T) {
	h := newHost(t)
	h.behead(h.run("a", "sleep 60"))
	mark := h.mark("a")
	h.poll("its end", func() bool {
		must(t, mark.Signal(syscall.SIGKILL)) // again: what is forked meanwhile has not got it
		alive, err := mark.Alive()
		return err == nil && !alive
	})
	h.down()
	h.kill("a", LeftToExecutor)
	if e := h.find("a"); !e.Live() {
		t.Errorf("an outcome was made up: %+v", e)
	}
}

func TestAnotherBootsCommandIsNotLookedForAmongThisOnesProcesses(t *testing.T) {
	h := newHost(t)
	h.accept("a", "sleep 60")
	dir, err := spool.OpenCommand(filepath.Join(h.StateDir, "commands", "a"))
	must(t, err)
	defer dir.Close()
	// The pid is ours now, and was somebody's in that boot.
	must(t, dir.Decide(1, spool.Attempt{Supervisor: proc.Identity{Boot: "another", PID: os.Getpid(), Start: 1}, Mark: "m"}))
	h.down()
	h.kill("a", LeftToExecutor)
}

func TestALeaderThatWasNeverWrittenDownIsLostAndNotCanceled(t *testing.T) {
	h := newHost(t)
	h.behead(h.run("a", "sleep 60"))
	must(t, os.Remove(filepath.Join(h.StateDir, "commands", "a", "run.1")))
	h.down()
	h.kill("a", EndedHere)
	if e := h.ended("a"); e.State != task.Lost || e.Reason != task.SupervisorLost {
		t.Errorf("%+v", e)
	}
}

func TestWhatIsNotKnownIsNotKilled(t *testing.T) {
	h := newHost(t)
	must(t, h.root.MarkReleased("released", time.Now()))
	h.kill("released", Over)
	for _, id := range []string{"nobody", "../..", ""} {
		if _, err := h.Kill(id, words, nobody, time.Now()); !errors.Is(err, spool.ErrMissing) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestWhoWaitsInVainIsToldWhatItIs(t *testing.T) {
	h := newHost(t)
	h.accept("a", "true")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if e, err := h.Await(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || e.State != task.Accepted {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestADamagedSpecificationHoldsNoKillUp(t *testing.T) {
	h := newHost(t)
	h.behead(h.run("a", "sleep 60"))
	path := filepath.Join(h.StateDir, "commands", "a", "spec")
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(data), "argv", "argx", 1)), 0o600))
	h.down()
	h.kill("a", EndedHere)
	h.wantKilled("a", task.Killed)
}
