package setup

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// serving is a bench whose program is watched on a free port; get asks there.
func serving(t *testing.T, run func(ctx context.Context, p Process, get func(method, path string) (int, string))) *bench {
	t.Helper()
	return watchedAt(t, func(ctx context.Context, p Process, address string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		run(ctx, p, func(method, path string) (int, string) { return ask(t, client, method, "http://"+address+path) })
	})
}

// watchedAt is a bench whose program is told where it is watched.
func watchedAt(t *testing.T, run func(ctx context.Context, p Process, address string)) *bench {
	t.Helper()
	b := newBench(t)
	ready := filepath.Join(b.etc, "ready.json")
	b.environ = []string{"CCS_SCHEDULER_METRICS_LISTEN=127.0.0.1:0", "CCS_SCHEDULER_READY_FILE=" + ready, "CCS_SCHEDULER_TLS_CERT=x"}
	b.prog.Run = func(ctx context.Context, p Process, _ sample) error {
		if err := p.Ready(map[string]string{"listen": "127.0.0.1:7410"}); err != nil {
			t.Error(err)
		}
		content, err := os.ReadFile(ready)
		if err != nil {
			t.Error(err)
		}
		var said struct{ Addresses map[string]string }
		if err := json.Unmarshal(content, &said); err != nil || said.Addresses["listen"] == "" || said.Addresses["metrics_listen"] == "" {
			t.Errorf("the ready file says %s (%v)", content, err)
		}
		run(ctx, p, said.Addresses["metrics_listen"])
		return nil
	}
	return b
}

func ask(t *testing.T, client *http.Client, method, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()          //nolint:errcheck // it was read
	text, _ := io.ReadAll(answer.Body) // a request that is too long is not read to its end
	return answer.StatusCode, string(text)
}

func TestReadinessIsWhatTheProcessSaysOfItself(t *testing.T) {
	var why error
	serving(t, func(_ context.Context, p Process, get func(string, string) (int, string)) {
		for _, step := range []struct {
			do   func()
			code int
			text string
		}{
			{func() {}, 503, "starting\n"},
			{func() { why = errors.New("no shard map yet"); p.Check(func() error { return why }) }, 503, "no shard map yet\n"},
			{func() { why = nil }, 200, "ok\n"},
			{func() { why = obs.Unready{Text: "the store is full", Err: errors.New("/var/lib/ccs/ccs.db")} }, 503, "the store is full\n"},
		} {
			step.do()
			if code, text := get("GET", "/readyz"); code != step.code || text != step.text {
				t.Errorf("readyz is %d %q, want %d %q", code, text, step.code, step.text)
			}
			if code, text := get("GET", "/healthz"); code != 200 || text != "ok\n" {
				t.Errorf("healthz is %d %q", code, text)
			}
		}
	}).wantExit(t, ExitOK)
}

func TestAProcessThatWasToldToStopIsDrainingWhateverItSays(t *testing.T) {
	var b *bench
	b = serving(t, func(ctx context.Context, p Process, get func(string, string) (int, string)) {
		p.Check(func() error { return nil })
		if code, _ := get("GET", "/readyz"); code != 200 {
			t.Errorf("readyz is %d", code)
		}
		b.signals <- syscall.SIGTERM
		<-ctx.Done()
		if code, text := get("GET", "/readyz"); code != 503 || text != obs.ErrDraining.Error()+"\n" {
			t.Errorf("readyz is %d %q", code, text)
		}
		if code, _ := get("GET", "/healthz"); code != 200 {
			t.Error("it is dead while it drains")
		}
	})
	b.wantExit(t, ExitOK)
}

func TestMetricsAreThereWhileTheProgramRuns(t *testing.T) {
	expires := time.Unix(1800000000, 0)
	var after func(string, string) (int, string)
	serving(t, func(ctx context.Context, p Process, get func(string, string) (int, string)) {
		p.Expires(func() time.Time { return expires })
		p.Telemetry.Counter(obs.CommandsStarted).Add(ctx, 2)
		code, text := get("GET", "/metrics")
		for _, want := range []string{
			"\nccs_commands_started_total 2\n", "\nccs_certificate_expiry_seconds 1800000000\n",
			`service_name="ccs-scheduler"`, `service_version="` + Version() + `"`, "process_resident_memory_bytes",
		} {
			if code != 200 || !strings.Contains(text, want) {
				t.Errorf("%d without %q:\n%s", code, want, text)
			}
		}
		expires = time.Time{}
		if _, text := get("GET", "/metrics"); strings.Contains(text, "certificate_expiry") {
			t.Error("a process without a certificate says when it expires")
		}
		after = get
	}).wantExit(t, ExitOK)
	if code, text := after("GET", "/healthz"); code != 0 {
		t.Errorf("after the end: %d %q", code, text)
	}
}

func TestThePortIsForReadingAndForNothingElse(t *testing.T) {
	serving(t, func(_ context.Context, _ Process, get func(string, string) (int, string)) {
		for request, want := range map[[2]string]int{
			{"HEAD", "/healthz"}: 200, {"POST", "/metrics"}: 405, {"GET", "/"}: 404, {"GET", "/debug/pprof/"}: 404,
			{"GET", "/healthz?" + strings.Repeat("x", 2*maxHeader)}: 431,
		} {
			if code, text := get(request[0], request[1]); code != want {
				t.Errorf("%s %.20s: %d %.80q, want %d", request[0], request[1], code, text, want)
			}
		}
	}).wantExit(t, ExitOK)
}

func TestABusyMetricsPortIsToldBeforeAnythingIsDone(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	b := newBench(t)
	b.prog.MetricsListen = lis.Addr().String()
	b.environ = []string{"CCS_SCHEDULER_TLS_CERT=x"}
	b.prog.Run = func(context.Context, Process, sample) error { t.Error("it ran"); return nil }
	b.wantExit(t, ExitFailure)
	for _, want := range []string{"another process has " + lis.Addr().String(), "set metrics_listen to another address"} {
		if !strings.Contains(b.err.String(), want) {
			t.Errorf("it does not say %q: %s", want, b.err.String())
		}
	}
	b = newBench(t)
	b.prog.MetricsListen = lis.Addr().String()
	b.environ = []string{"CCS_SCHEDULER_TLS_CERT=x", "CCS_SCHEDULER_METRICS_LISTEN="}
	b.wantExit(t, ExitOK) // none
}

// A child that was just forked holds what its parent had, until it becomes
// another program.
func TestAMetricsPortThatIsGivenBackSoonIsWaitedFor(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(listenPatience/4, func() { _ = lis.Close() })
	m, err := openMonitor(t.Context(), lis.Addr().String(), http.NotFoundHandler(), newHealth(nil, slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.close(t.Context())
}

func TestFaultsOfTelemetryAreListedWithAllOthers(t *testing.T) {
	b := newBench(t)
	b.file(t, "metrics_listen: nowhere\notlp: {endpoint: 'http://x', insecure: true, ca: y}\ntrace: {ratio: 7, per_second: 0}\n")
	b.wantExit(t, ExitUsage)
	for _, want := range []string{`metrics_listen: "nowhere" must be`, "otlp.endpoint: ", "otlp.ca and otlp.insecure", "trace.ratio: 7 must be", "trace.per_second: 0 must be", "tls.cert"} {
		if !strings.Contains(b.err.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, b.err.String())
		}
	}
	b = newBench(t)
	b.file(t, "tls: {cert: x}\notlp: {endpoint: '127.0.0.1:4317', ca: /nowhere/ca.crt}\n")
	b.wantExit(t, ExitFailure)
	if !strings.Contains(b.err.String(), "cannot read otlp.ca") {
		t.Errorf("got %s", b.err.String())
	}
}
