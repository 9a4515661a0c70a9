package obstest

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// TB is what a recorder needs of a test.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// Recorder keeps all spans and metrics of one process. It is safe for concurrent
// use. Make it with [New].
type Recorder struct {
	tb     TB
	spans  *tracetest.InMemoryExporter
	traces *sdktrace.TracerProvider
	reader *sdkmetric.ManualReader
	meters *sdkmetric.MeterProvider
}

// New returns a recorder that samples every trace that begins here, and of the
// others those that are sampled already.
func New(tb TB) *Recorder {
	tb.Helper()
	r := &Recorder{tb: tb, spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	r.traces = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans))
	r.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader))
	return r
}

// Telemetry is what a tier is given.
func (r *Recorder) Telemetry() obs.Telemetry { return obs.NewTelemetry(r.traces, r.meters) }

// Spans are those of a name that have ended, in the order in which they did; ""
// is all.
func (r *Recorder) Spans(name string) []tracetest.SpanStub {
	return slices.DeleteFunc(slices.Clone(r.spans.GetSpans()), func(s tracetest.SpanStub) bool { return name != "" && s.Name != name })
}

// Attribute is an attribute of a span as text; empty: it has none.
func Attribute(s tracetest.SpanStub, key attribute.Key) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// Value is the sum of a counter or a gauge over all that have these labels, each
// such as "class=standard"; 0: there is none.
func (r *Recorder) Value(name obs.Name, labels ...string) (sum int64) {
	r.tb.Helper()
	switch data := r.collect(name).(type) {
	case metricdata.Sum[int64]:
		sum = total(data.DataPoints, labels)
	case metricdata.Gauge[int64]:
		sum = total(data.DataPoints, labels)
	}
	return sum
}

// Measured is how many values a histogram has that have these labels.
func (r *Recorder) Measured(name obs.Name, labels ...string) (n uint64) {
	r.tb.Helper()
	if data, ok := r.collect(name).(metricdata.Histogram[float64]); ok {
		for _, p := range data.DataPoints {
			if has(p.Attributes, labels) {
				n += p.Count
			}
		}
	}
	return n
}

func (r *Recorder) collect(name obs.Name) metricdata.Aggregation {
	r.tb.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(r.tb.Context(), &all); err != nil {
		r.tb.Fatalf("cannot read the metrics: %v", err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == string(name) {
				return m.Data
			}
		}
	}
	return nil
}

func total(points []metricdata.DataPoint[int64], labels []string) (sum int64) {
	for _, p := range points {
		if has(p.Attributes, labels) {
			sum += p.Value
		}
	}
	return sum
}

func has(set attribute.Set, labels []string) bool {
	return !slices.ContainsFunc(labels, func(label string) bool {
		key, want, _ := strings.Cut(label, "=")
		got, ok := set.Value(attribute.Key(key))
		return !ok || got.String() != want
	})
}
