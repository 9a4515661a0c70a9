package telemetry

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ccs-project/ccs/e2e/rig"
)

// get asks a process over HTTP; an answer of 0 says that nobody is there, and why.
func get(t *testing.T, c *rig.Cluster, process, path string) (int, string) {
	t.Helper()
	address, err := c.MetricsAddress(process)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// page is what Prometheus reads of a process.
type page struct {
	process  string
	families map[string]*dto.MetricFamily
}

// pages scrapes the processes of a tier.
func pages(t *testing.T, c *rig.Cluster, tier string) (all []page) {
	t.Helper()
	for _, process := range of(c, tier) {
		code, text := get(t, c, process, "/metrics")
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(text))
		if code != http.StatusOK || err != nil {
			t.Fatalf("%s answers a scrape with %d (%v):\n%s", process, code, err, text)
		}
		all = append(all, page{process, families})
	}
	return all
}

// of are the processes of a tier.
func of(c *rig.Cluster, tier string) (names []string) {
	for _, name := range c.Processes() {
		if name == tier || strings.HasPrefix(name, tier+"-") {
			names = append(names, name)
		}
	}
	return names
}

// sum adds up the series of a metric that have these labels, written a=b, over
// all pages: values, or how many values a histogram has. It says whether there
// was one.
func sum(all []page, name string, labels ...string) (total float64, found bool) {
	for _, p := range all {
		for _, m := range p.families[name].GetMetric() {
			said := map[string]bool{}
			for _, l := range m.GetLabel() {
				said[l.GetName()+"="+l.GetValue()] = true
			}
			wanted := true
			for _, l := range labels {
				wanted = wanted && said[l]
			}
			if wanted {
				found = true
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total, found
}

// series shows those of a metric, for a message.
func series(all []page, name string) string {
	var b strings.Builder
	for _, p := range all {
		for _, m := range p.families[name].GetMetric() {
			fmt.Fprintf(&b, "\n  %s: %s", p.process, m)
		}
	}
	return b.String()
}

// all are the processes of all tiers.
func all(c *rig.Cluster) (names []string) {
	for _, tier := range tiers() {
		names = append(names, of(c, tier)...)
	}
	return names
}
