package commit

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// meter counts transactions.
type meter struct {
	commits    metric.Int64Counter
	took       metric.Float64Histogram
	ok, failed metric.AddOption
}

func newMeter(t obs.Telemetry) meter {
	result := func(name string) metric.AddOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("result", name)))
	}
	return meter{commits: t.Counter(obs.StoreCommits), took: t.Histogram(obs.StoreCommit), ok: result("ok"), failed: result("failed")}
}

func (m *meter) count(ctx context.Context, err error, took time.Duration) {
	result := m.ok
	if err != nil {
		result = m.failed
	}
	m.commits.Add(ctx, 1, result)
	m.took.Record(ctx, took.Seconds())
}
