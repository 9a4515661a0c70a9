package export

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"

	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// book is a log that a test reads.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) count(words string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), words)
}

// await waits until the words are there.
func (b *book) await(t *testing.T, words string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); b.count(words) == 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("nobody said %q", words)
		}
	}
}

func tracing(t *testing.T, c Config) (*Export, *book) {
	t.Helper()
	var b book
	if c.Trace.Ratio == 0 {
		c.Trace.Ratio = 1
	}
	c.Trace.PerSecond = 1_000_000 // what is limited has tests of its own
	e, err := Open(c, Service{Name: "ccs-test", Version: "v1"}, slog.New(slog.NewTextHandler(&b, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return e, &b
}

// span makes one and ends it.
func span(ctx context.Context, e *Export, name string) {
	_, s := e.Telemetry().Tracer().Start(ctx, name)
	s.End()
}

func closed(t *testing.T, e *Export, budget time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), budget)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

// await waits for a batch.
func await(t *testing.T, s *obstest.Collector) {
	t.Helper()
	select {
	case <-s.News:
	case <-time.After(20 * time.Second):
		t.Fatal("no span came")
	}
}

// names lists the spans that came, by service.
func names(s *obstest.Collector) (spans []string) {
	for _, one := range s.Spans() {
		spans = append(spans, one.Service+" "+one.Name)
	}
	return spans
}

func TestSpansReachTheCollectorWithTheNameOfTheirService(t *testing.T) {
	s := obstest.NewCollector(t, "127.0.0.1:0")
	e, log := tracing(t, Config{OTLP: OTLP{Endpoint: s.Address, Insecure: true}})
	span(t.Context(), e, "one")
	await(t, s) // soon, and not only at the end
	span(t.Context(), e, "two")
	closed(t, e, 5*time.Second)
	if got := names(s); !slices.Equal(got, []string{"ccs-test one", "ccs-test two"}) {
		t.Errorf("got %q", got)
	}
	if log.count("WARN") > 0 {
		t.Errorf("it complained: %s", log.text.String())
	}
	span(t.Context(), e, "too late") // nobody hears it, and nothing breaks
}

func TestACollectorThatIsAwayHoldsNothingUp(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := lis.Addr().String()
	_ = lis.Close()
	e, log := tracing(t, Config{OTLP: OTLP{Endpoint: address, Insecure: true}})
	began := time.Now()
	for range 10 * maxQueue {
		span(t.Context(), e, "unheard")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%d spans took %v", 10*maxQueue, took)
	}
	began = time.Now()
	closed(t, e, time.Minute)
	if took := time.Since(began); took > time.Second {
		t.Errorf("the end took %v", took)
	}
	if n := log.count("traces cannot be sent"); n != 1 {
		t.Errorf("it was told %d times: %s", n, log.text.String())
	}
}

// A collector that takes what it is sent and answers nothing, and one that does
// not even say that it is a gRPC server: neither keeps a process from its end,
// which its supervisor waits for.
func TestACollectorThatIsSilentHoldsNothingUp(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	silent := obstest.NewSilentCollector(t)
	for what, address := range map[string]string{"mute": mute.Addr().String(), "silent": silent.Address} {
		e, log := tracing(t, Config{OTLP: OTLP{Endpoint: address, Insecure: true}})
		span(t.Context(), e, "unanswered")
		if what == "silent" {
			await(t, silent) // the batch is under way
		} else {
			awaitConnecting(t, e)
		}
		span(t.Context(), e, "last")
		began := time.Now()
		closed(t, e, time.Minute)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: the end took %v", what, took)
		}
		if n := log.count("traces cannot be sent"); n != 1 {
			t.Errorf("%s: it was told %d times: %s", what, n, log.text.String())
		}
	}
}

// awaitConnecting waits until somebody has tried to reach the collector.
func awaitConnecting(t *testing.T, e *Export) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if !e.traces.conn.WaitForStateChange(ctx, connectivity.Idle) {
		t.Fatal("nobody has tried to reach the collector")
	}
}

// Once it has failed it is not tried again for the last spans.
func TestACollectorThatTookNothingGetsNoLastSpans(t *testing.T) {
	s := obstest.NewCollector(t, "127.0.0.1:0")
	e, _ := tracing(t, Config{OTLP: OTLP{Endpoint: s.Address, Insecure: true}})
	e.traces.outlet.failed.Store(true)
	span(t.Context(), e, "last")
	closed(t, e, time.Minute)
	if got := names(s); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// What is in the environment is somebody else's: a process is what its own
// configuration says.
func TestTheEnvironmentChangesNothing(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_RESOURCE_ATTRIBUTES": "host.name=stolen,service.name=other", "OTEL_SERVICE_NAME": "other", "OTEL_TRACES_SAMPLER": "always_off",
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1", "OTEL_ATTRIBUTE_COUNT_LIMIT": "1", "OTEL_BSP_MAX_QUEUE_SIZE": "1",
		"OTEL_BSP_SCHEDULE_DELAY": "3600000", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	s := obstest.NewCollector(t, "127.0.0.1:0")
	e, _ := tracing(t, Config{OTLP: OTLP{Endpoint: s.Address, Insecure: true}})
	_, one := e.Telemetry().Tracer().Start(t.Context(), "one")
	one.SetAttributes(attribute.String("a", "1"), attribute.String("b", "2"), attribute.String("c", "3"))
	one.End()
	await(t, s)
	closed(t, e, 5*time.Second)
	got := s.Spans()
	if len(got) != 1 || len(got[0].Attributes) != 3 {
		t.Fatalf("got %v", got)
	}
	if r := got[0].Resource; len(r) != 3 || r["service.name"] != "ccs-test" || r["service.version"] != "v1" || r["service.instance.id"] == "" {
		t.Errorf("it says of its process %v", r)
	}
}

func TestTracesBeginHereAtTheRateOfTheConfiguration(t *testing.T) {
	s := obstest.NewCollector(t, "127.0.0.1:0")
	e, err := Open(Config{OTLP: OTLP{Endpoint: s.Address, Insecure: true}, Trace: Trace{Ratio: 1, PerSecond: 3}}, Service{Name: "ccs-test"}, silent())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 500 {
		span(t.Context(), e, "one of many")
	}
	most := 3 + int(3*time.Since(began).Seconds()) + 1
	await(t, s)
	closed(t, e, 5*time.Second)
	if n := len(s.Spans()); n < 3 || n > most {
		t.Errorf("%d of 500 traces began, want 3 to %d", n, most)
	}
}

func TestACollectorThatComesLaterGetsTheSpansOfThen(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := lis.Addr().String()
	_ = lis.Close()
	e, log := tracing(t, Config{OTLP: OTLP{Endpoint: address, Insecure: true}})
	span(t.Context(), e, "lost")
	log.await(t, "traces cannot be sent")
	s := obstest.NewCollector(t, address)
	span(t.Context(), e, "found")
	log.await(t, "traces are sent again")
	closed(t, e, 5*time.Second)
	if got := names(s); !slices.Equal(got, []string{"ccs-test found"}) {
		t.Errorf("got %q, and the log is\n%s", got, log.text.String())
	}
}

func TestACollectorIsAskedForItsCertificate(t *testing.T) {
	now := time.Now()
	ca, err := identity.NewCA("demo.ccs", time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.NewID("demo.ccs", identity.Access, "collector")
	if err != nil {
		t.Fatal(err)
	}
	cred, err := ca.IssueWithKey(identity.Request{ID: id, TTL: time.Hour, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}, now)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := identity.Files{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	if err := cred.Save(files); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	shown := grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}))
	s := obstest.NewCollector(t, "127.0.0.1:0", shown)
	good, _ := tracing(t, Config{OTLP: OTLP{Endpoint: s.Address, CA: files.CA}})
	span(t.Context(), good, "one")
	await(t, s)
	closed(t, good, 5*time.Second)
	stranger, _ := tracing(t, Config{OTLP: OTLP{Endpoint: s.Address}}) // the system's CAs do not know it
	span(t.Context(), stranger, "two")
	closed(t, stranger, time.Second)
	if got := names(s); !slices.Equal(got, []string{"ccs-test one"}) {
		t.Errorf("got %q", got)
	}
}

func TestARequestWithATraceGoesOnWithItWhateverTheRatio(t *testing.T) {
	e, _ := tracing(t, Config{OTLP: OTLP{Endpoint: obstest.NewCollector(t, "127.0.0.1:0").Address, Insecure: true}, Trace: Trace{Ratio: 1e-12}})
	defer closed(t, e, 5*time.Second)
	_, alone := e.Telemetry().Tracer().Start(t.Context(), "alone")
	defer alone.End()
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true})
	_, child := e.Telemetry().Tracer().Start(trace.ContextWithRemoteSpanContext(t.Context(), parent), "child")
	defer child.End()
	if alone.SpanContext().IsSampled() || !child.SpanContext().IsSampled() || child.SpanContext().TraceID() != parent.TraceID() {
		t.Errorf("alone: %v, child: %v", alone.SpanContext(), child.SpanContext())
	}
}

func TestAFaultyConfigSaysEveryFault(t *testing.T) {
	one := Trace{PerSecond: 1}
	for _, c := range []struct {
		config Config
		named  string
	}{
		{Config{Trace: one}, ""},
		{Config{OTLP: OTLP{Endpoint: "collector:4317", CA: "x"}, Trace: Trace{Ratio: 1, PerSecond: 10_000}}, ""},
		{Config{OTLP: OTLP{Endpoint: "[::1]:4317", Insecure: true}, Trace: Trace{Ratio: 0.5, PerSecond: 10}}, ""},
		{Config{OTLP: OTLP{CA: "x", Insecure: true}, Trace: Trace{Ratio: 2}}, "otlp.endpoint otlp.insecure trace.ratio trace.per_second"},
		{Config{OTLP: OTLP{Endpoint: "http://collector:4317"}, Trace: Trace{Ratio: -1, PerSecond: -1}}, "otlp.endpoint trace.ratio trace.per_second"},
		{Config{Trace: Trace{Ratio: math.NaN(), PerSecond: 10_001}}, "trace.ratio trace.per_second"},
		{Config{OTLP: OTLP{Endpoint: "collector"}, Trace: one}, "otlp.endpoint"},
		{Config{OTLP: OTLP{Endpoint: ":4317"}, Trace: one}, "otlp.endpoint"},
		{Config{OTLP: OTLP{Endpoint: "collector:0"}, Trace: one}, "otlp.endpoint"},
		{Config{OTLP: OTLP{Endpoint: "collector:http"}, Trace: one}, "otlp.endpoint"},
	} {
		err := c.config.Validate()
		if (err == nil) != (c.named == "") {
			t.Errorf("%+v: %v", c.config, err)
		}
		for key := range strings.FieldsSeq(c.named) {
			if err != nil && !strings.Contains(err.Error(), key) {
				t.Errorf("%+v: %v does not name %s", c.config, err, key)
			}
		}
	}
}

func TestACAThatCannotBeReadIsAnErrorAtTheStart(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{empty: "holds no certificate", empty + ".none": "no such file"} {
		_, err := Open(Config{OTLP: OTLP{Endpoint: "127.0.0.1:4317", CA: path}}, Service{}, silent())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "otlp.ca") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
