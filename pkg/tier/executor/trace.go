package executor

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/metadata"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

// attrCommand is the command's id: what the caller means by it is not known here.
const attrCommand attribute.Key = "ccs.command_id"

// callersTrace is ctx with the span of which the caller says that it is part;
// false: there is none, or it is not sampled.
func callersTrace(ctx context.Context) (context.Context, bool) {
	said := metadata.ValueFromIncomingContext(ctx, "traceparent")
	if len(said) != 1 {
		return ctx, false
	}
	traced := obs.WithTraceParent(ctx, said[0])
	return traced, trace.SpanContextFromContext(traced).IsSampled()
}

// starting begins the span of a start, if its caller traces it.
func (e *Executor) starting(ctx context.Context, o wire.StartOrder) (context.Context, trace.Span) {
	traced, ok := callersTrace(ctx)
	if !ok {
		return ctx, noop.Span{}
	}
	return e.tracer.Start(traced, "executor.start", attributes(o.Spec.ID, o.Attempt)) //nolint:spancheck // started ends it
}

// started ends it: err is why nothing was acknowledged.
func started(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// runs begins the span of an attempt whose end-process is to be started now.
func (e *Executor) runs(ctx context.Context, c *command) {
	if c.trace == "" || c.span != nil {
		return
	}
	_, c.span = e.tracer.Start(obs.WithTraceParent(ctx, c.trace), "executor.run", attributes(c.id, c.attempt)) //nolint:spancheck // ran ends it
}

// ran ends it with the outcome. What is logged of that, and nothing else, belongs
// to its context.
func (c *command) ran(ctx context.Context) context.Context {
	if c.span == nil {
		return ctx
	}
	ctx = trace.ContextWithSpan(ctx, c.span)
	exit := c.report.Exit
	c.span.SetAttributes(obs.AttrOutcome.String(c.report.State.String()))
	if exit.Reason != task.NoReason {
		c.span.SetAttributes(obs.AttrReason.String(exit.Reason.String()))
	}
	if c.report.State != task.Succeeded {
		c.span.SetStatus(codes.Error, c.report.State.String())
	}
	c.span.End()
	c.trace, c.span = "", nil
	return ctx
}

func attributes(id string, attempt uint32) trace.SpanStartEventOption {
	return trace.WithAttributes(attrCommand.String(id), obs.AttrAttempt.Int64(int64(attempt)))
}
