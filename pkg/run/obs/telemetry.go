package obs

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// scope is the name of our instrumentation in traces and metrics.
const scope = "github.com/ccs-project/ccs"

// Telemetry is where a tier tells what it does: spans and metrics. The zero
// value tells nobody. It is safe for concurrent use.
type Telemetry struct {
	traces  trace.TracerProvider
	metrics metric.MeterProvider
}

// NewTelemetry tells these two; nil is nobody.
func NewTelemetry(traces trace.TracerProvider, metrics metric.MeterProvider) Telemetry {
	return Telemetry{traces, metrics}
}

// Tracer makes spans.
func (t Telemetry) Tracer() trace.Tracer {
	if t.traces == nil {
		return tracenoop.NewTracerProvider().Tracer(scope)
	}
	return t.traces.Tracer(scope)
}

// Counter is a metric of the table that only grows. Make it once, when a tier
// is made. A name that is not in the table, or of another kind, is a bug and
// panics.
func (t Telemetry) Counter(name Name) metric.Int64Counter {
	m := lookUp(name, KindCounter)
	c, err := t.meter().Int64Counter(string(m.Name), metric.WithUnit(m.Unit), metric.WithDescription(m.Help))
	if err != nil {
		panic(fmt.Sprintf("metric %s: %v", name, err))
	}
	return c
}

// Histogram is a metric of the table over durations in seconds, or over sizes.
// As with Counter.
func (t Telemetry) Histogram(name Name) metric.Float64Histogram {
	m := lookUp(name, KindHistogram)
	h, err := t.meter().Float64Histogram(string(m.Name), metric.WithUnit(m.Unit), metric.WithDescription(m.Help),
		metric.WithExplicitBucketBoundaries(m.Buckets...))
	if err != nil {
		panic(fmt.Sprintf("metric %s: %v", name, err))
	}
	return h
}

// Gauge is a metric of the table that is read when somebody looks; read must
// not block for long. Each value comes with its attributes. As with Counter.
func (t Telemetry) Gauge(name Name, read func(observe func(value int64, attrs ...attribute.KeyValue))) {
	m := lookUp(name, KindGauge)
	_, err := t.meter().Int64ObservableGauge(string(m.Name), metric.WithUnit(m.Unit), metric.WithDescription(m.Help),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			read(func(value int64, attrs ...attribute.KeyValue) { o.Observe(value, metric.WithAttributes(attrs...)) })
			return nil
		}))
	if err != nil {
		panic(fmt.Sprintf("metric %s: %v", name, err))
	}
}

func (t Telemetry) meter() metric.Meter {
	if t.metrics == nil {
		return metricnoop.NewMeterProvider().Meter(scope)
	}
	return t.metrics.Meter(scope)
}

// TraceParent is the W3C traceparent of the span in ctx; empty if there is none
// or it is not sampled.
func TraceParent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// maxTraceParent bounds what is read of a neighbour, in bytes; a traceparent of
// today has 55.
const maxTraceParent = 64

// WithTraceParent is ctx with a remote span as the parent of the next one. What
// is empty, too long or none changes nothing.
func WithTraceParent(ctx context.Context, parent string) context.Context {
	if parent == "" || len(parent) > maxTraceParent {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}
