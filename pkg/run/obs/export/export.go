package export

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// Service says whose telemetry it is.
type Service struct {
	Name    string // such as ccs-scheduler
	Version string
}

// resource is what every span and every scrape says of the process. The id is
// of this one run: what a process counts begins again with the next.
func (s Service) resource() *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.name", s.Name),
		attribute.String("service.version", s.Version),
		attribute.String("service.instance.id", uuid.NewString()),
	)
}

// Export is the telemetry of a process on its way out. It is safe for concurrent
// use.
type Export struct {
	meter  *meter
	scrape *scrape
	traces *traces // nil: there are none
}

// Open makes the way out. An unreachable collector is no error: it may come.
func Open(c Config, s Service, log *slog.Logger) (*Export, error) {
	res, m := s.resource(), &meter{}
	e := &Export{meter: m, scrape: newScrape(m, *res.Set())}
	if c.OTLP.Endpoint == "" {
		return e, nil
	}
	var err error
	if e.traces, err = newTraces(c, res, log); err != nil {
		return nil, fmt.Errorf("cannot send traces: %w", err)
	}
	return e, nil
}

// Telemetry is what tiers tell.
func (e *Export) Telemetry() obs.Telemetry {
	var spans trace.TracerProvider
	if e.traces != nil {
		spans = e.traces.provider
	}
	return obs.NewTelemetry(spans, provider{meter: e.meter})
}

// Metrics answers a scrape of Prometheus.
func (e *Export) Metrics() http.Handler { return e.scrape }

// Close sends the spans that are left, for 300 ms and until ctx ends at most, and
// drops the rest; all, where the collector is known not to take them. Afterwards there are no traces any more.
func (e *Export) Close(ctx context.Context) error {
	if e.traces == nil {
		return nil
	}
	return e.traces.close(ctx)
}
