package export

import (
	"context"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// provider makes the instruments that obs.Telemetry asks for. It stands where
// the SDK could stand, which with all that comes with it is too large for a host
// (docs/adr/0010). All other instruments of the API count nothing.
type provider struct {
	noop.MeterProvider

	meter *meter
}

// Meter is the same for all scopes: there is one table of metrics.
func (p provider) Meter(string, ...metric.MeterOption) metric.Meter { return p.meter }

// meter holds the metrics that were made. It is safe for concurrent use.
type meter struct {
	noop.Meter

	mu       sync.Mutex
	families []*family // guarded by mu: in the order of the table
}

// family is the metric of a name, made if it is new; nil: it is not in the table.
func (m *meter) family(name string, kind obs.Kind) *family {
	table := obs.Metrics()
	row := slices.IndexFunc(table, func(row obs.Metric) bool { return string(row.Name) == name && row.Kind == kind })
	if row < 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.families {
		if f.metric.Name == table[row].Name {
			return f
		}
	}
	f := newFamily(table[row])
	m.families = append(m.families, f)
	order := func(f *family) int {
		return slices.IndexFunc(table, func(row obs.Metric) bool { return row.Name == f.metric.Name })
	}
	slices.SortFunc(m.families, func(a, b *family) int { return order(a) - order(b) })
	return f
}

// Int64Counter is a counter of the table.
func (m *meter) Int64Counter(name string, options ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	if f := m.family(name, obs.KindCounter); f != nil {
		return counter{family: f}, nil
	}
	return m.Meter.Int64Counter(name, options...)
}

type counter struct {
	noop.Int64Counter

	family *family
}

// Add counts.
func (c counter) Add(_ context.Context, n int64, options ...metric.AddOption) {
	c.family.add(n, metric.NewAddConfig(options).Attributes())
}

// Enabled says that counting is of use.
func (counter) Enabled(context.Context) bool { return true }

// Float64Histogram is a histogram of the table.
func (m *meter) Float64Histogram(name string, options ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	if f := m.family(name, obs.KindHistogram); f != nil {
		return histogram{family: f}, nil
	}
	return m.Meter.Float64Histogram(name, options...)
}

type histogram struct {
	noop.Float64Histogram

	family *family
}

// Record counts one value.
func (h histogram) Record(_ context.Context, value float64, options ...metric.RecordOption) {
	h.family.record(value, metric.NewRecordConfig(options).Attributes())
}

// Enabled says that recording is of use.
func (histogram) Enabled(context.Context) bool { return true }

// Int64ObservableGauge is a gauge of the table; of several that are made under
// one name all are read.
func (m *meter) Int64ObservableGauge(name string, options ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	f := m.family(name, obs.KindGauge)
	if f != nil {
		f.read(metric.NewInt64ObservableGaugeConfig(options...).Callbacks())
	}
	return m.Meter.Int64ObservableGauge(name, options...)
}
