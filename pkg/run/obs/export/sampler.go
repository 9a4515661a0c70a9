package export

import (
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// newSampler decides which traces begin here. One that came with a request is
// gone on with as its beginner decided.
func newSampler(t Trace) sdktrace.Sampler {
	return sdktrace.ParentBased(&limited{Sampler: sdktrace.TraceIDRatioBased(t.Ratio), perSecond: float64(t.PerSecond)})
}

// limited lets at most so many traces begin a second, and as many at once after
// a quiet second: a trace costs spans in every process that its job passes
// through, so the rate of jobs must not be that of traces. It is safe for
// concurrent use.
type limited struct {
	sdktrace.Sampler
	perSecond float64

	mu   sync.Mutex
	used float64   // guarded by mu: of this second's traces
	at   time.Time // guarded by mu: when used was reckoned
}

// ShouldSample decides about one trace.
func (l *limited) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := l.Sampler.ShouldSample(p)
	if result.Decision == sdktrace.Drop || l.take(time.Now()) {
		return result
	}
	return sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
}

// take counts one, if there is one to be had.
func (l *limited) take(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = max(0, l.used-now.Sub(l.at).Seconds()*l.perSecond)
	l.at = now
	if l.used+1 > l.perSecond {
		return false
	}
	l.used++
	return true
}
