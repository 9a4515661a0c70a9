package obs_test

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// recorded is the telemetry of a process whose spans a test sees.
func recorded() (obs.Telemetry, *tracetest.SpanRecorder) {
	seen := tracetest.NewSpanRecorder()
	return obs.NewTelemetry(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen)), nil), seen
}

// echo answers every method there is, and keeps the trace it was called in.
func echo(inside *trace.SpanContext) grpc.ServerOption {
	return grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		*inside = trace.SpanContextFromContext(stream.Context())
		if err := stream.RecvMsg(&healthv1.HealthCheckRequest{}); err != nil {
			return err
		}
		return stream.SendMsg(&healthv1.HealthCheckResponse{})
	})
}

func nothing(*grpc.Server) {}

func TestACallGoesOnWithTheTraceOfItsCaller(t *testing.T) {
	here, ours := recorded()
	there, theirs := recorded()
	var inside trace.SpanContext
	conn, stop := dial(t, nothing, []grpc.ServerOption{there.ServerOption(), echo(&inside)}, here.DialOption())
	ctx, root := here.Tracer().Start(t.Context(), "root")
	if err := conn.Invoke(ctx, "/ccs.scheduler.v1.SchedulerService/GetJob", &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); err != nil {
		t.Fatal(err)
	}
	root.End()
	stop()
	if len(ours.Ended()) != 2 || len(theirs.Ended()) != 1 {
		t.Fatalf("%d and %d spans, want root and client, and server", len(ours.Ended()), len(theirs.Ended()))
	}
	client, server := ours.Ended()[0], theirs.Ended()[0]
	if client.Parent().SpanID() != root.SpanContext().SpanID() || server.Parent().SpanID() != client.SpanContext().SpanID() {
		t.Errorf("the parents are %v and %v", client.Parent(), server.Parent())
	}
	if server.SpanContext().TraceID() != root.SpanContext().TraceID() || inside.SpanID() != server.SpanContext().SpanID() {
		t.Errorf("the handler ran in %v", inside)
	}
}

// A caller that asks to be traced, or says that it is, decides nothing: with an
// own ratio of zero there is no span here, none further on, and no trace for the
// processes that are called.
func TestWhoCallsFromOutsideCannotHaveItselfTraced(t *testing.T) {
	for _, method := range []string{"/ccs.enrol.v1.EnrolService/EnrolHost", "/ccs.access.v1.AccessService/WatchJob", "/un.heard/Of"} {
		seen := tracetest.NewSpanRecorder()
		quiet := obs.NewTelemetry(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen),
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0)))), nil)
		caller, _ := recorded()
		var further string
		onward := grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			ctx, span := quiet.Tracer().Start(stream.Context(), "within")
			further = obs.TraceParent(ctx)
			span.End()
			if err := stream.RecvMsg(&healthv1.HealthCheckRequest{}); err != nil {
				return err
			}
			return stream.SendMsg(&healthv1.HealthCheckResponse{})
		})
		conn, stop := dial(t, nothing, []grpc.ServerOption{quiet.PublicServerOption(), onward})
		ctx, root := caller.Tracer().Start(t.Context(), "forged")
		ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", obs.TraceParent(ctx))
		if err := conn.Invoke(ctx, method, &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); err != nil {
			t.Fatal(err)
		}
		root.End()
		stop()
		if n := len(seen.Started()); n != 0 || further != "" {
			t.Errorf("%s: %d spans, and further on the trace is %q", method, n, further)
		}
	}
}

func TestTheTraceOfWhoCallsFromOutsideIsALink(t *testing.T) {
	here, ours := recorded()
	there, theirs := recorded()
	var inside trace.SpanContext
	conn, stop := dial(t, nothing, []grpc.ServerOption{there.PublicServerOption(), echo(&inside)}, here.DialOption())
	if err := conn.Invoke(t.Context(), "/ccs.access.v1.AccessService/GetJob", &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); err != nil {
		t.Fatal(err)
	}
	stop()
	client, server := ours.Ended()[0], theirs.Ended()[0]
	if server.Parent().IsValid() || server.SpanContext().TraceID() == client.SpanContext().TraceID() || inside.SpanID() != server.SpanContext().SpanID() {
		t.Errorf("the caller is in %v, the server in %v below %v", client.SpanContext(), server.SpanContext(), server.Parent())
	}
	if links := server.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != client.SpanContext().SpanID() {
		t.Errorf("the links are %v", links)
	}
}

func TestStreamsThatLiveLongAndHealthChecksGetNoSpan(t *testing.T) {
	both, spans := recorded()
	var inside trace.SpanContext
	conn, stop := dial(t, nothing, []grpc.ServerOption{both.ServerOption(), echo(&inside)}, both.DialOption())
	for _, method := range []string{
		"/ccs.access.v1.AccessService/WatchJob", "/ccs.mesh.v1.MeshService/Connect", "/ccs.session.v1.SessionService/Connect",
		"/ccs.executor.v1.ExecutorService/Watch", "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
	} {
		if err := conn.Invoke(t.Context(), method, &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); err != nil {
			t.Fatal(err)
		}
		if n := len(spans.Started()); n != 0 {
			t.Errorf("%s: %d spans", method, n)
		}
	}
	stop()
}

// A process without traces passes on nothing and pays nothing.
func TestWithoutTracesTheOptionsDoNothing(t *testing.T) {
	var nobody obs.Telemetry
	var inside trace.SpanContext
	conn, stop := dial(t, nothing, []grpc.ServerOption{nobody.ServerOption(), nobody.PublicServerOption(), echo(&inside)}, nobody.DialOption())
	if err := conn.Invoke(t.Context(), "/a.B/C", &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); err != nil {
		t.Fatal(err)
	}
	stop()
	if inside.IsValid() {
		t.Errorf("there is a trace: %v", inside)
	}
}
