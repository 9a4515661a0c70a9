package export

import (
	"bytes"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// TestItShowsWhatTheSDKShows tells the same to our meter and to the SDK of
// OpenTelemetry with its exporter for Prometheus, and compares the pages.
func TestItShowsWhatTheSDKShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		registry := prometheus.NewRegistry()
		reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo(),
			otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
		if err != nil {
			t.Fatal(err)
		}
		sdk := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		defer sdk.Shutdown(t.Context()) //nolint:errcheck // it is the oracle
		ours := &meter{}
		both := []obs.Telemetry{obs.NewTelemetry(nil, sdk), obs.NewTelemetry(nil, provider{meter: ours})}
		gauges := map[obs.Name]bool{} // of two with the same labels, which is shown is anybody's guess
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			m := rapid.SampledFrom(obs.Metrics()).Draw(t, "metric")
			if m.Kind == obs.KindGauge && gauges[m.Name] {
				continue
			}
			gauges[m.Name] = true
			event(t, both, m)
		}
		var page bytes.Buffer
		for _, f := range ours.families {
			writeFamily(&page, f.metric, f.now(t.Context()))
		}
		answer := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
		if got, want := comparable(page.String()), comparable(answer.Body.String()); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// event tells one thing to both.
func event(t *rapid.T, both []obs.Telemetry, m obs.Metric) {
	labels := labelled(m, rapid.SampledFrom([]string{"a", "b", `"\`, "two words", ""}).Draw(t, "label"))
	n := rapid.Int64Range(0, 1000).Draw(t, "n")
	value := rapid.OneOf(rapid.SampledFrom([]float64{0, 0.001, 0.5, 1, 1800, 1e6}), rapid.Float64Range(0, 3000)).Draw(t, "value")
	for _, to := range both {
		switch m.Kind {
		case obs.KindCounter:
			to.Counter(m.Name).Add(t.Context(), n, metric.WithAttributes(labels...))
		case obs.KindHistogram:
			to.Histogram(m.Name).Record(t.Context(), value, metric.WithAttributes(labels...))
		case obs.KindGauge:
			to.Gauge(m.Name, func(observe func(int64, ...attribute.KeyValue)) { observe(n, labels...) })
		}
	}
}

// comparable is the lines of a page, sorted, with the numbers read to 12 digits:
// 1e+06 is 1000000, and the SDK adds up in another order.
func comparable(page string) string {
	lines := strings.Split(strings.TrimSpace(page), "\n")
	for i, line := range lines {
		at := strings.LastIndexByte(line, ' ')
		if f, err := strconv.ParseFloat(line[at+1:], 64); err == nil && line[0] != '#' {
			lines[i] = line[:at] + " " + strconv.FormatFloat(f, 'g', 12, 64)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
