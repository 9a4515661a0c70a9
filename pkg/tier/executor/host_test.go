package executor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/internal/bugs"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/wire"
)

// patience is how long a condition may take on a busy machine.
var patience = bugs.Patience(30 * time.Second)

// host is a machine with an executor process on it.
type host struct {
	*testing.T
	state, socket, end string
	slots, total       int
	cgroup             string // empty: none
	spool, minFree     int64
	program            string // that is the executor
	account            *syscall.Credential
	limit              string // file that says how many processes it may have
	process            *exec.Cmd
	logs               string // file
	conn               *grpc.ClientConn
	api                executorv1.ExecutorServiceClient
}

// newHost has a state directory and no executor yet.
func newHost(t *testing.T) *host {
	t.Helper()
	run, err := os.MkdirTemp("", "ccs") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	h := &host{T: t, logs: filepath.Join(run, "log"), state: t.TempDir(), socket: filepath.Join(run, "x.sock"), end: endProcess, slots: 64, spool: 1 << 30, program: os.Args[0]}
	t.Cleanup(h.cleanUp)
	return h
}

// boot is newHost with its executor running.
func boot(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.launch()
	return h
}

// dial makes a connection of its own for each executor: a call on one that has
// just been cut would fail, and its caller would have to ask again.
func (h *host) dial() {
	h.Helper()
	if h.conn != nil {
		h.conn.Close()
	}
	conn, err := grpc.NewClient("unix:"+h.socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond},
		}))
	if err != nil {
		h.Fatal(err)
	}
	h.conn, h.api = conn, executorv1.NewExecutorServiceClient(conn)
}

// launch starts the executor process.
func (h *host) launch() {
	h.Helper()
	h.dial()
	logs, err := os.OpenFile(h.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	h.process = exec.Command(h.program)
	h.process.Env = h.environ()
	h.process.Stderr = logs
	h.process.SysProcAttr = &syscall.SysProcAttr{Credential: h.account}
	if err := h.process.Start(); err != nil {
		h.Fatal(err)
	}
}

// environ makes the test's program an executor of this host.
func (h *host) environ() []string {
	return append(os.Environ(), "TEST_EXECUTOR_STATE="+h.state, "TEST_EXECUTOR_SOCKET="+h.socket,
		"TEST_EXECUTOR_ENDPROCESS="+h.end, "TEST_EXECUTOR_SLOTS="+strconv.Itoa(h.slots),
		"TEST_EXECUTOR_SLOTS_TOTAL="+strconv.Itoa(h.total), "TEST_EXECUTOR_CGROUP="+h.cgroup, "TEST_EXECUTOR_LIMIT="+h.limit,
		"TEST_EXECUTOR_SPOOL="+strconv.FormatInt(h.spool, 10), "TEST_EXECUTOR_MINFREE="+strconv.FormatInt(h.minFree, 10))
}

// log is what all executors of the host have said.
func (h *host) log() string {
	data, _ := os.ReadFile(h.logs)
	return string(data)
}

// kill is kill -9 of the executor.
func (h *host) kill() { h.Helper(); h.signal(syscall.SIGKILL) }

func (h *host) signal(sig syscall.Signal) {
	h.Helper()
	if err := h.process.Process.Signal(sig); err != nil {
		h.Fatal(err)
	}
	_ = h.process.Wait()
	h.process = nil
	_ = os.Remove(h.socket) // so that a caller waits for the next one
}

// cleanUp leaves no process behind.
func (h *host) cleanUp() {
	if h.conn != nil {
		h.conn.Close()
	}
	if h.process != nil {
		_ = h.process.Process.Kill()
		_ = h.process.Wait()
	}
	if h.Failed() {
		h.Logf("the executor's log:\n%s", h.log())
	}
	h.sweep()
}

// sweep kills what the host's executors have started, until nothing of it lives:
// what lives writes in a directory that is to be removed.
func (h *host) sweep() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		left := h.killEndProcesses() + h.killTrees()
		if left == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.Errorf("%d processes live on", left)
			return
		}
	}
}

// killEndProcesses kills whoever was given the state directory, also what is to
// become an end-process and has no record yet, and counts them.
func (h *host) killEndProcesses() (living int) {
	table, err := proc.Table()
	if err != nil {
		h.Error(err)
	}
	for _, st := range table {
		given := ""
		for _, file := range []string{"cmdline", "environ"} {
			text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(st.PID), file)) // it is gone
			given += string(text)
		}
		if !st.Ended() && st.PID != os.Getpid() && strings.Contains(given, h.state) {
			living++
			_ = syscall.Kill(st.PID, syscall.SIGKILL)
		}
	}
	return living
}

// killTrees kills what end-processes have started, and counts it.
func (h *host) killTrees() (living int) {
	entries, _ := os.ReadDir(filepath.Join(h.state, "commands"))
	for _, entry := range entries {
		dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", entry.Name()))
		if err != nil {
			continue
		}
		for n := uint32(1); n <= 2; n++ {
			a, err := dir.Attempt(n)
			if err != nil || a.Supervisor.IsZero() {
				continue
			}
			tree := proc.Grouped{Group: a.Group, Also: proc.Orphans{Since: a.Supervisor.Start, Mark: a.MarkEntry()}}
			left, err := tree.Living()
			if err == nil && len(left) > 0 {
				living += len(left)
				_ = tree.Signal(syscall.SIGKILL)
			}
			if a.Group.Remove() != nil && len(left) == 0 {
				living++ // on its way out
			}
		}
		dir.Close()
	}
	return living
}

// order is a first attempt with an hour to live.
func order(id string, argv ...string) wire.StartOrder {
	return wire.StartOrder{Attempt: 1, Spec: spool.Spec{
		ID: id, StartBy: time.Now().Add(time.Hour), RememberUntil: time.Now().Add(time.Hour),
		Context: []byte("context of " + id),
		Run:     spool.Run{Argv: argv, Grace: time.Second},
	}}
}

// shell is an order of a shell command line.
func shell(id, line string) wire.StartOrder { return order(id, "/bin/sh", "-c", line) }

// start asks for a start and returns the answer.
func (h *host) start(o wire.StartOrder) *executorv1.StartResponse {
	h.Helper()
	r, err := h.api.Start(h.ctx(), wire.StartToProto(o))
	if err != nil {
		h.Fatalf("Start(%s): %v", o.Spec.ID, err)
	}
	return r
}

// accept starts and demands that it is recorded.
func (h *host) accept(o wire.StartOrder) {
	h.Helper()
	if r := h.start(o); r.GetAcceptance() != executorv1.Acceptance_ACCEPTANCE_RECORDED {
		h.Fatalf("Start(%s) answers %v, want RECORDED", o.Spec.ID, r.GetAcceptance())
	}
}

func (h *host) stop(id string, attempt uint32) *executorv1.SignalResponse {
	h.Helper()
	r, err := h.api.Signal(h.ctx(), &executorv1.SignalRequest{
		CommandId: id, Attempt: attempt, RememberUntil: wire.TimeToProto(time.Now().Add(time.Hour)), Context: []byte("stop"),
	})
	if err != nil {
		h.Fatalf("Signal(%s): %v", id, err)
	}
	return r
}

func (h *host) ctx() context.Context {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	h.Cleanup(cancel)
	return ctx
}

// until watches the command until the condition holds.
func (h *host) until(id, what string, holds func(wire.HostCommand) bool) wire.HostCommand {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	var last wire.HostCommand
	for {
		stream, err := h.api.Watch(ctx, &executorv1.WatchRequest{})
		for err == nil {
			var m *executorv1.WatchResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			for _, p := range m.GetCommands() {
				if p.GetCommandId() != id {
					continue
				}
				if last, err = wire.CommandFromProto(p); err != nil {
					h.Fatal(err)
				}
				if holds(last) {
					return last
				}
			}
		}
		if ctx.Err() != nil {
			h.Fatalf("%s is not %s; it is %v %+v", id, what, last.Report, last.Detail)
		}
	}
}

// running waits until the user's process runs.
func (h *host) running(id string) wire.HostCommand {
	h.Helper()
	return h.until(id, "RUNNING", func(c wire.HostCommand) bool { return c.Report.State == task.Running })
}

// ended waits for the outcome.
func (h *host) ended(id string) wire.HostCommand {
	h.Helper()
	return h.until(id, "settled", func(c wire.HostCommand) bool { return c.Report.State.Final() })
}

// becomes waits for the outcome and compares it.
func (h *host) becomes(id string, state task.State, exit task.Exit) wire.HostCommand {
	h.Helper()
	c := h.ended(id)
	if c.Report.State != state || c.Report.Exit != exit {
		h.Fatalf("%s became %v %+v (%s), want %v %+v", id, c.Report.State, c.Report.Exit, c.Detail.Message, state, exit)
	}
	return c
}

// output fetches an output from an offset.
func (h *host) output(id string, attempt uint32, stream typesv1.Stream, offset uint64) []byte {
	h.Helper()
	s, err := h.api.FetchOutput(h.ctx(), &executorv1.FetchOutputRequest{CommandId: id, Attempt: attempt, Stream: stream, Offset: offset})
	if err != nil {
		h.Fatal(err)
	}
	var all []byte
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			h.Fatalf("FetchOutput(%s): %v", id, err)
		}
		all = append(all, m.GetContent()...)
	}
}

func (h *host) stdout(id string) string {
	h.Helper()
	return string(h.output(id, 1, typesv1.Stream_STREAM_STDOUT, 0))
}

// supervisor returns the identity of the end-process.
func (h *host) supervisor(id string) proc.Identity {
	h.Helper()
	dir, err := spool.OpenCommand(filepath.Join(h.state, "commands", id))
	if err != nil {
		h.Fatal(err)
	}
	defer dir.Close()
	a, err := dir.Attempt(1)
	if err != nil {
		h.Fatal(err)
	}
	return a.Supervisor
}

// killEndProcess is kill -9 of the end-process.
func (h *host) killEndProcess(id string) {
	h.Helper()
	p, err := proc.Open(h.supervisor(id))
	if err != nil {
		h.Fatal(err)
	}
	defer p.Close()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		h.Fatal(err)
	}
	if err := p.Wait(h.ctx()); err != nil {
		h.Fatal(err)
	}
}

// poll waits for a condition that nothing announces.
func (h *host) poll(what string, holds func() bool) {
	h.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	ctx := h.ctx()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			h.Fatalf("not in time: %s", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// lines counts what a witness file saw.
func lines(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return bytes.Count(data, []byte{'\n'})
}
