package export

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

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

func tracing(t *testing.T, c Config) (*Export, *book) {
	t.Helper()
	var b book
	if c.Trace.Ratio == 0 {
		c.Trace.Ratio = 1
	}
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

func TestSpansReachTheCollectorWithTheNameOfTheirService(t *testing.T) {
	s, address := newSink(t, "127.0.0.1:0")
	e, log := tracing(t, Config{OTLP: OTLP{Endpoint: address, Insecure: true}})
	span(t.Context(), e, "one")
	s.await(t) // soon, and not only at the end
	span(t.Context(), e, "two")
	closed(t, e, 5*time.Second)
	if got := s.names(); !slices.Equal(got, []string{"ccs-test one", "ccs-test two"}) {
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
	closed(t, e, 100*time.Millisecond)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the end took %v", took)
	}
	if n := log.count("traces cannot be sent"); n != 1 {
		t.Errorf("it was told %d times: %s", n, log.text.String())
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
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); log.count("traces cannot be sent") == 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("nobody said that the collector is away")
		}
	}
	s, _ := newSink(t, address)
	span(t.Context(), e, "found")
	s.await(t)
	closed(t, e, 5*time.Second)
	if got := s.names(); !slices.Equal(got, []string{"ccs-test found"}) || log.count("traces are sent again") != 1 {
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
	s, address := newSink(t, "127.0.0.1:0", shown)
	good, _ := tracing(t, Config{OTLP: OTLP{Endpoint: address, CA: files.CA}})
	span(t.Context(), good, "one")
	s.await(t)
	closed(t, good, 5*time.Second)
	stranger, _ := tracing(t, Config{OTLP: OTLP{Endpoint: address}}) // the system's CAs do not know it
	span(t.Context(), stranger, "two")
	closed(t, stranger, time.Second)
	if got := s.names(); !slices.Equal(got, []string{"ccs-test one"}) {
		t.Errorf("got %q", got)
	}
}

func TestARequestWithATraceGoesOnWithItWhateverTheRatio(t *testing.T) {
	_, address := newSink(t, "127.0.0.1:0")
	e, _ := tracing(t, Config{OTLP: OTLP{Endpoint: address, Insecure: true}, Trace: Trace{Ratio: 1e-12}})
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
	for _, c := range []struct {
		config Config
		named  string
	}{
		{Config{}, ""},
		{Config{OTLP: OTLP{Endpoint: "collector:4317", CA: "x"}, Trace: Trace{Ratio: 1}}, ""},
		{Config{OTLP: OTLP{Endpoint: "[::1]:4317", Insecure: true}, Trace: Trace{Ratio: 0.5}}, ""},
		{Config{OTLP: OTLP{CA: "x", Insecure: true}, Trace: Trace{Ratio: 2}}, "otlp.endpoint otlp.insecure trace.ratio"},
		{Config{OTLP: OTLP{Endpoint: "http://collector:4317"}, Trace: Trace{Ratio: -1}}, "otlp.endpoint trace.ratio"},
		{Config{OTLP: OTLP{Endpoint: "collector"}}, "otlp.endpoint"},
		{Config{OTLP: OTLP{Endpoint: ":4317"}}, "otlp.endpoint"},
		{Config{OTLP: OTLP{Endpoint: "collector:0"}}, "otlp.endpoint"},
		{Config{OTLP: OTLP{Endpoint: "collector:http"}}, "otlp.endpoint"},
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
