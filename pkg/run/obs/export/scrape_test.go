package export

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// silent is a log that nobody reads.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func opened(t *testing.T) *Export {
	t.Helper()
	e, err := Open(Config{}, Service{Name: "ccs-test", Version: "v1"}, silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return e
}

// scraped is a page as Prometheus reads it.
func scraped(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text := answer.Body.String()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil || answer.Code != http.StatusOK {
		t.Fatalf("status %d, %v:\n%s", answer.Code, err, text)
	}
	return families
}

// labelled gives every label of a metric a value.
func labelled(m obs.Metric, value string) []attribute.KeyValue {
	var all []attribute.KeyValue
	for _, l := range m.Labels {
		all = append(all, attribute.String(l, value))
	}
	return all
}

// tell makes each metric of the table and tells it something.
func tell(ctx context.Context, to obs.Telemetry, value string) {
	for _, m := range obs.Metrics() {
		with := metric.WithAttributes(labelled(m, value)...)
		switch m.Kind {
		case obs.KindCounter:
			to.Counter(m.Name).Add(ctx, 3, with)
		case obs.KindHistogram:
			to.Histogram(m.Name).Record(ctx, 0.3, with)
		case obs.KindGauge:
			to.Gauge(m.Name, func(observe func(int64, ...attribute.KeyValue)) { observe(7, labelled(m, value)...) })
		}
	}
}

func TestAScrapeShowsEveryMetricUnderTheNameInTheTable(t *testing.T) {
	e := opened(t)
	tell(t.Context(), e.Telemetry(), "x")
	page := scraped(t, e.Metrics())
	for _, m := range obs.Metrics() {
		f := page[m.Prometheus()]
		if f == nil {
			t.Errorf("there is no %s", m.Prometheus())
			continue
		}
		if got := strings.ToLower(f.GetType().String()); got != string(m.Kind) || f.GetHelp() != m.Help {
			t.Errorf("%s is a %s: %s", m.Prometheus(), got, f.GetHelp())
		}
		if len(f.GetMetric()) != 1 {
			t.Errorf("%s has %d series", m.Prometheus(), len(f.GetMetric()))
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		if want := slices.Sorted(slices.Values(m.Labels)); !slices.Equal(labels, want) {
			t.Errorf("%s has the labels %v, want %v", m.Prometheus(), labels, want)
		}
		one := f.GetMetric()[0]
		if got := one.GetCounter().GetValue() + one.GetGauge().GetValue() + one.GetHistogram().GetSampleSum(); got != 3 && got != 7 && got != 0.3 {
			t.Errorf("%s is %v", m.Prometheus(), got)
		}
	}
}

func TestACounterWithoutLabelsIsZeroBeforeItsFirstEvent(t *testing.T) {
	e := opened(t)
	e.Telemetry().Counter(obs.CommandsStarted)
	e.Telemetry().Counter(obs.TasksSettled)
	page := scraped(t, e.Metrics())
	if f := page["ccs_commands_started_total"]; len(f.GetMetric()) != 1 || f.GetMetric()[0].GetCounter().GetValue() != 0 {
		t.Errorf("it is %v", f)
	}
	if f := page["ccs_tasks_settled_total"]; f != nil {
		t.Errorf("a series that nobody knows the labels of: %v", f)
	}
}

func TestWhatEveryProcessTellsIsThere(t *testing.T) {
	page := scraped(t, opened(t).Metrics())
	for _, f := range figures() {
		if got := page[f.name].GetMetric(); len(got) != 1 || got[0].GetGauge().GetValue()+got[0].GetCounter().GetValue() <= 0 {
			t.Errorf("%s is %v", f.name, got)
		}
	}
	said := map[string]string{}
	for _, l := range page["target_info"].GetMetric()[0].GetLabel() {
		said[l.GetName()] = l.GetValue()
	}
	if said["service_name"] != "ccs-test" || said["service_version"] != "v1" || len(said["service_instance_id"]) != 36 {
		t.Errorf("it is %v", said)
	}
}

func TestLabelsOfAnySortAreReadAgainAsTheyWere(t *testing.T) {
	e := opened(t)
	odd := "a\\\"b\"\nc\x00 ü"
	e.Telemetry().Counter(obs.JobsDone).Add(t.Context(), 1, metric.WithAttributes(attribute.String("class", odd)))
	e.Telemetry().Counter(obs.JobsDone).Add(t.Context(), 1, metric.WithAttributes(attribute.String("class", "\xff")))
	var got []string
	for _, m := range scraped(t, e.Metrics())["ccs_jobs_done_total"].GetMetric() {
		got = append(got, m.GetLabel()[0].GetValue())
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{odd, "\uFFFD"}) {
		t.Errorf("got %q", got)
	}
}

func TestTooManySeriesAreCountedTogether(t *testing.T) {
	e := opened(t)
	for i := range maxSeries + 500 {
		e.Telemetry().Counter(obs.JobsDone).Add(t.Context(), 2, metric.WithAttributes(attribute.Int("class", i)))
	}
	all := scraped(t, e.Metrics())["ccs_jobs_done_total"].GetMetric()
	total := 0.0
	for _, m := range all {
		total += m.GetCounter().GetValue()
		if m.GetLabel()[0].GetName() == "otel_metric_overflow" && m.GetCounter().GetValue() != 1000 {
			t.Errorf("%v are counted together", m.GetCounter().GetValue())
		}
	}
	if len(all) != maxSeries+1 || total != 2*(maxSeries+500) {
		t.Errorf("%d series of %v together", len(all), total)
	}
}

func TestManyCountAtOnceAndNothingIsLost(t *testing.T) {
	e := opened(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			c, h := e.Telemetry().Counter(obs.JobsDone), e.Telemetry().Histogram(obs.StoreCommit)
			for range 500 {
				c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("class", "a")))
				h.Record(t.Context(), 0.002)
			}
		})
	}
	for range 20 {
		scraped(t, e.Metrics())
	}
	group.Wait()
	page := scraped(t, e.Metrics())
	if n := page["ccs_jobs_done_total"].GetMetric()[0].GetCounter().GetValue(); n != 4000 {
		t.Errorf("counted %v", n)
	}
	if n := page["ccs_store_commit_duration_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); n != 4000 {
		t.Errorf("recorded %v", n)
	}
}

// A gauge that hangs must not collect goroutines.
func TestScrapesAtOnceAreBounded(t *testing.T) {
	e := opened(t)
	reading, end := make(chan struct{}), make(chan struct{})
	e.Telemetry().Gauge(obs.JobsLive, func(func(int64, ...attribute.KeyValue)) {
		reading <- struct{}{}
		<-end
	})
	server := httptest.NewServer(e.Metrics())
	defer server.Close()
	get := func() int {
		answer, err := server.Client().Get(server.URL)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer answer.Body.Close() //nolint:errcheck // it was read
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	}
	var group sync.WaitGroup
	for range maxScrapes {
		group.Go(func() {
			if code := get(); code != http.StatusOK {
				t.Errorf("one of %d got %d", maxScrapes, code)
			}
		})
	}
	for range maxScrapes {
		<-reading
	}
	if code := get(); code != http.StatusServiceUnavailable {
		t.Errorf("one more got %d", code)
	}
	close(end)
	group.Wait()
}
