package obs_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

var rewrite = flag.Bool("rewrite", false, "write docs/metrics.md from the Go table")

const metricsPage = "../../../docs/metrics.md"

// TestTheMetricsPageIsCurrent generates docs/metrics.md from the table and
// compares. `go test ./pkg/run/obs -rewrite` writes it.
func TestTheMetricsPageIsCurrent(t *testing.T) {
	want := page()
	if *rewrite {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/metrics.md is not what the table says; run `go test ./pkg/run/obs -rewrite` and read the difference")
	}
}

func page() string {
	var b strings.Builder
	b.WriteString(`# Metrics, health and traces

Generated from the table in pkg/run/obs by ` + "`go test ./pkg/run/obs -rewrite`" + `; do not edit.

Every process shows its metrics to Prometheus at ` + "`http://<metrics_listen>/metrics`" + ` and its health at ` + "`/healthz`" + ` (it lives)
and ` + "`/readyz`" + ` (503 with the reason while it is starting, not ready or draining; what is behind the reason, such as the error
of the store, is in the log, once for each change). The port asks nobody who he is: let only your monitoring reach it
([ports and files](ports-and-files.md)). A connection there is for one request. There are at most 64, 16 of one address: when
one more comes, the one that has waited longest without asking is closed.

` + "`grpc.health.v1`" + ` is answered on the ports of access, scheduler and issuer, on the mesh port of an aggregator, and on the socket
of an executor, to those whom these let in; on the session port of an aggregator it is not: there a host is answered by
its session. At most 64 watches are open at a process, 8 of one caller; who wants more asks again and again.

## Metrics

A counter with labels is there from its first event on; one without labels is 0 before. A metric has at most 1,000 series;
what is above is counted together under ` + "`otel_metric_overflow=\"true\"`" + `.

| name | kind | unit | labels | binaries | meaning |
| --- | --- | --- | --- | --- | --- |
`)
	for _, m := range obs.Metrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n",
			m.Prometheus(), m.Kind, unit(m.Unit), code(m.Labels), strings.Join(m.Tiers, ", "), m.Help)
	}
	b.WriteString(`
Of every process, under the names that are usual for them: ` + "`go_goroutines`, `go_memstats_heap_alloc_bytes`, `go_memstats_sys_bytes`" + `,
` + "`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`, `process_max_fds`" + `; and ` + "`target_info`" + ` with
` + "`service_name`, `service_version` and `service_instance_id`" + ` (of one run).

## Traces

With ` + "`otlp.endpoint`" + ` a process sends spans to a collector, by OTLP over gRPC, with TLS unless ` + "`otlp.insecure`" + ` is set. A collector that
is away or silent holds nothing up while a process runs: spans are dropped then. At its end a process gives the last ones
300 ms, and none if the last batch failed or the collector is not connected.

Traces begin at access and issuer, in ` + "`trace.ratio`" + ` of the requests (1 by default), and at most ` + "`trace.per_second`" + ` of them (10) a
second and process, whatever the ratio; all others go on with those that come to them. What a caller of access or issuer
says of a trace of his own decides nothing: where his request is traced, the trace has a link to his. Of a job's tasks the
scheduler lets ` + "`trace.tasks`" + ` be traced, whatever the size of the job; and none any more after another scheduler has taken it
over, or after a restart.

A job is one trace: the submission at access and scheduler → ` + "`scheduler.release` → `aggregator.deliver` → `agent.judge` → `executor.start`" + ` and
` + "`executor.run`" + `, and ` + "`scheduler.settle`" + ` below the release. Log lines of what is traced carry ` + "`trace_id` and `span_id`" + `.
`)
	return b.String()
}

// unit is a unit of UCUM as people say it.
func unit(u string) string {
	switch u {
	case "s":
		return "seconds"
	case "By":
		return "bytes"
	}
	return strings.Trim(u, "{}")
}

func code(words []string) string {
	if len(words) == 0 {
		return "–"
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

func TestTheTableOfMetricsIsSound(t *testing.T) {
	tiers := []string{"access", "scheduler", "aggregator", "agent", "executor", "issuer"}
	name := regexp.MustCompile(`^ccs(\.[a-z][a-z_]*)+$`)
	seen := map[string]bool{}
	for _, m := range obs.Metrics() {
		if !name.MatchString(string(m.Name)) {
			t.Errorf("%s is no name", m.Name)
		}
		if seen[m.Prometheus()] {
			t.Errorf("%s is there twice", m.Prometheus())
		}
		seen[m.Prometheus()] = true
		if !strings.HasSuffix(m.Help, ".") || strings.Contains(m.Help, "|") {
			t.Errorf("%s: %q is no sentence for a table", m.Name, m.Help)
		}
		if (m.Kind == obs.KindHistogram) != (len(m.Buckets) > 0) || !slices.IsSorted(m.Buckets) {
			t.Errorf("%s: a histogram, and nothing else, has buckets, the least first", m.Name)
		}
		if !regexp.MustCompile(`^(s|By|\{[a-z]+\})$`).MatchString(m.Unit) {
			t.Errorf("%s: nobody knows how Prometheus writes the unit %q", m.Name, m.Unit)
		}
		for _, tier := range m.Tiers {
			if !slices.Contains(tiers, tier) {
				t.Errorf("%s: there is no binary %s", m.Name, tier)
			}
		}
		if len(m.Tiers) == 0 {
			t.Errorf("%s: nobody has it", m.Name)
		}
	}
}

func TestAMetricThatIsNotInTheTableIsABug(t *testing.T) {
	var nobody obs.Telemetry
	for what, make := range map[string]func(){
		"another name": func() { nobody.Counter("ccs.nothing") },
		"another kind": func() { nobody.Histogram(obs.JobsAccepted) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was made", what)
				}
			}()
			make()
		}()
	}
}

func TestWithoutAnybodyToTellNothingHappens(t *testing.T) {
	var nobody obs.Telemetry
	nobody.Counter(obs.JobsAccepted).Add(t.Context(), 1)
	nobody.Histogram(obs.StoreCommit).Record(t.Context(), 1)
	nobody.Gauge(obs.JobsLive, nil)
	ctx, span := nobody.Tracer().Start(t.Context(), "x")
	span.End()
	if parent := obs.TraceParent(ctx); parent != "" {
		t.Errorf("there is a trace: %s", parent)
	}
}
