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

func newCA(t testing.TB, domain string) *identity.CA {
	t.Helper()
	ca, err := identity.NewCA(domain, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func newID(t testing.TB, domain string, role identity.Role, name string) identity.ID {
	t.Helper()
	id, err := identity.NewID(domain, role, name)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// issue writes the files of a new identity into a new directory.
func issue(t testing.TB, ca *identity.CA, role identity.Role, name string) identity.Files {
	t.Helper()
	dir := t.TempDir()
	f := identity.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: filepath.Join(dir, "ca.pem")}
	save(t, credential(t, ca, role, name), f)
	return f
}

func credential(t testing.TB, ca *identity.CA, role identity.Role, name string) identity.Credential {
	t.Helper()
	c, err := ca.IssueWithKey(identity.Request{ID: newID(t, ca.Domain(), role, name), TTL: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func save(t testing.TB, c identity.Credential, f identity.Files) {
	t.Helper()
	if err := c.Save(f); err != nil {
		t.Fatal(err)
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

func source(t testing.TB, f identity.Files, j *journal) *identity.Source {
	t.Helper()
	s, err := identity.NewSource(f, j.logger())
	if err != nil {
		t.Fatal(err)
	}
	s.LookAlways()
	return s
}

// newSource is the source of a new identity of the CA.
func newSource(t testing.TB, ca *identity.CA, role identity.Role, name string) *identity.Source {
	t.Helper()
	return source(t, issue(t, ca, role, name), &journal{})
}

// dial does one handshake on the loopback and one byte each way. It returns what
// each side says, and the client's certificate as the server saw it.
func dial(t testing.TB, server, client *tls.Config) (clientErr, serverErr error, seen tls.ConnectionState) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
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
		t.Fatal(err)
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
