package telemetry

import (
	"context"
	"encoding/hex"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/ccs-project/ccs/internal/devcluster"
)

// span is one that a process has sent.
type span struct {
	service, name     string
	trace, id, parent string // hex; parent is empty for a root
	attributes        map[string]string
}

// sink is the collector of a cluster: it keeps every span. Safe for concurrent use.
type sink struct {
	collectorv1.UnimplementedTraceServiceServer

	address string

	mu    sync.Mutex
	spans map[string]span // guarded by mu: by id
}

// newSink serves until the test has ended.
func newSink(t *testing.T) *sink {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{address: lis.Addr().String(), spans: map[string]span{}}
	server := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(server, s)
	var serve sync.WaitGroup
	serve.Go(func() {
		if err := server.Serve(lis); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		server.Stop()
		serve.Wait()
	})
	return s
}

// settings make a cluster send its traces here, with what else is set.
func (s *sink) settings(more map[string]map[string]any) devcluster.Options {
	all := map[string]map[string]any{}
	for _, tier := range tiers() {
		all[tier] = map[string]any{"otlp.endpoint": s.address, "otlp.insecure": true}
		maps.Copy(all[tier], more[tier])
	}
	return devcluster.Options{Settings: all}
}

func tiers() []string {
	return []string{"access", "scheduler", "aggregator", "agent", "executor", "issuer"}
}

// Export takes a batch.
func (s *sink) Export(_ context.Context, in *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range in.GetResourceSpans() {
		service := attributes(r.GetResource().GetAttributes())["service.name"]
		for _, scope := range r.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				s.keep(service, one)
			}
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// keep keeps a span. The caller holds mu.
func (s *sink) keep(service string, one *tracev1.Span) {
	id := hex.EncodeToString(one.GetSpanId())
	s.spans[id] = span{
		service: service, name: one.GetName(), id: id,
		trace: hex.EncodeToString(one.GetTraceId()), parent: hex.EncodeToString(one.GetParentSpanId()),
		attributes: attributes(one.GetAttributes()),
	}
}

func attributes(list []*commonv1.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range list {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

// all are the spans so far.
func (s *sink) all() []span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.spans))
}

// of are those of a job: they name it, or its command, which has its name.
func (s *sink) of(job string) (found []span) {
	for _, one := range s.all() {
		if one.attributes["ccs.job_id"] == job || one.attributes["ccs.command_id"] == job {
			found = append(found, one)
		}
	}
	return found
}

// named picks spans by name.
func named(spans []span, name string) (found []span) {
	for _, one := range spans {
		if one.name == name {
			found = append(found, one)
		}
	}
	return found
}
