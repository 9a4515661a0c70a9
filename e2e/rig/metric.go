package rig

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// Metric is what a process says of a metric of ours now, over all labels.
func (c *Cluster) Metric(t *testing.T, process string, name obs.Name) (sum float64) {
	t.Helper()
	table := obs.Metrics()
	i := slices.IndexFunc(table, func(m obs.Metric) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("there is no metric %s", name)
	}
	for line := range strings.Lines(c.page(t, process)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if family, _, _ := strings.Cut(series, "{"); family != table[i].Prometheus() {
			continue
		}
		n, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
		if err != nil {
			t.Fatalf("%s shows %q: %v", process, line, err)
		}
		sum += n
	}
	return sum
}

func (c *Cluster) page(t *testing.T, process string) string {
	t.Helper()
	address, err := c.MetricsAddress(process)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatalf("%s does not show its metrics: %v", process, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s shows its metrics with %s: %v", process, answer.Status, err)
	}
	return string(text)
}
