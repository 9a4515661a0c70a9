package obs_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

func TestALineOfATraceCarriesItsIDs(t *testing.T) {
	here, _ := recorded()
	ctx, span := here.Tracer().Start(t.Context(), "work")
	defer span.End()
	var b strings.Builder
	obs.NewLog(&b, obs.LogConfig{}).With("part", "x").InfoContext(ctx, "hello")
	var line map[string]any
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil {
		t.Fatal(err)
	}
	if line["trace_id"] != span.SpanContext().TraceID().String() || line["span_id"] != span.SpanContext().SpanID().String() || line["part"] != "x" {
		t.Errorf("got %s", b.String())
	}
}

func TestOtherLinesCarryNone(t *testing.T) {
	never := obs.NewTelemetry(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), nil)
	unsampled, span := never.Tracer().Start(t.Context(), "work")
	defer span.End()
	var b strings.Builder
	log := obs.NewLog(&b, obs.LogConfig{})
	log.InfoContext(t.Context(), "hello")
	log.WithGroup("g").InfoContext(unsampled, "hello", slog.Int("n", 1))
	if strings.Contains(b.String(), "trace_id") || strings.Count(b.String(), "\n") != 2 {
		t.Errorf("got %s", b.String())
	}
}

func TestATraceTravelsAsTraceparent(t *testing.T) {
	here, _ := recorded()
	ctx, span := here.Tracer().Start(t.Context(), "release")
	defer span.End()
	parent := obs.TraceParent(ctx)
	if want := "00-" + span.SpanContext().TraceID().String() + "-" + span.SpanContext().SpanID().String() + "-01"; parent != want {
		t.Errorf("it is %q, want %q", parent, want)
	}
	there := trace.SpanContextFromContext(obs.WithTraceParent(t.Context(), parent))
	if !there.IsRemote() || there.SpanID() != span.SpanContext().SpanID() || there.TraceID() != span.SpanContext().TraceID() {
		t.Errorf("it arrived as %v", there)
	}
	for _, none := range []string{"", "nonsense", "00-00000000000000000000000000000000-0000000000000000-01", strings.Repeat("0", 1<<20)} {
		if got := obs.WithTraceParent(t.Context(), none); trace.SpanContextFromContext(got).IsValid() {
			t.Errorf("%.60q is taken for a trace", none)
		}
	}
}
