package identity_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestNobodyIsTurnedAwayWhileCertificatesChange(t *testing.T) {
	ca := newCA(t, domain)
	files := issue(t, ca, identity.Aggregator, "a1")
	var log journal
	server := source(t, files, &log)
	port := server.ServerTLS(identity.Host)
	var fresh []identity.Credential
	for range 10 {
		fresh = append(fresh, credential(t, ca, identity.Aggregator, "a1"))
	}
	var dialling sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		client := newSource(t, ca, identity.Host, "h1").ClientTLS(identity.Aggregator, "a1")
		dialling.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c, s, _ := dial(t, port, client); c != nil || s != nil {
					t.Errorf("turned away: %v, %v", c, s)
				}
			}
		})
	}
	for _, c := range fresh {
		save(t, c, files)
		if server.NotAfter().IsZero() {
			t.Error("no certificate is in force")
		}
	}
	close(stop)
	dialling.Wait()
	last := parseCert(t, fresh[len(fresh)-1].CertPEM)
	if !server.NotAfter().Equal(last.NotAfter) || !strings.Contains(log.String(), "identity files reloaded") {
		t.Errorf("the last certificate is not in force: %s", log.String())
	}
}

func TestARevokedCAStopsAClientAtItsNextDial(t *testing.T) {
	ca := newCA(t, domain)
	files := issue(t, ca, identity.Host, "h1")
	client := source(t, files, &journal{}).ClientTLS(identity.Aggregator)
	port := newSource(t, ca, identity.Aggregator, "a1").ServerTLS(identity.Host)
	if c, s, _ := dial(t, port, client); c != nil || s != nil {
		t.Fatal(c, s)
	}
	write(t, files.CA, string(newCA(t, domain).PEM()))
	if c, _, _ := dial(t, port, client); !errors.Is(c, identity.ErrRefused) {
		t.Errorf("the client still trusts the old CA: %v", c)
	}
}

func TestAPortThatAdmitsNobodyAdmitsNobody(t *testing.T) {
	ca := newCA(t, domain)
	port := newSource(t, ca, identity.Aggregator, "a1").ServerTLS()
	if _, s, _ := dial(t, port, newSource(t, ca, identity.Host, "h1").ClientTLS(identity.Aggregator)); !errors.Is(s, identity.ErrRefused) {
		t.Error(s)
	}
}

func TestAUseThatCannotBeWrittenIsNotGranted(t *testing.T) {
	g := webHosts()
	g.Uses = 1
	d := newDesk(t, g)
	if err := d.book.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.joins("web1.bj01", 1); err == nil || errors.Is(err, identity.ErrBadToken) {
		t.Errorf("it must be the book's fault, not the token's: %v", err)
	}
	d.open(t)
	if err := d.joins("web1.bj01", 1); err != nil {
		t.Errorf("the use was counted all the same: %v", err)
	}
}

func TestACredentialThatCannotBeWrittenSaysWhere(t *testing.T) {
	c := credential(t, newCA(t, domain), identity.Host, "h1")
	for _, spoil := range []func(*identity.Files) string{
		func(f *identity.Files) string { f.Cert = "/nowhere/cert.pem"; return f.Cert },
		func(f *identity.Files) string { f.Key = "/nowhere/key.pem"; return f.Key },
		func(f *identity.Files) string { f.CA = "/nowhere/ca.pem"; return f.CA },
	} {
		f := issue(t, newCA(t, domain), identity.Host, "h1")
		path := spoil(&f)
		if err := c.Save(f); err == nil || !strings.Contains(err.Error(), "cannot write "+path) {
			t.Errorf("does not say %s: %v", path, err)
		}
	}
}
