package obs

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// traced adds trace_id and span_id of the context to every line, in an open
// group if there is one. A line of a trace that is not sampled has none: nobody
// would find them.
type traced struct{ slog.Handler }

// Handle writes one line.
func (t traced) Handle(ctx context.Context, line slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		line = line.Clone() // its attributes may be another handler's too
		line.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return t.Handler.Handle(ctx, line)
}

// WithAttrs keeps the ids on what is made of this handler.
func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(attrs)} }

// WithGroup keeps the ids on what is made of this handler.
func (t traced) WithGroup(name string) slog.Handler { return traced{t.Handler.WithGroup(name)} }
