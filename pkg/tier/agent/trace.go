package agent

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// attrVerdict is what the host found: accepted, or the reason of its refusal.
const attrVerdict attribute.Key = "ccs.verdict"

// tracedTries is how many tries of a hand-over the executor is told the trace of:
// it makes a span of each, and an executor without room is asked for hours.
const tracedTries = 3

// traceOf is what an aggregator says of the span that delivered a command, as it
// is kept until the command is handed over; empty if it is none or is not
// sampled. None of its bytes are kept, and the cache knows nothing of it: what
// comes from there is not traced.
func traceOf(ctx context.Context, said string) string {
	if said == "" {
		return ""
	}
	return obs.TraceParent(obs.WithTraceParent(ctx, said))
}

// judging begins the span of a verdict on what is traced. What is logged with
// its context belongs to the trace.
func (a *Agent) judging(ctx context.Context, e *entry) (context.Context, trace.Span) {
	if e.trace == "" {
		return ctx, noop.Span{}
	}
	return a.tracer.Start(obs.WithTraceParent(ctx, e.trace), "agent.judge", trace.WithAttributes( //nolint:spancheck // judged ends it
		obs.AttrJob.String(e.id.String()), obs.AttrHost.String(string(a.host)),
	))
}

// judged counts a verdict, and ends its span. What the executor does of it then
// comes after that in the trace.
func (a *Agent) judged(ctx context.Context, span trace.Span, e *entry) {
	word := accepted
	if why := e.refusal.Exit.Reason; e.refused() {
		word = why.String()
		span.SetStatus(codes.Error, e.why.Error())
	}
	a.meters.judged(ctx, word)
	span.SetAttributes(obs.AttrOrdinal.Int64(int64(e.ticket.ordinal)), obs.AttrAttempt.Int64(int64(e.seen.Attempt)), attrVerdict.String(word))
	span.End()
	e.trace = obs.TraceParent(ctx)
}
