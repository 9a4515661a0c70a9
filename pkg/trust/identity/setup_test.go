package identity_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

const domain = "demo.ccs"

func newCA(tb testing.TB, domain string) *identity.CA {
	tb.Helper()
	ca, err := identity.NewCA(domain, time.Hour, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return ca
}

func newID(tb testing.TB, domain string, role identity.Role, name string) identity.ID {
	tb.Helper()
	id, err := identity.NewID(domain, role, name)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// issue writes the files of a new identity into a new directory.
func issue(tb testing.TB, ca *identity.CA, role identity.Role, name string) identity.Files {
	tb.Helper()
	dir := tb.TempDir()
	f := identity.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: filepath.Join(dir, "ca.pem")}
	save(tb, credential(tb, ca, role, name), f)
	return f
}

func credential(tb testing.TB, ca *identity.CA, role identity.Role, name string) identity.Credential {
	tb.Helper()
	c, err := ca.IssueWithKey(identity.Request{ID: newID(tb, ca.Domain(), role, name), TTL: time.Hour}, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func save(tb testing.TB, c identity.Credential, f identity.Files) {
	tb.Helper()
	if err := c.Save(f); err != nil {
		tb.Fatal(err)
	}
}

// journal is a log to read in tests.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func source(tb testing.TB, f identity.Files, j *journal) *identity.Source {
	tb.Helper()
	s, err := identity.NewSource(f, j.logger())
	if err != nil {
		tb.Fatal(err)
	}
	s.LookAlways()
	return s
}

// newSource is the source of a new identity of the CA.
func newSource(tb testing.TB, ca *identity.CA, role identity.Role, name string) *identity.Source {
	tb.Helper()
	return source(tb, issue(tb, ca, role, name), &journal{})
}

// dial does one handshake on the loopback and one byte each way. It returns what
// each side says, and the client's certificate as the server saw it.
func dial(tb testing.TB, server, client *tls.Config) (clientErr, serverErr error, seen tls.ConnectionState) { //nolint:staticcheck // two errors, one of each side
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		c := tls.Server(raw, server)
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		err = c.Handshake()
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		if err == nil {
			seen = c.ConnectionState()
			_, err = c.Write([]byte{1})
		}
		done <- err
		_ = c.Close() // how the other side hung up is not asked here
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	c := tls.Client(raw, client)
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	clientErr = c.Handshake()
	if clientErr == nil {
		_, clientErr = c.Write([]byte{1})
	}
	if clientErr == nil { // in TLS 1.3 a client hears of its refusal only now
		_, clientErr = c.Read(make([]byte, 1))
	}
	_ = c.Close()
	serverErr = <-done
	return clientErr, serverErr, seen
}
