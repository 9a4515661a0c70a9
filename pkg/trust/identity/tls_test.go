package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestAPortAdmitsExactlyItsRoles(t *testing.T) {
	ca := newCA(t, domain)
	sources := map[identity.Role]*identity.Source{}
	for _, r := range identity.Roles() {
		sources[r] = newSource(t, ca, r, "x1")
	}
	for _, admit := range [][]identity.Role{{identity.User}, {identity.Access, identity.Issuer}, {identity.Host}} {
		port := sources[identity.Scheduler].ServerTLS(admit...)
		for r, s := range sources {
			clientErr, serverErr, seen := dial(t, port, s.ClientTLS(identity.Scheduler))
			belongs := strings.Contains(fmt.Sprint(admit), string(r))
			if belongs != (clientErr == nil) || belongs != (serverErr == nil) {
				t.Errorf("port of %v, dialled by %s: client %v, server %v", admit, r, clientErr, serverErr)
			}
			if belongs && (seen.Version != tls.VersionTLS13 || seen.DidResume || seen.PeerCertificates[0].URIs[0].String() != s.ID().String()) {
				t.Errorf("port of %v, dialled by %s: %+v", admit, r, seen)
			}
			if !belongs && (!errors.Is(serverErr, identity.ErrRefused) ||
				!strings.Contains(serverErr.Error(), s.ID().String()) || !strings.Contains(serverErr.Error(), string(admit[0]))) {
				t.Errorf("the refusal does not say who and for whom: %v", serverErr)
			}
		}
	}
}

func TestAClientTalksOnlyToWhomItExpects(t *testing.T) {
	ca := newCA(t, domain)
	host := newSource(t, ca, identity.Host, "h1")
	a1 := newSource(t, ca, identity.Aggregator, "a1")
	for name, tc := range map[string]struct {
		client *tls.Config
		say    string
	}{
		"role":           {host.ClientTLS(identity.Aggregator), ""},
		"role and name":  {host.ClientTLS(identity.Aggregator, "a2", "a1"), ""},
		"another role":   {host.ClientTLS(identity.Access), "it is spiffe://demo.ccs/aggregator/a1; admitted here: spiffe://demo.ccs/access/*"},
		"another name":   {host.ClientTLS(identity.Aggregator, "a2"), "admitted here: spiffe://demo.ccs/aggregator/a2"},
		"another domain": {newSource(t, newCA(t, "other.ccs"), identity.Host, "h1").ClientTLS(identity.Aggregator), "admitted here: spiffe://other.ccs"},
	} {
		clientErr, _, _ := dial(t, a1.ServerTLS(identity.Host), tc.client)
		if tc.say == "" && clientErr != nil {
			t.Errorf("%s: %v", name, clientErr)
		}
		if tc.say != "" && (!errors.Is(clientErr, identity.ErrRefused) || !strings.Contains(clientErr.Error(), tc.say)) {
			t.Errorf("%s: want %q, got %v", name, tc.say, clientErr)
		}
	}
}

func TestAHostsCertificateIsNoGoodForAServer(t *testing.T) {
	ca := newCA(t, domain)
	for _, r := range []identity.Role{identity.Host, identity.User, identity.Operator} {
		server, client := newSource(t, ca, r, "x"), newSource(t, ca, identity.Host, "h1")
		if err, _, _ := dial(t, server.ServerTLS(identity.Host), client.ClientTLS(r)); !errors.Is(err, identity.ErrRefused) {
			t.Errorf("%s: %v", r, err)
		}
	}
}

func TestStrangersAreRefusedAndTheLogSaysWhy(t *testing.T) {
	ca, foreign := newCA(t, domain), newCA(t, domain)
	var log journal
	port := source(t, issue(t, ca, identity.Scheduler, "s1"), &log).ServerTLS(identity.Access)
	anyServer := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	with := func(cert tls.Certificate) *tls.Config {
		c := anyServer.Clone()
		c.Certificates = []tls.Certificate{cert}
		return c
	}
	old := anyServer.Clone()
	old.MaxVersion = tls.VersionTLS12
	for name, tc := range map[string]struct {
		client *tls.Config
		say    string
	}{
		"no certificate":    {anyServer, "client didn't provide a certificate"},
		"TLS 1.2":           {old, "unsupported versions"},
		"a foreign CA":      {with(pair(t, credential(t, foreign, identity.Access, "a1"))), "spiffe://demo.ccs/access/a1 claims its certificate, but: x509: certificate signed by unknown authority"},
		"another domain":    {with(pair(t, credential(t, newCA(t, "other.ccs"), identity.Access, "a1"))), "x509: certificate signed by unknown authority"},
		"an expired one":    {with(pair(t, lateCredential(t, ca))), "certificate has expired"},
		"a self-signed one": {with(selfSigned(t, "spiffe://demo.ccs/access/a1")), "unknown authority"},
		"one without an id": {with(selfSigned(t, "https://demo.ccs")), "admitted here: spiffe://demo.ccs/access/*"},
	} {
		_, serverErr, _ := dial(t, port, tc.client)
		if serverErr == nil || !strings.Contains(serverErr.Error(), tc.say) {
			t.Errorf("%s: want %q, got %v", name, tc.say, serverErr)
		}
	}
	if !strings.Contains(log.String(), "peer refused") || strings.Count(log.String(), "\n") > 4 {
		t.Errorf("the log is not one line a second: %s", log.String())
	}
}

func TestADomainIsCheckedEvenIfItsCAIsTrusted(t *testing.T) {
	ca, other := newCA(t, domain), newCA(t, "other.ccs")
	f := issue(t, ca, identity.Scheduler, "s1")
	c := credential(t, ca, identity.Scheduler, "s1")
	c.CAPEM = append(c.CAPEM, other.PEM()...)
	save(t, c, f)
	client := newSource(t, other, identity.Access, "a1").ClientTLS(identity.Scheduler)
	client.VerifyConnection = nil
	_, serverErr, _ := dial(t, source(t, f, &journal{}).ServerTLS(identity.Access), client)
	if !errors.Is(serverErr, identity.ErrRefused) || !strings.Contains(serverErr.Error(), "it is spiffe://other.ccs/access/a1") {
		t.Error(serverErr)
	}
}

func TestTheIssuerIsReachedWithoutACertificate(t *testing.T) {
	ca := newCA(t, domain)
	port := newSource(t, ca, identity.Issuer, "i1").ServerTLSNoClientCert()
	client, err := identity.ClientTLSNoCert(ca.PEM(), domain, identity.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	if c, s, _ := dial(t, port, client); c != nil || s != nil {
		t.Errorf("%v, %v", c, s)
	}
	for name, p := range map[string]*tls.Config{
		"a foreign issuer": newSource(t, newCA(t, domain), identity.Issuer, "i1").ServerTLSNoClientCert(),
		"another role":     newSource(t, ca, identity.Access, "i1").ServerTLSNoClientCert(),
	} {
		if c, _, _ := dial(t, p, client); !errors.Is(c, identity.ErrRefused) {
			t.Errorf("%s: %v", name, c)
		}
	}
	if _, err := identity.ClientTLSNoCert([]byte("none"), domain, identity.Issuer); err == nil {
		t.Error("a CA without a certificate was taken")
	}
}

func pair(tb testing.TB, c identity.Credential) tls.Certificate {
	tb.Helper()
	p, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// lateCredential expired half an hour ago.
func lateCredential(tb testing.TB, ca *identity.CA) identity.Credential {
	tb.Helper()
	c, err := ca.IssueWithKey(identity.Request{ID: newID(tb, domain, identity.Access, "a1"), TTL: time.Minute}, time.Now().Add(-30*time.Minute))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func selfSigned(tb testing.TB, uri string) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), URIs: []*url.URL{u}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// BenchmarkMutualHandshake is one connection with both sides in this process.
func BenchmarkMutualHandshake(b *testing.B) {
	ca := newCA(b, domain)
	server := newSource(b, ca, identity.Aggregator, "a1").ServerTLS(identity.Host)
	client := newSource(b, ca, identity.Host, "h1").ClientTLS(identity.Aggregator)
	for b.Loop() {
		if c, s, _ := dial(b, server, client); c != nil || s != nil {
			b.Fatal(c, s)
		}
	}
}
