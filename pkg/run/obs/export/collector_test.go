package export

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// sink is a collector that keeps what it is sent.
type sink struct {
	collectorv1.UnimplementedTraceServiceServer

	mu     sync.Mutex
	got    []*tracev1.ResourceSpans // guarded by mu
	news   chan struct{}            // one token for each batch
	answer *collectorv1.ExportTraceServiceResponse
}

// Export takes a batch.
func (s *sink) Export(_ context.Context, in *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, in.GetResourceSpans()...)
	s.news <- struct{}{}
	return s.answer, nil
}

// names lists the spans that came, by service.
func (s *sink) names() (spans []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.got {
		service := ""
		for _, a := range r.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range r.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				spans = append(spans, service+" "+span.GetName())
			}
		}
	}
	return spans
}

// newSink serves on an address until the test ends.
func newSink(t *testing.T, address string, options ...grpc.ServerOption) (*sink, string) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{news: make(chan struct{}, 100), answer: &collectorv1.ExportTraceServiceResponse{
		PartialSuccess: &collectorv1.ExportTracePartialSuccess{RejectedSpans: 1 << 40, ErrorMessage: "\u00ffodd"},
	}}
	server := grpc.NewServer(options...)
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
	return s, lis.Addr().String()
}

// await waits for a batch.
func (s *sink) await(t *testing.T) {
	t.Helper()
	select {
	case <-s.news:
	case <-time.After(20 * time.Second):
		t.Fatal("no span came")
	}
}
