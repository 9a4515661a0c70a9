package agent_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

// The span that delivered something, as an aggregator says it.
const (
	traceID   = "0af7651916cd43dd8448eb211c80319c"
	parentID  = "b7ad6b7169203331"
	delivered = "00-" + traceID + "-" + parentID + "-01"
)

// submitTraced delivers a job as part of a trace.
func (w *world) submitTraced(a *ask, trace string) *ask {
	w.Helper()
	c := w.command(a)
	c.TraceParent = trace
	w.aggs[0].deliver(c)
	synctest.Wait()
	return a
}

// judged is the one span that there is, checked.
func (w *world) judged(a *ask, verdict string) tracetest.SpanStub {
	w.Helper()
	spans := w.recorder.Spans("")
	if len(spans) != 1 || spans[0].Name != "agent.judge" {
		w.Fatalf("spans are %+v, want one of agent.judge", spans)
	}
	s := spans[0]
	if s.SpanContext.TraceID().String() != traceID || s.Parent.SpanID().String() != parentID {
		w.Errorf("the span is of trace %s, below %s", s.SpanContext.TraceID(), s.Parent.SpanID())
	}
	if got := obstest.Attribute(s, "ccs.verdict"); got != verdict {
		w.Errorf("the verdict is %q, want %q", got, verdict)
	}
	if job, host := obstest.Attribute(s, obs.AttrJob), obstest.Attribute(s, obs.AttrHost); job != a.cmd() || host != hostName {
		w.Errorf("the span is of job %s on host %s", job, host)
	}
	return s
}

// handedOver is the traceparents that the executor was told with a job, one for
// each try.
func (w *world) handedOver(a *ask) []string {
	all, _ := w.traces.Load(a.cmd())
	told, _ := all.([]string)
	return told
}

func TestATracedCommandIsJudgedInItsTraceAndHandedOverWithTheVerdict(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submitTraced(w.run("true"), delivered)
		w.outcome(job, task.Succeeded, task.NoReason)
		span := w.judged(job, "accepted")
		if span.Status.Code == codes.Error || obstest.Attribute(span, obs.AttrOrdinal) != "1" {
			w.Errorf("the span has status %v and attributes %v", span.Status, span.Attributes)
		}
		want := "00-" + traceID + "-" + span.SpanContext.SpanID().String() + "-01"
		if got := w.handedOver(job); len(got) != 1 || got[0] != want {
			w.Errorf("the executor is told %q, want %q", got, want)
		}
	})
}

func TestARefusalIsAnErrorInItsTrace(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.run("true")
		job.key = w.newKey()
		w.submitTraced(job, delivered)
		w.outcome(job, task.Refused, task.BadSignature)
		if span := w.judged(job, "signature"); span.Status.Code != codes.Error || span.Status.Description == "" {
			w.Errorf("its status is %+v", span.Status)
		}
	})
}

func TestAMalformedCommandIsRefusedInItsTraceToo(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.run("true")
		c := w.command(job)
		c.TraceParent, c.CapsuleDigest = delivered, []byte("short")
		w.aggs[0].deliver(c)
		synctest.Wait()
		w.outcome(job, task.Refused, task.Malformed)
		if span := w.judged(job, "malformed"); span.Status.Code != codes.Error {
			w.Errorf("its status is %+v", span.Status)
		}
	})
}

func TestTheTraceOfAPingEndsWithItsVerdict(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.submitTraced(w.ping(), delivered)
		w.outcome(job, task.Succeeded, task.NoReason)
		w.judged(job, "accepted")
		if got := w.handedOver(job); len(got) != 0 {
			w.Errorf("the executor is told %q", got)
		}
	})
}

func TestACommandThatComesAgainIsJudgedOnce(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		job := w.run("true")
		for range 3 {
			w.submitTraced(job, delivered)
		}
		w.judged(job, "accepted")
	})
}

func TestWhatIsNoTraceIsIgnored(t *testing.T) {
	for what, trace := range map[string]string{
		"none":        "",
		"nonsense":    "traced",
		"not sampled": strings.TrimSuffix(delivered, "01") + "00",
		"too long":    "01" + strings.TrimPrefix(delivered, "00") + "-" + strings.Repeat("x", 1000),
	} {
		inWorld(t, 1, func(w *world) {
			w.boot()
			job := w.submitTraced(w.run("true"), trace)
			w.outcome(job, task.Succeeded, task.NoReason)
			if spans, told := w.recorder.Spans(""), w.handedOver(job); len(spans) != 0 || len(told) != 1 || told[0] != "" {
				w.Errorf("%s: spans are %v, and the executor is told %q", what, spans, told)
			}
		})
	}
}

func TestATraceIsLostWithTheAgentAndNothingElse(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.GoAway()
		w.pass(time.Second)
		job := w.submitTraced(w.run("true"), delivered)
		w.crash()
		w.boot()
		w.host.ComeBack()
		w.pass(10 * time.Second)
		w.outcome(job, task.Succeeded, task.NoReason)
		if told := w.handedOver(job); len(told) != 1 || told[0] != "" {
			w.Errorf("the executor is told %q", told)
		}
	})
}

func TestAnExecutorWithoutRoomMakesNoEndlessTrace(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.boot()
		w.host.SetRecords(0)
		job := w.submitTraced(w.run("true"), delivered)
		w.pass(30 * time.Minute)
		traced := 0
		for _, told := range w.handedOver(job) {
			if told != "" {
				traced++
			}
		}
		if all := len(w.handedOver(job)); traced == 0 || traced > 3 || all < 10 {
			w.Errorf("the executor was asked %d times, %d of them with a trace", all, traced)
		}
	})
}

// listening is an executor that notes what it is told beside a call.
type listening struct {
	executorv1.UnimplementedExecutorServiceServer
	told chan []string
}

// Start implements the service.
func (l listening) Start(ctx context.Context, _ *executorv1.StartRequest) (*executorv1.StartResponse, error) {
	l.told <- metadata.ValueFromIncomingContext(ctx, "traceparent")
	return &executorv1.StartResponse{Acceptance: executorv1.Acceptance_ACCEPTANCE_BUSY}, nil
}

// behind serves an executor on a socket until the test ends.
func behind(t *testing.T, executor executorv1.ExecutorServiceServer) *agent.Socket {
	t.Helper()
	dir, err := os.MkdirTemp("", "ccs") //nolint:usetesting // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.sock")
	server := grpc.NewServer()
	executorv1.RegisterExecutorServiceServer(server, executor)
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	socket, err := agent.OpenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := socket.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(dir)
	})
	return socket
}

func TestTheSocketCarriesTheTrace(t *testing.T) {
	executor := listening{told: make(chan []string, 1)}
	socket := behind(t, executor)
	for _, trace := range []string{delivered, ""} {
		if _, err := socket.Start(obs.WithTraceParent(t.Context(), trace), wire.StartOrder{Attempt: 1}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(<-executor.told, " and "); got != trace {
			t.Errorf("the executor is told %q, want %q", got, trace)
		}
	}
}
