package export

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Bounds of what waits to be sent. A span that finds the queue full is dropped:
// a process waits for nobody to hear about it.
const (
	maxQueue    = 2048
	maxBatch    = 256
	batchEvery  = time.Second
	sendTimeout = 5 * time.Second
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
	out := &outlet{SpanExporter: sender, log: log, closed: make(chan struct{})}
	batches := sdktrace.WithBatcher(out, sdktrace.WithMaxQueueSize(maxQueue), sdktrace.WithMaxExportBatchSize(maxBatch),
		sdktrace.WithBatchTimeout(batchEvery), sdktrace.WithExportTimeout(sendTimeout))
	sampler := sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Trace.Ratio))
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithSampler(sampler), batches)
	return &traces{provider: provider, outlet: out, conn: conn}, nil
}

// close sends what is queued until ctx ends, and then gives the rest up.
func (t *traces) close(ctx context.Context) error {
	hurry := context.AfterFunc(ctx, t.outlet.close)
	defer hurry()
	err := t.provider.Shutdown(context.WithoutCancel(ctx)) // soon over after ctx: then the outlet is closed
	return errors.Join(err, t.conn.Close())
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

	log    *slog.Logger
	once   sync.Once
	closed chan struct{} // what is sent after this is dropped
	failed bool          // of the one export that there is at a time
}

// ExportSpans sends a batch. It answers no error: it has told it.
func (o *outlet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-o.closed:
			cancel()
		case <-ctx.Done():
		}
	})
	err := o.SpanExporter.ExportSpans(ctx, spans)
	cancel()
	watch.Wait()
	switch {
	case err != nil && !o.failed:
		o.log.WarnContext(ctx, "traces cannot be sent; spans are dropped until they can", "error", err)
	case err == nil && o.failed:
		o.log.InfoContext(ctx, "traces are sent again")
	}
	o.failed = err != nil
	return nil
}

func (o *outlet) close() { o.once.Do(func() { close(o.closed) }) }
