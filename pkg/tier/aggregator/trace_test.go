package aggregator

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/wire"
)

// The span that released something, as a scheduler says it.
const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	released = "00-" + traceID + "-b7ad6b7169203331-01"
)

// dispatchTraced releases a job to one host, as part of a trace.
func (s *scheduler) dispatchTraced(j *aJob, attempt uint32, host, traceParent string) {
	d := s.dispatchOf(j, attempt, host)
	d.Payload = j.payload(s.w.t)
	d.GetReleases()[0].TraceParent = traceParent
	s.sendDispatch(d)
}

func TestATracedReleaseHasASpanFromItsDispatchUntilItIsSent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.credits = wire.Credits{"standard": 1}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		s.dispatch(w.job("standard", 0, "h1"), "h1") // uses the credit up
		j := w.job("standard", 0, "h0", "h1")
		s.dispatchTraced(j, 1, "h1", released)
		w.pass(2 * time.Second)
		if got := w.told.Spans(""); len(got) != 0 {
			t.Fatalf("before it is sent, spans are %v", got)
		}
		a.beat(&sessionv1.Heartbeat{Credits: wire.CreditsToProto(wire.Credits{"standard": 1})})
		w.settle()
		commands, spans := a.commands(), w.told.Spans("")
		if len(commands) != 2 || len(spans) != 1 {
			t.Fatalf("%d commands and %d spans", len(commands), len(spans))
		}
		span := spans[0]
		if span.Name != "aggregator.deliver" || span.SpanContext.TraceID().String() != traceID ||
			!strings.Contains(released, span.Parent.SpanID().String()) || !span.Parent.IsRemote() {
			t.Errorf("the span %s is of trace %s, below %s", span.Name, span.SpanContext.TraceID(), span.Parent.SpanID())
		}
		if took := span.EndTime.Sub(span.StartTime); took != 2*time.Second {
			t.Errorf("the span took %s", took)
		}
		for key, want := range map[string]string{"ccs.job_id": j.id.String(), "ccs.host": "h1", "ccs.ordinal": "1", "ccs.attempt": "1"} {
			if got := obstest.Attribute(span, attribute.Key(key)); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		if want := "00-" + traceID + "-" + span.SpanContext.SpanID().String() + "-01"; commands[1].GetTraceParent() != want {
			t.Errorf("the host is told %q, want %q", commands[1].GetTraceParent(), want)
		}
		if commands[0].GetTraceParent() != "" {
			t.Errorf("what is not traced is told to be of %q", commands[0].GetTraceParent())
		}
	})
}

func TestACommandThatIsSentAgainHasOneSpanForEachSession(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		for range 5 {
			s.dispatchTraced(j, 1, "h1", released)
		}
		first := a.commands()
		if len(first) != 5 || len(w.told.Spans("")) != 1 {
			t.Fatalf("%d commands and %d spans", len(first), len(w.told.Spans("")))
		}
		for _, c := range first {
			if c.GetTraceParent() != first[0].GetTraceParent() || c.GetTraceParent() == "" {
				t.Errorf("a command is of span %q, the first of %q", c.GetTraceParent(), first[0].GetTraceParent())
			}
		}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		again := a.commands()
		if len(again) != 1 || len(w.told.Spans("")) != 2 || again[0].GetTraceParent() == first[0].GetTraceParent() {
			t.Errorf("in another session: %v and %d spans", again, len(w.told.Spans("")))
		}
	})
}

func TestTheNextAttemptIsNotPartOfTheTraceOfTheOneBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatchTraced(j, 1, "h1", released)
		a.say(a.report(j, task.Lost))
		s.dispatchTraced(j, 2, "h1", "")
		if got := a.commands(); len(got) != 2 || got[1].GetAttempt() != 2 || got[1].GetTraceParent() != "" {
			t.Errorf("commands are %v", got)
		}
	})
}

func TestWhatIsNoTraceIsIgnored(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		parents := map[string]string{
			"none":        "",
			"nonsense":    "traced",
			"not sampled": strings.TrimSuffix(released, "01") + "00",
			"no trace":    "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01",
			"too long":    "01" + strings.TrimPrefix(released, "00") + "-" + strings.Repeat("x", 100_000),
		}
		for what, parent := range parents {
			j := w.job("standard", 0, "h1")
			s.dispatchTraced(j, 1, "h1", parent)
			commands := a.commands()
			if last := commands[len(commands)-1]; string(last.GetJobId()) != string(j.id[:]) || last.GetTraceParent() != "" {
				t.Errorf("%s: the host is told %v", what, last)
			}
		}
		if got := w.told.Spans(""); len(got) != 0 {
			t.Errorf("spans are %v", got)
		}
		if n := len(a.commands()); n != len(parents) {
			t.Errorf("%d commands came, want %d", n, len(parents))
		}
	})
}

func TestATraceGoesThroughAnAggregatorThatTellsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.stop()
		w.startTelling(obs.Telemetry{})
		a := w.here("h1")
		w.owner("s1", 1).dispatchTraced(w.job("standard", 0, "h1"), 1, "h1", released)
		if got := a.commands(); len(got) != 1 || got[0].GetTraceParent() != released {
			t.Errorf("the host is told %v", got)
		}
	})
}

func TestADeliveryThatCannotBeSentHasAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.deaf = true
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		for range 10 { // more than the windows of a host that reads nothing
			s.dispatchTraced(w.job("standard", 30<<10, "h1"), 1, "h1", released)
		}
		w.pass(w.cfg.SendTimeout + time.Second)
		for _, span := range w.told.Spans("aggregator.deliver") {
			if span.Status.Code == codes.Error {
				return
			}
		}
		t.Errorf("no span of %d has an error", len(w.told.Spans("")))
	})
}
