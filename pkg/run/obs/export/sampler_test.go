package export

import (
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// begun is how many of n traces are sampled that begin now.
func begun(t *testing.T, s sdktrace.Sampler, n int) (sampled int) {
	t.Helper()
	for i := range n {
		p := sdktrace.SamplingParameters{ParentContext: t.Context(), TraceID: trace.TraceID{byte(i * 37), byte(i), 15: 1}}
		p.TraceID[8] = byte(i * 37) // by which the ratio decides
		if s.ShouldSample(p).Decision == sdktrace.RecordAndSample {
			sampled++
		}
	}
	return sampled
}

func TestTracesBeginAtALimitedRateHoweverManyRequestsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSampler(Trace{Ratio: 1, PerSecond: 10})
		total := 0
		for range 30 * 500 { // thirty seconds of 500 jobs
			total += begun(t, s, 1)
			time.Sleep(2 * time.Millisecond)
		}
		if total < 300 || total > 310 {
			t.Errorf("%d traces began in 30 s, at most 10 a second", total)
		}
		time.Sleep(time.Hour)
		if n := begun(t, s, 1000); n != 10 {
			t.Errorf("after an hour of quiet %d begin at once", n)
		}
	})
}

func TestWhatTheRatioLeavesOutDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		none := newSampler(Trace{Ratio: 0, PerSecond: 10})
		half := newSampler(Trace{Ratio: 0.5, PerSecond: 1000})
		if n := begun(t, none, 1000); n != 0 {
			t.Errorf("with a ratio of zero %d began", n)
		}
		if n := begun(t, half, 1000); n < 400 || n > 600 {
			t.Errorf("of 1000 %d began, about half should", n)
		}
	})
}

// Who began a trace has counted it.
func TestATraceThatCameWithARequestIsGoneOnWithWhateverTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSampler(Trace{Ratio: 1, PerSecond: 1})
		begun(t, s, 5)
		for flags, want := range map[trace.TraceFlags]sdktrace.SamplingDecision{trace.FlagsSampled: sdktrace.RecordAndSample, 0: sdktrace.Drop} {
			parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: flags, Remote: true})
			p := sdktrace.SamplingParameters{ParentContext: trace.ContextWithRemoteSpanContext(t.Context(), parent), TraceID: parent.TraceID()}
			for range 100 {
				if got := s.ShouldSample(p).Decision; got != want {
					t.Fatalf("flags %v: %v", flags, got)
				}
			}
		}
	})
}
