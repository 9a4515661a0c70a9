package setup

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// loiter opens n connections from an address and says words on each.
func loiter(t *testing.T, n int, from, to, words string) (all []net.Conn) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	for range n {
		conn, err := dialer.DialContext(t.Context(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, words) // it may have been sent away
		all = append(all, conn)
	}
	return all
}

// probe asks as an orchestrator does, which ends what does not answer soon.
func probe(t *testing.T, address string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	began := time.Now()
	if code, text := ask(t, client, "GET", "http://"+address+"/healthz"); code != http.StatusOK {
		t.Errorf("healthz is %d %q after %v", code, text, time.Since(began))
	}
}

func TestConnectionsThatAreHeldOpenDoNotBlindTheProbe(t *testing.T) {
	for _, words := range []string{"", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"} {
		for _, n := range []int{64, 200} {
			t.Run(fmt.Sprintf("%d that say %.1q", n, words), func(t *testing.T) {
				watchedAt(t, func(_ context.Context, _ Process, address string) {
					loiter(t, n, "127.0.0.1", address, words)
					probe(t, address)
					for i := range 8 { // and where they come from many addresses
						loiter(t, n/8, fmt.Sprintf("127.0.1.%d", i+1), address, words)
					}
					probe(t, address)
				}).wantExit(t, ExitOK)
			})
		}
	}
}

// A flood costs nobody the answer that is being made for him, nor, from another
// address, the connection on which he has not asked yet.
func TestWhoIsThereBeforeAFloodIsAnswered(t *testing.T) {
	watchedAt(t, func(_ context.Context, p Process, address string) {
		reading, end := make(chan struct{}), make(chan struct{})
		p.Telemetry.Gauge(obs.JobsLive, func(func(int64, ...attribute.KeyValue)) {
			close(reading)
			<-end
		})
		request := "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
		scraper := loiter(t, 1, "127.0.0.1", address, fmt.Sprintf(request, "metrics"))[0]
		<-reading
		waiting := loiter(t, 1, "127.0.0.2", address, "")[0]
		loiter(t, 200, "127.0.0.1", address, "")
		close(end)
		_, _ = fmt.Fprintf(waiting, request, "healthz")
		for who, conn := range map[string]net.Conn{"who scrapes": scraper, "who waits": waiting} {
			if text, err := io.ReadAll(conn); !strings.HasPrefix(string(text), "HTTP/1.1 200") {
				t.Errorf("%s gets %.80q (%v)", who, text, err)
			}
		}
	}).wantExit(t, ExitOK)
}

func TestTheEndDoesNotWaitForWhoAsksNothing(t *testing.T) {
	var ending time.Time
	watchedAt(t, func(_ context.Context, _ Process, address string) {
		loiter(t, 3, "127.0.0.1", address, "")
		probe(t, address) // came after them, so they are in
		ending = time.Now()
	}).wantExit(t, ExitOK)
	if took := time.Since(ending); took > monitorDraining/2 {
		t.Errorf("the end took %v", took)
	}
}

// caller is a connection from an address.
type caller struct {
	net.Conn
	from   string
	closed bool
}

func (c *caller) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(c.from), Port: 1}
}

func (c *caller) Close() error { c.closed = true; return nil }

func TestThereAreNeverTooManyAndTheLastOneIsAlwaysIn(t *testing.T) {
	var c crowd
	var all []*caller
	for i := range 1000 {
		one := &caller{from: fmt.Sprintf("10.0.0.%d", i*i%11)}
		all = append(all, one)
		c.admit(one)
		open := map[string]int{}
		total := 0
		for _, old := range all {
			if !old.closed {
				open[old.from]++
				total++
			}
		}
		if one.closed || open[one.from] > maxPerSource || total > maxGuests || total != len(c.all) {
			t.Fatalf("after %d: %d are open, %v (closed: %t)", i+1, total, open, one.closed)
		}
	}
	if quiet := (&caller{from: "10.0.1.1"}); !kept(&c, quiet, 500) {
		t.Error("who is alone at his address had to go for those of another")
	}
}

// kept reports whether who comes first is still in after n of another address.
func kept(c *crowd, first *caller, n int) bool {
	c.admit(first)
	for range n {
		c.admit(&caller{from: "10.0.2.2"})
	}
	return !first.closed
}

func TestWhenAllAreBeingAnsweredOneMoreIsSentAway(t *testing.T) {
	var c crowd
	for range maxPerSource {
		c.admit(&caller{from: "10.0.0.1"}).served = true
	}
	more, other := &caller{from: "10.0.0.1"}, &caller{from: "10.0.0.2"}
	c.admit(more)
	c.admit(other)
	if !more.closed || other.closed || len(c.all) != maxPerSource+1 {
		t.Errorf("one more: %t, of another address: %t, all: %d", more.closed, other.closed, len(c.all))
	}
}
