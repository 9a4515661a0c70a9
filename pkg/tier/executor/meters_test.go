package executor

import (
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

// counts compares what is told with what is so.
func (h *host) counts(when string, told *obstest.Recorder, want map[obs.Name]int64) {
	h.Helper()
	for name, n := range want {
		if got := told.Value(name); got != n {
			h.Errorf("%s, %s is %d, want %d", when, name, got, n)
		}
	}
}

func TestCommandsAreCountedFromTheirStartToTheirOutcome(t *testing.T) {
	h, told := bootHere(t)
	fifo := h.fifo()
	h.accept(shell("waits", "read line <"+fifo))
	h.accept(shell("fails", "exit 1"))
	h.accept(shell("works", "true"))
	h.running("waits")
	h.ended("fails")
	h.ended("works")
	h.counts("while one runs", told, map[obs.Name]int64{
		obs.CommandsStarted: 3, obs.CommandsEnded: 2, obs.CommandsLive: 1, obs.CommandsAdopted: 0,
	})
	h.stop("never-seen", 1)
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	h.becomes("waits", task.Succeeded, task.Exit{})
	h.counts("when all have ended", told, map[obs.Name]int64{obs.CommandsStarted: 3, obs.CommandsEnded: 3, obs.CommandsLive: 0})
	for label, want := range map[string]int64{"outcome=SUCCEEDED": 2, "outcome=FAILED": 1} {
		if got := told.Value(obs.CommandsEnded, label); got != want {
			t.Errorf("%s is %d, want %d", label, got, want)
		}
	}
}

func TestAnExecutorCountsWhatItTakesOverAndNotWhatHasEndedBefore(t *testing.T) {
	h := newHost(t)
	_, stop := h.serveHere(obs.Telemetry{})
	fifo := h.fifo()
	h.accept(shell("runs", "read line <"+fifo))
	h.accept(shell("ended", "true"))
	h.running("runs")
	h.ended("ended")
	stop()
	told := obstest.New(t)
	h.serveHere(told.Telemetry())
	h.running("runs")
	h.ended("ended")
	h.poll("the command that runs is adopted", func() bool { return told.Value(obs.CommandsAdopted) == 1 })
	h.counts("after the restart", told, map[obs.Name]int64{
		obs.CommandsAdopted: 1, obs.CommandsLive: 1, obs.CommandsStarted: 0, obs.CommandsEnded: 0,
	})
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	h.ended("runs")
	h.counts("at the end", told, map[obs.Name]int64{obs.CommandsAdopted: 1, obs.CommandsLive: 0, obs.CommandsEnded: 1})
}

func TestAnExecutorThatMayStartNothingIsNotReady(t *testing.T) {
	h := boot(t)
	h.accept(shell("old", "read line <"+h.fifo()))
	h.running("old")
	h.kill()
	old, tree := h.supervisor("old"), h.mark("old")
	h.Cleanup(func() { _ = tree.Signal(syscall.SIGKILL) })
	h.poll("the directory to be gone", func() bool { return os.RemoveAll(h.state) == nil })
	h.dial()
	e, _ := h.serveHere(obs.Telemetry{})
	h.accept(shell("new", "true")) // it is served, and kept waiting
	if err := e.Check(); !errors.Is(err, errForeign) {
		t.Errorf("while an end-process of the directory before runs: %v", err)
	}
	p, err := proc.Open(old)
	if err == nil {
		err = p.Signal(syscall.SIGKILL)
		p.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	h.becomes("new", task.Succeeded, task.Exit{})
	if err := e.Check(); err != nil {
		t.Errorf("when it has ended: %v", err)
	}
}

func TestAnExecutorIsReadyOnceItsDirectoryIsLoadedUntilItStops(t *testing.T) {
	h := newHost(t)
	cfg := Config{StateDir: t.TempDir(), Socket: h.socket, EndProcess: h.end, Slots: 1, MaxRecords: 100, SpoolBytes: 1 << 30}
	idle, err := Open(cfg, Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.root.Close()
	if err := idle.Check(); !errors.Is(err, errNotLoaded) {
		t.Errorf("before it runs: %v", err)
	}
	e, stop := h.serveHere(obs.Telemetry{})
	h.poll("the executor is ready", func() bool { return e.Check() == nil })
	health := healthv1.NewHealthClient(h.conn)
	ask := func(want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if got, err := health.Check(h.ctx(), &healthv1.HealthCheckRequest{}); err != nil || got.GetStatus() != want {
			t.Errorf("the socket says %v, %v, want %s", got, err, want)
		}
	}
	ask(healthv1.HealthCheckResponse_SERVING)
	e.HangUp()
	if err := e.Check(); !errors.Is(err, obs.ErrDraining) {
		t.Errorf("while it stops: %v", err)
	}
	ask(healthv1.HealthCheckResponse_NOT_SERVING)
	stop()
	if err := e.Check(); !errors.Is(err, obs.ErrDraining) {
		t.Errorf("when it has stopped: %v", err)
	}
}
