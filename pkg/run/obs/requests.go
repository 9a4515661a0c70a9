package obs

import (
	"context"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// RequestMeter counts the calls that a server answers and how long they take:
// [Requests] and [RequestDuration] of the table. Health checks are not counted.
// Its interceptors come first, so that they see the status that the caller gets.
// It is safe for concurrent use.
type RequestMeter struct {
	answered metric.Int64Counter
	took     metric.Float64Histogram
	timed    []string // streams

	answers   sync.Map // metric.AddOption by answer; there are no more than methods and codes
	durations sync.Map // metric.RecordOption by method
}

// answer is what calls are counted by.
type answer struct {
	method string
	code   codes.Code
}

// NewRequestMeter counts every call when it ends, and takes the time of all
// unary ones and of the streams that are named, such as SubmitJob: that of a
// watch says nothing.
func NewRequestMeter(t Telemetry, timed ...string) *RequestMeter {
	return &RequestMeter{answered: t.Counter(Requests), took: t.Histogram(RequestDuration), timed: timed}
}

// isHealth reports whether a method is one of those that ask how a process is.
func isHealth(fullMethod string) bool {
	return strings.HasPrefix(fullMethod, "/"+healthv1.Health_ServiceDesc.ServiceName+"/")
}

// Unary is the interceptor of unary calls.
func (m *RequestMeter) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	began := time.Now()
	resp, err := handle(ctx, req)
	if !isHealth(info.FullMethod) {
		method := path.Base(info.FullMethod)
		m.count(ctx, method, err)
		m.took.Record(ctx, time.Since(began).Seconds(), m.duration(method))
	}
	return resp, err
}

// Stream is the interceptor of streams.
func (m *RequestMeter) Stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if isHealth(info.FullMethod) {
		return handle(srv, stream)
	}
	began := time.Now()
	err := handle(srv, stream)
	method := path.Base(info.FullMethod)
	m.count(stream.Context(), method, err)
	if slices.Contains(m.timed, method) {
		m.took.Record(stream.Context(), time.Since(began).Seconds(), m.duration(method))
	}
	return err
}

func (m *RequestMeter) count(ctx context.Context, method string, err error) {
	s, ok := status.FromError(err)
	if !ok { // as gRPC does
		s = status.FromContextError(err)
	}
	m.answered.Add(ctx, 1, m.answer(answer{method, s.Code()}))
}

// answer is the attributes of an answer, made once.
func (m *RequestMeter) answer(a answer) metric.AddOption {
	if known, ok := m.answers.Load(a); ok {
		return known.(metric.AddOption)
	}
	made := metric.WithAttributeSet(attribute.NewSet(attribute.String("method", a.method), attribute.String("code", a.code.String())))
	m.answers.Store(a, made)
	return made
}

// duration is the attributes of a method, made once.
func (m *RequestMeter) duration(method string) metric.RecordOption {
	if known, ok := m.durations.Load(method); ok {
		return known.(metric.RecordOption)
	}
	made := metric.WithAttributeSet(attribute.NewSet(attribute.String("method", method)))
	m.durations.Store(method, made)
	return made
}
