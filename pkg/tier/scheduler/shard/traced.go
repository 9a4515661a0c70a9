package shard

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// traced is the trace of a job, of which a bounded sample of its tasks have
// spans. It is in memory alone and goes with the job: one that was taken over,
// or loaded again, is not traced any more.
type traced struct {
	submit trace.SpanContext // of the call with which it came
	left   int               // how many more tasks may have spans
	tasks  map[uint32]release
}

// release is the span of a task's release.
type release struct {
	span   trace.SpanContext
	parent string // the span as a W3C traceparent
}

// newTrace is what a job begins with; nil: it is not traced.
func (s *Shard) newTrace(submit trace.SpanContext) *traced {
	if !submit.IsSampled() || s.deps.TraceTasks == 0 {
		return nil
	}
	return &traced{submit: submit, left: s.deps.TraceTasks, tasks: map[uint32]release{}}
}

// traceReleases makes spans of releases that are durable now, which lasted from
// the round's beginning.
func (t *tenure) traceReleases(ctx context.Context, h *held, released []uint32) {
	for _, o := range released[:min(len(released), h.traced.left)] {
		h.traced.left--
		of, span := t.tracer.Start(trace.ContextWithSpanContext(ctx, h.traced.submit), "scheduler.release",
			trace.WithTimestamp(t.clock), trace.WithAttributes(
				obs.AttrJob.String(h.id.String()),
				obs.AttrHost.String(string(h.machine.Targets().At(o).Host)),
				obs.AttrOrdinal.Int64(int64(o))))
		span.End()
		h.traced.tasks[o] = release{span: span.SpanContext(), parent: obs.TraceParent(of)}
	}
}

// traceOutcomes makes spans of outcomes that are durable now. Of a task that is
// UNKNOWN there may come another one.
func (t *tenure) traceOutcomes(ctx context.Context, h *held, rows []job.TaskRow) {
	for i := 0; i < len(rows) && len(h.traced.tasks) > 0; i++ {
		row := &rows[i]
		r, ok := h.traced.tasks[row.Ordinal]
		if !ok || !row.Report.State.Settled() {
			continue
		}
		_, span := t.tracer.Start(trace.ContextWithSpanContext(ctx, r.span), "scheduler.settle",
			trace.WithTimestamp(t.clock), trace.WithAttributes(
				obs.AttrJob.String(h.id.String()),
				obs.AttrHost.String(string(h.machine.Targets().At(row.Ordinal).Host)),
				obs.AttrOrdinal.Int64(int64(row.Ordinal)),
				obs.AttrAttempt.Int64(int64(row.Report.Attempt)),
				obs.AttrOutcome.String(outcome(row.Report.State)),
				obs.AttrReason.String(row.Report.Exit.Reason.String())))
		if row.Report.State.Bad() {
			span.SetStatus(codes.Error, row.Report.State.String())
		}
		span.End()
		if row.Report.State.Final() {
			delete(h.traced.tasks, row.Ordinal)
		}
	}
}

// parents are the traces of those dispatches that are traced.
func (tr *traced) parents(dispatches []job.Dispatch) mesh.Traces {
	if tr == nil || len(tr.tasks) == 0 {
		return nil
	}
	var out mesh.Traces
	for _, d := range dispatches {
		if r, ok := tr.tasks[d.Ordinal]; ok && r.parent != "" {
			if out == nil {
				out = mesh.Traces{}
			}
			out[d.Ordinal] = r.parent
		}
	}
	return out
}
