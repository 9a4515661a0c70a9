package benchhost

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

// patience is how long a condition may take on a busy machine.
const patience = 60 * time.Second

// executor is a built ccs-executor with its end-process, and a caller that
// watches it as an agent does.
type executor struct {
	state   string
	process *exec.Cmd
	socket  *agent.Socket
	next    atomic.Uint64

	mu        sync.Mutex // protects all below
	waits     map[string]chan wire.HostCommand
	latencies latencies
}

// latencies are of one concurrency: until the user's process began.
type latencies struct{ asked, accepted []time.Duration }

// startExecutor starts one on a directory of its own. wrap is put before its
// command line.
func startExecutor(t *testing.T, wrap ...string) *executor {
	t.Helper()
	run, err := os.MkdirTemp("", "ccs") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	e := &executor{state: t.TempDir(), waits: map[string]chan wire.HostCommand{}}
	config, socket := filepath.Join(run, "executor.yaml"), filepath.Join(run, "x.sock")
	text := fmt.Sprintf("state_dir: %s\nsocket: %s\nendprocess: %s\nmax_records: 1000000\nmetrics_listen: \"\"\nlog: {level: error}\n",
		e.state, socket, program(t, "cmd/endprocess", "ccs-endprocess"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := append(wrap, program(t, "cmd/executor", "ccs-executor"), "--config", config)
	e.process = exec.Command(argv[0], argv[1:]...)
	e.process.Stderr = os.Stderr
	if err := e.process.Start(); err != nil {
		t.Fatal(err)
	}
	if e.socket, err = agent.OpenSocket(socket); err != nil {
		t.Fatal(err)
	}
	e.await(t)
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		_ = e.socket.Watch(ctx, e.hear) // whoever waits in vain says so
	}()
	t.Cleanup(func() {
		cancel()
		<-watched
		_ = e.socket.Close()
		e.stop()
	})
	return e
}

// stop ends the executor in good order. It is told itself: strace, which may
// stand before it, does not pass a signal on.
func (e *executor) stop() {
	pid, held, err := spool.HeldBy(e.state)
	if err != nil || !held || syscall.Kill(pid, syscall.SIGTERM) != nil {
		_ = e.process.Process.Kill()
	}
	_ = e.process.Wait()
}

// await waits until the executor answers.
func (e *executor) await(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := e.socket.Info(ctx, time.Time{})
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("the executor does not answer: %v", err)
		}
	}
}

// hear gives outcomes to those who wait for them.
func (e *executor) hear(n agent.News) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range n.Commands {
		if wait := e.waits[c.ID]; wait != nil && c.Report.State.Final() {
			delete(e.waits, c.ID)
			wait <- c
		}
	}
	return nil
}

// once runs one command from the call to its outcome, which is durable then.
func (e *executor) once(tb testing.TB) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	id := "bench-" + strconv.FormatUint(e.next.Add(1), 10)
	done := make(chan wire.HostCommand, 1)
	e.mu.Lock()
	e.waits[id] = done
	e.mu.Unlock()
	asked := time.Now()
	answer, err := e.socket.Start(ctx, wire.StartOrder{Attempt: 1, Spec: spool.Spec{
		ID: id, StartBy: asked.Add(time.Hour), RememberUntil: asked.Add(time.Hour), Context: []byte("standard"),
		Run: spool.Run{Argv: []string{"/bin/true"}},
	}})
	accepted := time.Now()
	if err == nil && answer.Acceptance != agent.Recorded {
		err = fmt.Errorf("command %s is answered with %d", id, answer.Acceptance)
	}
	if err != nil {
		return err
	}
	select {
	case c := <-done:
		if c.Report.State != task.Succeeded {
			return fmt.Errorf("command %s became %s: %s", id, c.Report.State, c.Detail.Message)
		}
		e.note(c.Detail.StartedAt.Sub(asked), max(0, c.Detail.StartedAt.Sub(accepted)))
		return nil
	case <-ctx.Done():
		return fmt.Errorf("command %s has no outcome: %w", id, ctx.Err())
	}
}

func (e *executor) note(asked, accepted time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.latencies.asked = append(e.latencies.asked, asked)
	e.latencies.accepted = append(e.latencies.accepted, accepted)
}

// take returns the latencies since the last call.
func (e *executor) take() latencies {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.latencies
	e.latencies = latencies{}
	return l
}

func (e *executor) contender() contender { return contender{"executor and end-process", e.once} }
