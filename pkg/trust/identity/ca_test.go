package identity_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func parseCert(tb testing.TB, text []byte) *x509.Certificate {
	tb.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		tb.Fatal("no PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestACertificateSaysWhoAndForHowLong(t *testing.T) {
	ca, now := newCA(t, domain), time.Now().Truncate(time.Second)
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("h", 128)
	for _, r := range identity.Roles() {
		name := "x1"
		if r == identity.Host {
			name = long
		}
		text, err := ca.Issue(identity.Request{
			ID: newID(t, domain, r, name), Key: key.Public().(ed25519.PublicKey), TTL: time.Minute,
			IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, DNS: []string{"localhost"},
		}, now)
		if err != nil {
			t.Fatal(err)
		}
		c := parseCert(t, text)
		if !c.NotBefore.Equal(now.Add(-identity.Backdate)) || !c.NotAfter.Equal(now.Add(time.Minute)) || c.IsCA || len(c.Subject.CommonName) > 64 {
			t.Errorf("%s: %s to %s, CA %v", r, c.NotBefore, c.NotAfter, c.IsCA)
		}
		if c.VerifyHostname("127.0.0.1") != nil || c.VerifyHostname("localhost") != nil || !key.Public().(ed25519.PublicKey).Equal(c.PublicKey) {
			t.Errorf("%s: names or key are missing", r)
		}
		if got, err := identity.ParseID(c.URIs[0].String()); err != nil || got.Role != r || got.Name != name {
			t.Errorf("%s: %v %v", r, got, err)
		}
	}
}

func TestACertificateEndsWithItsCA(t *testing.T) {
	ca := newCA(t, domain) // good for an hour
	c, err := ca.IssueWithKey(identity.Request{ID: newID(t, domain, identity.Host, "h1"), TTL: 48 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if end := parseCert(t, c.CertPEM).NotAfter; !end.Equal(parseCert(t, ca.PEM()).NotAfter) {
		t.Errorf("ends at %s", end)
	}
}

func TestWhatACACannotCertifyIsRefusedWithAReason(t *testing.T) {
	ca := newCA(t, domain)
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	good := identity.Request{ID: newID(t, domain, identity.Host, "h1"), Key: key.Public().(ed25519.PublicKey), TTL: time.Hour}
	for say, spoil := range map[string]func(*identity.Request, *time.Time){
		"this is the CA of demo.ccs": func(r *identity.Request, _ *time.Time) { r.ID.Domain = "other.ccs" },
		"role \"root\"":              func(r *identity.Request, _ *time.Time) { r.ID.Role = "root" },
		"name \"\"":                  func(r *identity.Request, _ *time.Time) { r.ID.Name = "" },
		"its key has 31 bytes":       func(r *identity.Request, _ *time.Time) { r.Key = r.Key[1:] },
		"must be positive":           func(r *identity.Request, _ *time.Time) { r.TTL = 0 },
		"the CA expired":             func(_ *identity.Request, now *time.Time) { *now = now.Add(time.Hour + time.Second) },
	} {
		r, now := good, time.Now()
		spoil(&r, &now)
		if _, err := ca.Issue(r, now); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("want %q, got %v", say, err)
		}
	}
	if _, err := identity.NewCA("Not A Domain", time.Hour, time.Now()); !errors.Is(err, identity.ErrBadID) {
		t.Error(err)
	}
	if _, err := identity.NewCA(domain, 0, time.Now()); err == nil {
		t.Error("a CA without a life was made")
	}
}

func TestACAComesBackFromItsFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	ca := newCA(t, domain)
	if err := ca.Save(cert, key); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is readable by others: %v", err)
	}
	got, err := identity.LoadCA(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if got.Domain() != domain || !bytes.Equal(got.PEM(), ca.PEM()) {
		t.Errorf("another CA came back: %s", got.Domain())
	}
	port := newSource(t, ca, identity.Access, "a1").ServerTLS(identity.User)
	if c, s, _ := dial(t, port, newSource(t, got, identity.User, "ann").ClientTLS(identity.Access)); c != nil || s != nil {
		t.Errorf("%v, %v", c, s)
	}
	leaf := issue(t, ca, identity.Access, "a1")
	other := filepath.Join(dir, "other.key")
	if err := newCA(t, domain).Save(filepath.Join(dir, "other.pem"), other); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string][2]string{
		"missing": {cert + "x", key}, "key of another": {cert, other}, "a leaf": {leaf.Cert, leaf.Key}, "swapped": {key, cert}, "no key": {cert, cert},
	} {
		if _, err := identity.LoadCA(f[0], f[1]); err == nil || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ca.Save(filepath.Join(dir, "none", "ca.pem"), key); err == nil {
		t.Error("saved into a directory that is not there")
	}
}

func TestARequestProvesPossessionOfAnEd25519Key(t *testing.T) {
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := identity.NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := identity.CSRKey(der); err != nil || !got.Equal(key.Public()) {
		t.Errorf("%x %v", got, err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.Clone(der)
	forged[len(forged)-1] ^= 1
	for say, bad := range map[string][]byte{
		"type ECDSA": csr(t, ec), "type RSA": csr(t, rs), "not signed by its own key": forged,
		"asn1": []byte("nonsense"), "at most 8192": make([]byte, 8193),
	} {
		if _, err := identity.CSRKey(bad); !errors.Is(err, identity.ErrBadCSR) || !strings.Contains(err.Error(), say) {
			t.Errorf("want %q, got %v", say, err)
		}
	}
}

func csr(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
