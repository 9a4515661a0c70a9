package export

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// maxScrapes at a time; one more is told to come again.
const maxScrapes = 4

// contentType is that of the text format of Prometheus.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// scrape answers Prometheus.
type scrape struct {
	meter  *meter
	target attribute.Set // who tells it
	turns  chan struct{} // a place for each scrape that is under way
}

func newScrape(m *meter, target attribute.Set) *scrape {
	return &scrape{meter: m, target: target, turns: make(chan struct{}, maxScrapes)}
}

// ServeHTTP writes all metrics.
func (s *scrape) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	default:
		http.Error(w, fmt.Sprintf("%d scrapes are under way; come again", maxScrapes), http.StatusServiceUnavailable)
		return
	}
	var page bytes.Buffer
	s.write(r.Context(), &page)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(page.Len()))
	_, _ = w.Write(page.Bytes())              // he has gone
	_ = http.NewResponseController(w).Flush() // who reads slowly keeps his place
}

func (s *scrape) write(ctx context.Context, page *bytes.Buffer) {
	s.meter.mu.Lock()
	families := append([]*family{}, s.meter.families...)
	s.meter.mu.Unlock()
	for _, f := range families {
		writeFamily(page, f.metric, f.now(ctx))
	}
	writeProcess(page)
	head(page, "target_info", string(obs.KindGauge), "Who tells these metrics.")
	sample(page, "target_info", written(s.target), "1")
}

// writeFamily writes one metric; without a series there is nothing to say.
func writeFamily(page *bytes.Buffer, m obs.Metric, all []series) {
	if len(all) == 0 {
		return
	}
	name := m.Prometheus()
	head(page, name, string(m.Kind), m.Help)
	for _, s := range all {
		if m.Kind == obs.KindHistogram {
			writeHistogram(page, name, m.Buckets, s)
			continue
		}
		sample(page, name, s.labels, strconv.FormatInt(s.value, 10))
	}
}

// writeHistogram writes the buckets, each with all that are below it.
func writeHistogram(page *bytes.Buffer, name string, bounds []float64, s series) {
	var total uint64
	for i, n := range s.counts {
		total += n
		bound := "+Inf"
		if i < len(bounds) {
			bound = number(bounds[i])
		}
		sample(page, name+"_bucket", strings.TrimPrefix(s.labels+`,le="`+bound+`"`, ","), strconv.FormatUint(total, 10))
	}
	sample(page, name+"_sum", s.labels, number(s.sum))
	sample(page, name+"_count", s.labels, strconv.FormatUint(total, 10))
}

func head(page *bytes.Buffer, name, kind, help string) {
	fmt.Fprintf(page, "# HELP %s %s\n# TYPE %s %s\n", name, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help), name, kind)
}

func sample(page *bytes.Buffer, name, labels, value string) {
	page.WriteString(name)
	if labels != "" {
		page.WriteString("{" + labels + "}")
	}
	page.WriteString(" " + value + "\n")
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// written is labels as Prometheus writes them, in the order of their keys.
func written(labels attribute.Set) string {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for _, l := range labels.ToSlice() {
		if b.Len() > 0 {
			b.WriteString(",")
		}
		b.WriteString(obs.PrometheusLabel(string(l.Key)) + `="` + escape.Replace(strings.ToValidUTF8(l.Value.String(), "\uFFFD")) + `"`)
	}
	return b.String()
}
