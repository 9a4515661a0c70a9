package etcdserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ccs-project/ccs/internal/etcdserver"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/etcd"
)

// authority signs certificates for 127.0.0.1 and writes them to files.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) sign(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".crt", "CERTIFICATE", der)
	a.write(t, name+".key", "PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) leaf(t *testing.T, name string) {
	t.Helper()
	a.sign(t, name, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// identity returns what a client of a shows, trusting a's server.
func (a *authority) identity(t *testing.T, name string, trust *authority) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(trust.cert)
	cfg := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
	if name != "" {
		cert, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg
}

func tryPut(t *testing.T, endpoint string, identity *tls.Config) error {
	t.Helper()
	cfg := etcd.DefaultConfig()
	cfg.Endpoints, cfg.RequestTimeout = []string{endpoint}, 2*time.Second
	c, err := etcd.New(cfg, identity, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the put is what counts
	return c.Put(t.Context(), "k", []byte("v"))
}

func TestOnlyAClientOfItsAuthorityIsServed(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	ours.leaf(t, "server")
	ours.leaf(t, "scheduler")
	foreign.leaf(t, "scheduler")
	s, err := etcdserver.Start(t.Context(), etcdserver.Config{
		Dir: filepath.Join(t.TempDir(), "data"), NoSync: true,
		Cert: ours.path("server.crt"), Key: ours.path("server.key"), CA: ours.path("ca.crt"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := tryPut(t, s.Endpoint(), ours.identity(t, "scheduler", ours)); err != nil {
		t.Errorf("its own client: %v", err)
	}
	if err := tryPut(t, "https://"+s.Endpoint(), ours.identity(t, "scheduler", ours)); err != nil {
		t.Errorf("its own client with a URL: %v", err)
	}
	for who, identity := range map[string]*tls.Config{
		"a client of a foreign authority": foreign.identity(t, "scheduler", ours),
		"a client without certificate":    ours.identity(t, "", ours),
		"a client that trusts another":    ours.identity(t, "scheduler", foreign),
		"a client without TLS":            nil,
	} {
		if err := tryPut(t, s.Endpoint(), identity); !errors.Is(err, coord.ErrAway) {
			t.Errorf("%s: %v, want ErrAway", who, err)
		}
	}
}

func TestABadConfigurationIsRefused(t *testing.T) {
	for want, cfg := range map[string]etcdserver.Config{
		"all or none":   {Dir: t.TempDir(), Cert: "x"},
		"host:port":     {Dir: t.TempDir(), Listen: "nowhere"},
		"no such file":  {Dir: t.TempDir(), Cert: "/none", Key: "/none", CA: "/none"},
		"already ended": {Dir: t.TempDir()},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("already ended"))
		s, err := etcdserver.Start(ctx, cfg)
		if err == nil { // it may have been ready at once
			s.Close()
			if want != "already ended" {
				t.Errorf("%+v: started", cfg)
			}
		}
	}
}

func TestItGoesOnWithWhatItHad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for round := range 2 {
		s, err := etcdserver.Start(t.Context(), etcdserver.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		cfg := etcd.DefaultConfig()
		cfg.Endpoints = []string{s.Endpoint()}
		c, err := etcd.New(cfg, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.Get(t.Context(), "k")
		if err != nil || len(v.Items) != round {
			t.Errorf("round %d: %q, %v", round, v.Items, err)
		}
		if err := c.Put(t.Context(), "k", []byte("v")); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		s.Close()
		s.Close()
	}
}
