package telemetry

import (
	"maps"
	"testing"

	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

type span = obstest.Span

// sink is the collector of a cluster.
type sink struct{ *obstest.Collector }

func newSink(t *testing.T) sink {
	t.Helper()
	return sink{obstest.NewCollector(t, "127.0.0.1:0")}
}

// settings make a cluster send its traces here, with what else is set. Tests ask
// often, and each request begins a trace: so that the job's is one of them, no
// rate is in the way.
func (s sink) settings(more map[string]map[string]any) devcluster.Options {
	all := map[string]map[string]any{}
	for _, tier := range tiers() {
		all[tier] = map[string]any{"otlp.endpoint": s.Address, "otlp.insecure": true, "trace.per_second": 10_000}
		maps.Copy(all[tier], more[tier])
	}
	return devcluster.Options{Settings: all}
}

func tiers() []string {
	return []string{"access", "scheduler", "aggregator", "agent", "executor", "issuer"}
}

// of are the spans of a job: they name it, or its command, which has its name.
func (s sink) of(job string) (found []span) {
	for _, one := range s.Spans() {
		if one.Attributes["ccs.job_id"] == job || one.Attributes["ccs.command_id"] == job {
			found = append(found, one)
		}
	}
	return found
}

// named picks spans by name.
func named(spans []span, name string) (found []span) {
	for _, one := range spans {
		if one.Name == name {
			found = append(found, one)
		}
	}
	return found
}
