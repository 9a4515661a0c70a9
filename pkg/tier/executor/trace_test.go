package executor

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/wire"
)

// The span of a verdict, as an agent says it.
const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	judged  = "00-" + traceID + "-b7ad6b7169203331-01"
)

// bootHere is boot with the executor in this process, where what it tells of
// itself is to be seen.
func bootHere(t *testing.T) (*host, *obstest.Recorder) {
	t.Helper()
	h := newHost(t)
	told := obstest.New(t)
	h.serveHere(told.Telemetry())
	return h, told
}

// serveHere starts an executor in this process; stop ends it and waits.
func (h *host) serveHere(t obs.Telemetry) (e *Executor, stop func()) {
	h.Helper()
	cfg := Config{StateDir: h.state, Socket: h.socket, EndProcess: h.end, Slots: h.slots, MaxRecords: 100, SpoolBytes: 1 << 30}
	e, err := Open(cfg, Deps{Log: slog.New(slog.DiscardHandler), Version: "test", Telemetry: t})
	if err != nil {
		h.Fatal(err)
	}
	lis, err := Listen(h.socket)
	if err != nil {
		h.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(PeerCredentials()))
	e.Register(server)
	ctx, cancel := context.WithCancel(h.Context())
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	go func() { ran <- e.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ran; err != nil {
			h.Errorf("the executor ended with %v", err)
		}
		server.Stop()
		if err := <-served; err != nil {
			h.Errorf("the server ended with %v", err)
		}
		_ = os.Remove(h.socket) // so that a caller waits for the next one
	}
	h.Cleanup(stop)
	h.dial()
	return e, stop
}

// startIn asks for a start as part of a trace; each parent goes as one value.
func (h *host) startIn(o wire.StartOrder, parents ...string) error {
	h.Helper()
	said := metadata.MD{}
	said.Append("traceparent", parents...)
	_, err := h.api.Start(metadata.NewOutgoingContext(h.ctx(), said), wire.StartToProto(o))
	return err
}

// acceptIn is startIn that must succeed.
func (h *host) acceptIn(o wire.StartOrder, parents ...string) {
	h.Helper()
	if err := h.startIn(o, parents...); err != nil {
		h.Fatal(err)
	}
}

func TestATracedAttemptHasASpanOfItsStartAndOneOfItsRun(t *testing.T) {
	h, told := bootHere(t)
	h.acceptIn(shell("a", "sleep 0.1"), judged)
	h.becomes("a", task.Succeeded, task.Exit{})
	starts, runs := told.Spans("executor.start"), told.Spans("executor.run")
	if len(starts) != 1 || len(runs) != 1 || len(told.Spans("")) != 2 {
		t.Fatalf("spans are %v", told.Spans(""))
	}
	start, run := starts[0], runs[0]
	if start.SpanContext.TraceID().String() != traceID || !strings.Contains(judged, start.Parent.SpanID().String()) {
		t.Errorf("the start is of trace %s, below %s", start.SpanContext.TraceID(), start.Parent.SpanID())
	}
	if run.SpanContext.TraceID() != start.SpanContext.TraceID() || run.Parent.SpanID() != start.SpanContext.SpanID() {
		t.Errorf("the run is of trace %s, below %s; the start is %s", run.SpanContext.TraceID(), run.Parent.SpanID(), start.SpanContext.SpanID())
	}
	if took := run.EndTime.Sub(run.StartTime); took < 100*time.Millisecond || run.StartTime.Before(start.StartTime) {
		t.Errorf("the run took %s, from %s on; the start began %s", took, run.StartTime, start.StartTime)
	}
	for _, s := range []tracetest.SpanStub{start, run} {
		if obstest.Attribute(s, attrCommand) != "a" || obstest.Attribute(s, obs.AttrAttempt) != "1" || s.Status.Code == codes.Error {
			t.Errorf("%s has %v, %v", s.Name, s.Attributes, s.Status)
		}
	}
	if got := obstest.Attribute(run, obs.AttrOutcome); got != "SUCCEEDED" {
		t.Errorf("the outcome is %q", got)
	}
}

func TestWhatDoesNotSucceedIsAnErrorInItsTrace(t *testing.T) {
	h, told := bootHere(t)
	h.acceptIn(shell("a", "exit 3"), judged)
	h.becomes("a", task.Failed, task.Exit{Code: 3})
	h.acceptIn(shell("b", "sleep 60"), judged)
	h.running("b")
	h.stop("b", 1)
	h.becomes("b", task.Canceled, task.Exit{Reason: task.Killed, Signal: 15})
	runs := told.Spans("executor.run")
	if len(runs) != 2 || runs[0].Status.Code != codes.Error || runs[1].Status.Code != codes.Error ||
		obstest.Attribute(runs[0], obs.AttrOutcome) != "FAILED" || obstest.Attribute(runs[1], obs.AttrReason) != "killed" {
		t.Errorf("runs are %v", runs)
	}
	unknown := shell("c", "true")
	unknown.Attempt = 2
	if err := h.startIn(unknown, judged); err == nil {
		t.Error("an attempt that follows none was accepted")
	}
	starts := told.Spans("executor.start")
	if len(starts) != 3 || starts[0].Status.Code == codes.Error || starts[2].Status.Code != codes.Error {
		t.Errorf("starts are %v", starts)
	}
}

func TestWhatIsNoTraceIsIgnored(t *testing.T) {
	h, told := bootHere(t)
	for id, parents := range map[string][]string{
		"none":       nil,
		"nonsense":   {"traced"},
		"unsampled":  {strings.TrimSuffix(judged, "01") + "00"},
		"long":       {"01" + strings.TrimPrefix(judged, "00") + "-" + strings.Repeat("x", 1000)},
		"two-traces": {judged, judged},
	} {
		h.acceptIn(shell(id, "true"), parents...)
		h.becomes(id, task.Succeeded, task.Exit{})
	}
	if spans := told.Spans(""); len(spans) != 0 {
		t.Errorf("spans are %v", spans)
	}
}

func TestTheSpanOfARunIsLostWithItsExecutorAndNothingElse(t *testing.T) {
	h := newHost(t)
	told := obstest.New(t)
	_, stop := h.serveHere(told.Telemetry())
	fifo := h.fifo()
	h.acceptIn(shell("a", "read line <"+fifo), judged)
	h.running("a")
	stop()
	h.serveHere(told.Telemetry())
	h.running("a")
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	h.becomes("a", task.Succeeded, task.Exit{})
	if spans := told.Spans(""); len(spans) != 1 || spans[0].Name != "executor.start" {
		t.Errorf("spans are %v", spans)
	}
}

func TestTheNextAttemptHasATraceOfItsOwn(t *testing.T) {
	c := newCommand(spool.Spec{ID: "a"}, 1)
	c.trace, c.found = judged, true
	c.next(time.Time{}, nil)
	if c.trace != "" || c.span != nil || c.found {
		t.Errorf("it goes on with %q, %v, %v", c.trace, c.span, c.found)
	}
}

// fifo makes one that a command can wait at.
func (h *host) fifo() string {
	h.Helper()
	path := filepath.Join(h.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		h.Fatal(err)
	}
	return path
}
