package aggregator

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

// traced is a release of a job that is traced, while it is on its way. Few are:
// the scheduler traces a sample of each job's tasks.
type traced struct {
	parent string    // traceparent of the span that released it
	since  time.Time // when the release came

	session uint64 // number of the session that the span below is of; 0: there is none yet
	span    string // traceparent of the span that delivered it there
}

// tracedBy reads what a scheduler says of the span that released something, when
// it comes; nil: it is none, or is not sampled. None of its bytes are kept.
func tracedBy(ctx context.Context, said string) *traced {
	if said == "" {
		return nil
	}
	parent := obs.TraceParent(obs.WithTraceParent(ctx, said))
	if parent == "" {
		return nil
	}
	return &traced{parent: parent, since: time.Now()}
}

// traceWith makes the release part of a trace. The same release again goes on
// with what was begun for it.
func (r *record) traceWith(t *traced) {
	if t != nil && (r.trace == nil || r.trace.parent != t.parent) {
		r.trace = t
	}
}

// deliver puts a command of a traced release into its trace and returns its
// span, which lasts from the receipt of the release until somebody ends it; nil:
// there is none. There is one for each session that the command is sent in,
// however often.
func (r *record) deliver(ctx context.Context, c *sessionv1.Command) trace.Span {
	t, number := r.trace, r.host.session.number
	if t == nil {
		return nil
	}
	if t.session == number {
		c.TraceParent = t.span
		return nil
	}
	ctx, span := r.host.hub.tracer.Start(obs.WithTraceParent(ctx, t.parent), "aggregator.deliver", //nolint:spancheck // endAll ends it
		trace.WithTimestamp(t.since), trace.WithAttributes(
			obs.AttrJob.String(r.job.id.String()), obs.AttrHost.String(string(r.host.id)),
			obs.AttrOrdinal.Int64(int64(r.ordinal)), obs.AttrAttempt.Int64(int64(r.attempt)),
		))
	t.session, t.span = number, obs.TraceParent(ctx)
	c.TraceParent = t.span
	return span //nolint:spancheck // endAll ends it
}

// endAll ends the spans of what was sent, or could not be.
func endAll(spans []trace.Span, err error) {
	for _, span := range spans {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}
