package budgets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// patience is how long a condition may take on a busy machine.
const patience = time.Minute

// host is a directory in which the built executor runs.
type host struct {
	*testing.T
	dir     string
	process *exec.Cmd
	logs    bytes.Buffer
	conn    *grpc.ClientConn
	api     executorv1.ExecutorServiceClient
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{T: t, dir: rig.Dir(t)}
	text := fmt.Sprintf("socket: %s\nstate_dir: %s\nendprocess: %s\nmetrics_listen: 127.0.0.1:0\nslots: 1000\nmin_free_bytes: 0\n",
		h.path("s"), h.path("state"), filepath.Join(rig.Bin(t), "ccs-endprocess"))
	if err := os.WriteFile(h.path("executor.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if h.process != nil {
			h.kill()
		}
		if t.Failed() {
			t.Logf("the executor's log:\n%s", h.logs.String())
		}
	})
	h.launch()
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// launch starts the executor.
func (h *host) launch() {
	h.Helper()
	conn, err := grpc.NewClient("unix:"+h.path("s"), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 2 * time.Millisecond, Multiplier: 1.1, MaxDelay: 10 * time.Millisecond},
		}))
	if err != nil {
		h.Fatal(err)
	}
	h.conn, h.api = conn, executorv1.NewExecutorServiceClient(conn)
	h.process = exec.Command(filepath.Join(rig.Bin(h.T), "ccs-executor"), "--config", h.path("executor.yaml"))
	h.process.Stderr = &h.logs
	if err := h.process.Start(); err != nil {
		h.Fatal(err)
	}
}

// kill is kill -9 of the executor.
func (h *host) kill() {
	h.Helper()
	_ = h.conn.Close()
	_ = h.process.Process.Kill()
	_ = h.process.Wait()
	h.process = nil
	_ = os.Remove(h.path("s"))
}

// start has a command accepted.
func (h *host) start(id string, argv ...string) {
	h.Helper()
	o := wire.StartOrder{Attempt: 1, Spec: spool.Spec{
		ID: id, StartBy: time.Now().Add(time.Hour), RememberUntil: time.Now().Add(time.Hour),
		Run: spool.Run{Argv: argv, Grace: time.Second, Keep: 4096},
	}}
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	r, err := h.api.Start(ctx, wire.StartToProto(o))
	if err != nil || r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_RECORDED {
		h.Errorf("Start(%s): %v, %v", id, r.GetAcceptance(), err)
	}
}

// list is all commands.
func (h *host) list() (all []wire.HostCommand) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	stream, err := h.api.List(ctx, &executorv1.ListRequest{})
	for err == nil {
		var m *executorv1.ListResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		for _, p := range m.GetCommands() {
			c, err := wire.CommandFromProto(p)
			if err != nil {
				h.Fatal(err)
			}
			all = append(all, c)
		}
	}
	if !errors.Is(err, io.EOF) {
		h.Fatal(err)
	}
	return all
}

// await waits until so many commands are in the state.
func (h *host) await(n int, state task.State) {
	h.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		are := 0
		for _, c := range h.list() {
			if c.Report.State == state {
				are++
			}
		}
		if are == n {
			return
		}
		if time.Now().After(deadline) {
			h.Fatalf("%d commands are %v, not %d", are, state, n)
		}
	}
}

// endProcess is the pid of a command's end-process.
func (h *host) endProcess(id string) int {
	h.Helper()
	dir, err := spool.OpenCommand(filepath.Join(h.path("state"), "commands", id))
	if err != nil {
		h.Fatal(err)
	}
	defer dir.Close()
	a, err := dir.Attempt(1)
	if err != nil {
		h.Fatal(err)
	}
	return a.Supervisor.PID
}

// gate is a file for which commands wait without a process of their own.
func (h *host) gate() (line string, open func()) {
	h.Helper()
	gate, never := h.path("gate"), h.path("never")
	if out, err := exec.Command("mkfifo", never).CombinedOutput(); err != nil {
		h.Fatalf("%v %s", err, out)
	}
	return "while [ ! -e " + gate + " ]; do read -t 1 x <>" + never + "; done; true", func() {
		if err := os.WriteFile(gate, nil, 0o600); err != nil {
			h.Error(err)
		}
	}
}

func id(n int) string { return "c" + strconv.Itoa(n) }

// stop has a command killed.
func (h *host) stop(id string) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	r := &executorv1.SignalRequest{CommandId: id, Attempt: 1, RememberUntil: wire.TimeToProto(time.Now().Add(time.Hour))}
	if _, err := h.api.Signal(ctx, r); err != nil {
		h.Errorf("Signal(%s): %v", id, err)
	}
}
