package obstest

import (
	"context"
	"encoding/hex"
	"net"
	"slices"
	"sync"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// CollectorTB is what a collector needs of a test.
type CollectorTB interface {
	TB
	Errorf(format string, args ...any)
	Cleanup(end func())
}

// Span is one that a process has sent.
type Span struct {
	Service, Name     string
	Trace, ID, Parent string            // hex; Parent is empty for a root
	Resource          map[string]string // what it says of its process
	Attributes        map[string]string
}

// Collector takes spans by OTLP over gRPC and keeps each once. It is safe for
// concurrent use. Make it with [NewCollector].
type Collector struct {
	collectorv1.UnimplementedTraceServiceServer

	// Address is where it listens.
	Address string
	// News has a token when a batch has come since somebody looked.
	News chan struct{}

	silence <-chan struct{} // nil: it answers

	mu    sync.Mutex
	spans []Span // guarded by mu
}

// NewCollector serves on an address, such as 127.0.0.1:0, until the test has ended.
func NewCollector(tb CollectorTB, address string, options ...grpc.ServerOption) *Collector {
	tb.Helper()
	c := &Collector{News: make(chan struct{}, 1)}
	c.serve(tb, address, options)
	return c
}

// NewSilentCollector takes batches as [NewCollector] does and answers none.
func NewSilentCollector(tb CollectorTB) *Collector {
	tb.Helper()
	silence := make(chan struct{})
	c := &Collector{News: make(chan struct{}, 1), silence: silence}
	c.serve(tb, "127.0.0.1:0", nil)
	tb.Cleanup(func() { close(silence) })
	return c
}

func (c *Collector) serve(tb CollectorTB, address string, options []grpc.ServerOption) {
	tb.Helper()
	lis, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", address)
	if err != nil {
		tb.Fatalf("cannot collect spans: %v", err)
	}
	c.Address = lis.Addr().String()
	server := grpc.NewServer(options...)
	collectorv1.RegisterTraceServiceServer(server, c)
	var serve sync.WaitGroup
	serve.Go(func() {
		if err := server.Serve(lis); err != nil {
			tb.Errorf("cannot collect spans any more: %v", err)
		}
	})
	tb.Cleanup(func() {
		server.Stop()
		serve.Wait()
	})
}

// Export takes a batch. Its answer is odd, as that of a collector may be that
// takes a part only: nobody is to mind.
func (c *Collector) Export(ctx context.Context, in *collectorv1.ExportTraceServiceRequest) (*collectorv1.ExportTraceServiceResponse, error) {
	c.keep(in.GetResourceSpans())
	select {
	case c.News <- struct{}{}:
	default:
	}
	if c.silence != nil {
		select {
		case <-c.silence:
		case <-ctx.Done():
		}
	}
	return &collectorv1.ExportTraceServiceResponse{
		PartialSuccess: &collectorv1.ExportTracePartialSuccess{RejectedSpans: 1 << 40, ErrorMessage: "\u00ffodd"},
	}, nil
}

func (c *Collector) keep(batch []*tracev1.ResourceSpans) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range batch {
		resource := attributes(r.GetResource().GetAttributes())
		for _, scope := range r.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				s := Span{
					Service: resource["service.name"], Name: one.GetName(), Resource: resource, Attributes: attributes(one.GetAttributes()),
					Trace: hex.EncodeToString(one.GetTraceId()), ID: hex.EncodeToString(one.GetSpanId()), Parent: hex.EncodeToString(one.GetParentSpanId()),
				}
				if !slices.ContainsFunc(c.spans, func(known Span) bool { return known.ID == s.ID }) { // a batch may be sent again
					c.spans = append(c.spans, s)
				}
			}
		}
	}
}

func attributes(list []*commonv1.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range list {
		all[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return all
}

// Spans are those so far, in the order in which they came.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}
