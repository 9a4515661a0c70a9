package shard

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

// tracedJob is a submission whose call is traced, and the span of that call.
func (r *rig) tracedJob(nth, n int) (Submission, trace.SpanContext) {
	r.t.Helper()
	_, span := r.told.Telemetry().Tracer().Start(r.t.Context(), "submit")
	span.End()
	sub := jobOf(r.t, nth, n, "")
	sub.Trace = span.SpanContext()
	return sub, sub.Trace
}

func TestTheFirstTasksOfATracedJobHaveASpanOfTheirRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub, submit := r.tracedJob(1, 3)
		id := r.accept(sub)
		synctest.Wait()
		spans := r.told.Spans("scheduler.release")
		if len(spans) != 2 {
			t.Fatalf("%d of 3 tasks have a span, want 2", len(spans))
		}
		for i, s := range spans {
			if s.Parent.SpanID() != submit.SpanID() || s.SpanContext.TraceID() != submit.TraceID() {
				t.Errorf("release %d is below %s of trace %s", i, s.Parent.SpanID(), s.SpanContext.TraceID())
			}
			if got := obstest.Attribute(s, obs.AttrJob); got != id.String() {
				t.Errorf("release %d is of job %s", i, got)
			}
			if got := obstest.Attribute(s, obs.AttrHost); got != string(host(i)) {
				t.Errorf("release %d is of host %s", i, got)
			}
			if got := r.traces[id][uint32(i)]; !strings.Contains(got, s.SpanContext.SpanID().String()) {
				t.Errorf("release %d goes out below %q", i, got)
			}
		}
		if len(r.traces[id]) != 2 {
			t.Errorf("the traces that go out are %v", r.traces[id])
		}
	})
}

func TestAnOutcomeIsASpanBelowTheReleaseAndABadOneIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub, _ := r.tracedJob(1, 3)
		id := r.accept(sub)
		for i, s := range []task.State{task.Succeeded, task.TimedOut, task.Failed} {
			r.say(id, i, task.Running)
			r.say(id, i, s)
		}
		releases, spans := r.told.Spans("scheduler.release"), r.told.Spans("scheduler.settle")
		if len(spans) != 2 {
			t.Fatalf("%d outcomes have a span, want those of the 2 that are traced", len(spans))
		}
		for i, want := range []struct {
			outcome string
			status  codes.Code
		}{{"SUCCEEDED", codes.Unset}, {"TIMED_OUT", codes.Error}} {
			if got := obstest.Attribute(spans[i], obs.AttrOutcome); got != want.outcome || spans[i].Status.Code != want.status {
				t.Errorf("outcome %d is %s with status %s, want %s with %s", i, got, spans[i].Status.Code, want.outcome, want.status)
			}
			if spans[i].Parent.SpanID() != releases[i].SpanContext.SpanID() {
				t.Errorf("outcome %d is not below its release", i)
			}
		}
	})
}

func TestAReleaseThatIsSaidAgainIsOfTheSameSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub, _ := r.tracedJob(1, 1)
		id := r.accept(sub)
		synctest.Wait()
		first := r.traces[id][0]
		r.traces[id] = nil
		if err := r.Returned(t.Context(), notKnown(id, 0)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.traces[id][0]; got != first || first == "" {
			t.Errorf("the release went out below %q, and again below %q", first, got)
		}
		if n := len(r.told.Spans("scheduler.release")); n != 1 {
			t.Errorf("it has %d spans", n)
		}
	})
}

func TestAJobThatIsNotSampledHasNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub := jobOf(t, 1, 2, "")
		sub.Trace = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
		id := r.accept(sub)
		r.say(id, 0, task.Succeeded)
		if got := len(r.told.Spans("")); got != 0 || r.traces[id] != nil {
			t.Errorf("it has %d spans, and %v goes out", got, r.traces[id])
		}
		if h := r.held(id); h.traced != nil {
			t.Error("it keeps a trace")
		}
	})
}

func TestATraceGoesWithItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub, _ := r.tracedJob(1, 2)
		id := r.accept(sub)
		if got := len(r.held(id).traced.tasks); got != 2 {
			t.Errorf("%d tasks are traced", got)
		}
		r.say(id, 0, task.Succeeded)
		if got := len(r.held(id).traced.tasks); got != 1 {
			t.Errorf("with one final %d tasks are traced", got)
		}
		r.say(id, 1, task.Succeeded)
		time.Sleep(2 * keepDone)
		if h := r.held(id); h != nil {
			t.Error("the job is still in memory")
		}
		if r.row(id).State != job.Done || r.held(id).traced != nil {
			t.Error("the job that was brought back is traced")
		}
	})
}

func TestALateOutcomeOfATaskThatIsUnknownHasASpanToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub, _ := r.tracedJob(1, 1)
		sub.Create.Spec.StartBy, sub.Create.Spec.Timeout = time.Now().Add(time.Minute), time.Minute
		id := r.accept(sub)
		r.say(id, 0, task.Running)
		for give := time.Now().Add(48 * time.Hour); r.row(id).State != job.Done; {
			if time.Now().After(give) {
				t.Fatal("after two days it is not settled")
			}
			time.Sleep(10 * time.Second)
		}
		r.say(id, 0, task.Succeeded)
		var outcomes []string
		for _, s := range r.told.Spans("scheduler.settle") {
			outcomes = append(outcomes, obstest.Attribute(s, obs.AttrOutcome))
		}
		if got := strings.Join(outcomes, " "); got != "UNKNOWN SUCCEEDED" {
			t.Errorf("the outcomes are %q", got)
		}
	})
}

// held is the job as it is in memory.
func (r *rig) held(id job.ID) (h *held) {
	r.t.Helper()
	synctest.Wait()
	_ = r.ask(context.WithoutCancel(r.t.Context()), id, false, func(_ *tenure, found *held) { h = found })
	return h
}
