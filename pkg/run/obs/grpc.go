package obs

import (
	"context"
	"path"
	"slices"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/stats"
)

// unspanned are streams that live as long as their neighbours do: a span of
// theirs would tell nothing and never end.
var unspanned = []string{"Connect", "Watch", "WatchJob"}

// spanned reports whether a call gets a span.
func spanned(call *stats.RPCTagInfo) bool {
	service, method := path.Split(call.FullMethodName)
	return service != "/"+healthv1.Health_ServiceDesc.ServiceName+"/" && !slices.Contains(unspanned, method)
}

// ServerOption gives every call of a server a span that goes on with the trace
// of its caller; without traces it does nothing. It is for servers whose callers
// are processes of the cluster; [Telemetry.PublicServerOption] is for others. It
// is not for the ports of mesh and session: gRPC would tell it of every message,
// and keep its state for each stream, while their traces travel in the messages.
func (t Telemetry) ServerOption() grpc.ServerOption {
	if t.traces == nil {
		return grpc.EmptyServerOption{}
	}
	return grpc.StatsHandler(otelgrpc.NewServerHandler(t.stats()...))
}

// PublicServerOption is [Telemetry.ServerOption] for a server that people call,
// or strangers: which calls are traced is for this process to say. A trace that
// a caller is in is not gone on with; the span of a call that is traced here has
// a link to it.
func (t Telemetry) PublicServerOption() grpc.ServerOption {
	if t.traces == nil {
		return grpc.EmptyServerOption{}
	}
	return grpc.StatsHandler(public{otelgrpc.NewServerHandler(append(t.stats(), otelgrpc.WithPublicEndpoint())...)})
}

// public forgets the caller's trace also where a call gets no span: otelgrpc
// would leave it in the context, for the calls that are made further on.
type public struct{ stats.Handler }

// TagRPC begins a call.
func (p public) TagRPC(ctx context.Context, call *stats.RPCTagInfo) context.Context {
	ctx = p.Handler.TagRPC(ctx, call)
	if spanned(call) {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, trace.SpanContext{})
}

// DialOption gives every call to a server a span and tells it the trace; see
// [Telemetry.ServerOption].
func (t Telemetry) DialOption() grpc.DialOption {
	if t.traces == nil {
		return grpc.EmptyDialOption{}
	}
	return grpc.WithStatsHandler(otelgrpc.NewClientHandler(t.stats()...))
}

// stats says all that otelgrpc would otherwise take from globals. Calls are
// counted by metrics of the table, not by those of otelgrpc.
func (t Telemetry) stats() []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(t.traces), otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}), otelgrpc.WithFilter(spanned),
	}
}
