package export

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
)

// Bounds of what waits to be sent. A span that finds the queue full is dropped:
// a process waits for nobody to hear about it.
const (
	maxQueue    = 2048
	maxBatch    = 256
	batchEvery  = time.Second
	sendTimeout = 5 * time.Second
	flushBudget = 300 * time.Millisecond // for the last spans, at the end of the process
)

// reconnect is how soon a collector that was away is found.
func reconnect() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: time.Second, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 15 * time.Second},
		MinConnectTimeout: sendTimeout,
	}
}

// traces are made by the SDK and sent by OTLP over gRPC.
type traces struct {
	provider *sdktrace.TracerProvider
	outlet   *outlet
	conn     *grpc.ClientConn
}

func newTraces(c Config, res *resource.Resource, log *slog.Logger) (*traces, error) {
	creds, err := c.OTLP.credentials()
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(c.OTLP.Endpoint, grpc.WithTransportCredentials(creds), grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(reconnect()))
	if err != nil {
		return nil, err
	}
	sender := otlptrace.NewUnstarted(collector{conn}) // there is nothing to start
	out := &outlet{SpanExporter: sender, resource: res, log: log, closed: make(chan struct{})}
	batches := sdktrace.WithBatcher(out, sdktrace.WithMaxQueueSize(maxQueue), sdktrace.WithMaxExportBatchSize(maxBatch),
		sdktrace.WithBatchTimeout(batchEvery), sdktrace.WithExportTimeout(sendTimeout))
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(newSampler(c.Trace)),
		sdktrace.WithRawSpanLimits(limits()), batches)
	return &traces{provider: provider, outlet: out, conn: conn}, nil
}

// limits are of one span. All are given: the SDK would take others from the
// environment.
func limits() sdktrace.SpanLimits {
	return sdktrace.SpanLimits{
		AttributeValueLengthLimit: 1024, AttributeValueDepthLimit: sdktrace.DefaultAttributeValueDepthLimit, AttributeCountLimit: 64,
		EventCountLimit: 64, LinkCountLimit: 16, AttributePerEventCountLimit: 64, AttributePerLinkCountLimit: 64,
	}
}

// close sends what is queued, if the collector is likely to take it and at most
// for flushBudget or until ctx ends, and gives the rest up.
func (t *traces) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushBudget)
	defer cancel()
	hurry := context.AfterFunc(ctx, t.outlet.close)
	defer hurry()
	if !t.hopeful() {
		t.outlet.close()
	}
	err := t.provider.Shutdown(context.WithoutCancel(ctx)) // soon over after ctx: then the outlet is closed
	return errors.Join(err, t.conn.Close())
}

// hopeful reports whether the collector took the last batch, if there was one,
// and is connected, if anybody has tried.
func (t *traces) hopeful() bool {
	state := t.conn.GetState()
	return !t.outlet.failed.Load() && (state == connectivity.Ready || state == connectivity.Idle)
}

// exportMethod is that of the collector.
const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// collector sends spans. The library's own client does the same, and brings a
// gateway for HTTP and JSON along (docs/adr/0010).
type collector struct{ conn *grpc.ClientConn }

// Start does nothing: the connection is made when it is needed.
func (collector) Start(context.Context) error { return nil }

// Stop does nothing: the connection belongs to traces.
func (collector) Stop(context.Context) error { return nil }

// UploadTraces sends a batch and waits for the answer, for a collector that is
// away too. TracesData is on the wire what the request is. Of the answer nothing
// is wanted: it is read as a Status, which has no field where it has one.
func (c collector) UploadTraces(ctx context.Context, spans []*tracev1.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return c.conn.Invoke(ctx, exportMethod, &tracev1.TracesData{ResourceSpans: spans}, &tracev1.Status{}, grpc.WaitForReady(true))
}

// outlet is where spans leave. Its failures are told once for each outage, to
// the log of the process; the SDK would tell each, to a global.
type outlet struct {
	sdktrace.SpanExporter

	resource *resource.Resource
	log      *slog.Logger
	once     sync.Once
	closed   chan struct{} // what is sent after this is dropped
	failed   atomic.Bool   // the last export
}

// errGivenUp is why the last spans are not sent.
var errGivenUp = errors.New("the process ends, and they are not waited for")

// ExportSpans sends a batch. It answers no error: it has told it.
func (o *outlet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := o.send(ctx, spans)
	switch failed := o.failed.Swap(err != nil); {
	case err != nil && !failed:
		o.log.WarnContext(ctx, "traces cannot be sent; spans are dropped until they can", "error", err)
	case err == nil && failed:
		o.log.InfoContext(ctx, "traces are sent again")
	}
	return nil
}

// send sends a batch until the outlet is closed.
func (o *outlet) send(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	select {
	case <-o.closed:
		return errGivenUp
	default:
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-o.closed:
			cancel(errGivenUp)
		case <-ctx.Done():
		}
	})
	err := o.SpanExporter.ExportSpans(ctx, o.ours(spans))
	if err != nil && errors.Is(context.Cause(ctx), errGivenUp) {
		err = errGivenUp // and not that of the call that was broken off
	}
	cancel(nil)
	watch.Wait()
	return err
}

// ours are spans of this process, and of nothing else: the SDK adds to their
// resource what the environment says.
func (o *outlet) ours(spans []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	all := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		all[i] = own{s, o.resource}
	}
	return all
}

// own is a span of a resource.
type own struct {
	sdktrace.ReadOnlySpan
	resource *resource.Resource
}

// Resource is whose span it is.
func (o own) Resource() *resource.Resource { return o.resource }

func (o *outlet) close() { o.once.Do(func() { close(o.closed) }) }
