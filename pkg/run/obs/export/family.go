package export

import (
	"context"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// maxSeries bounds the series of one metric. What is above is counted together,
// under the label that OpenTelemetry has for that.
const maxSeries = 1000

// rest is the labels of what is above maxSeries.
func rest() attribute.Set { return attribute.NewSet(attribute.Bool("otel.metric.overflow", true)) }

// family is all series of one metric. It is safe for concurrent use.
type family struct {
	metric obs.Metric

	mu     sync.Mutex
	series map[attribute.Distinct]*series // guarded by mu
	reads  []metric.Int64Callback         // guarded by mu: of a gauge, whose series are made by reading
}

// series is one set of labels with what was counted.
type series struct {
	labels string   // as Prometheus writes them, without braces
	value  int64    // of a counter or gauge
	counts []uint64 // of a histogram: values in each bucket, and above the last
	sum    float64
}

// newFamily is without a series, unless it has no labels: then it is 0 from the
// beginning, so that the first event is seen as a change.
func newFamily(m obs.Metric) *family {
	f := &family{metric: m, series: map[attribute.Distinct]*series{}}
	if len(m.Labels) == 0 && m.Kind != obs.KindGauge {
		f.of(*attribute.EmptySet())
	}
	return f
}

// of is the series of these labels. The caller holds mu.
func (f *family) of(labels attribute.Set) *series {
	if s := f.series[labels.Equivalent()]; s != nil {
		return s
	}
	if len(f.series) >= maxSeries {
		labels = rest()
		if s := f.series[labels.Equivalent()]; s != nil {
			return s
		}
	}
	s := &series{labels: written(labels)}
	if f.metric.Kind == obs.KindHistogram {
		s.counts = make([]uint64, len(f.metric.Buckets)+1)
	}
	f.series[labels.Equivalent()] = s
	return s
}

// add counts n more; a counter does not go back.
func (f *family) add(n int64, labels attribute.Set) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of(labels).value += max(n, 0)
}

// record puts a value into its bucket: the first whose bound it does not exceed.
func (f *family) record(value float64, labels attribute.Set) {
	bucket, _ := slices.BinarySearch(f.metric.Buckets, value)
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.of(labels)
	s.counts[bucket]++
	s.sum += value
}

// read adds who is asked for the value of a gauge.
func (f *family) read(callbacks []metric.Int64Callback) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = append(f.reads, callbacks...)
}

// now is the series as they are, sorted by labels. A gauge is read for it.
func (f *family) now(ctx context.Context) []series {
	f.mu.Lock()
	reads := slices.Clone(f.reads)
	f.mu.Unlock()
	if f.metric.Kind == obs.KindGauge {
		return observed(ctx, f.metric, reads)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sorted()
}

// sorted copies the series. The caller holds mu.
func (f *family) sorted() []series {
	all := make([]series, 0, len(f.series))
	for _, s := range f.series {
		one := *s
		one.counts = slices.Clone(s.counts)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b series) int { return strings.Compare(a.labels, b.labels) })
	return all
}

// observed asks for a gauge; who cannot say it is left out.
func observed(ctx context.Context, m obs.Metric, reads []metric.Int64Callback) []series {
	o := observer{fresh: newFamily(m)}
	for _, read := range reads {
		_ = read(ctx, o) // obs.Telemetry's never fails
	}
	return o.fresh.sorted()
}

// observer takes what is observed in one reading, by one goroutine.
type observer struct {
	noop.Int64Observer

	fresh *family
}

// Observe takes a value; of several for the same labels the last one.
func (o observer) Observe(value int64, options ...metric.ObserveOption) {
	o.fresh.of(metric.NewObserveConfig(options).Attributes()).value = value
}
