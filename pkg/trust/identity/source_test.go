package identity_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestFilesThatAreNotNamedAreAllSaid(t *testing.T) {
	err := identity.Files{}.Validate()
	for _, key := range []string{"tls.cert", "tls.key", "tls.ca"} {
		if err == nil || !strings.Contains(err.Error(), key+" is not set") {
			t.Errorf("does not say %s: %v", key, err)
		}
	}
	if err := (identity.Files{Cert: "c", Key: "k", CA: "a"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestASourceThatCannotLoadSaysWhichFile(t *testing.T) {
	ca := newCA(t, domain)
	for name, spoil := range map[string]func(f *identity.Files){
		"not set": func(f *identity.Files) { f.Cert = "" },
		"cert":    func(f *identity.Files) { f.Cert += ".missing" },
		"key":     func(f *identity.Files) { write(t, f.Key, "nonsense") },
		"ca.pem":  func(f *identity.Files) { write(t, f.CA, "nonsense") },
	} {
		f := issue(t, ca, identity.Access, "a1")
		spoil(&f)
		if _, err := identity.NewSource(f, (&journal{}).logger()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := issue(t, ca, identity.Access, "a1")
	f.Key = issue(t, ca, identity.Access, "a1").Key
	if _, err := identity.NewSource(f, (&journal{}).logger()); err == nil {
		t.Error("a key of another certificate was taken")
	}
	f.Cert = f.CA // names no identity with a role
	if _, err := identity.NewSource(f, (&journal{}).logger()); err == nil {
		t.Error("the CA's certificate was taken for one's own")
	}
}

func TestAPrivateKeyIsForItsOwnerAlone(t *testing.T) {
	f := issue(t, newCA(t, domain), identity.Access, "a1")
	info, err := os.Stat(f.Key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestANewCertificateIsServedWithoutARestart(t *testing.T) {
	ca := newCA(t, domain)
	files := issue(t, ca, identity.Aggregator, "a1")
	var log journal
	s := source(t, files, &log)
	port, client := s.ServerTLS(identity.Host), newSource(t, ca, identity.Host, "h1").ClientTLS(identity.Aggregator)
	before := served(t, port, client)
	if !bytes.Equal(before, served(t, port, client)) {
		t.Error("the certificate changed by itself")
	}
	save(t, credential(t, ca, identity.Aggregator, "a1"), files)
	if bytes.Equal(before, served(t, port, client)) {
		t.Error("the old certificate is still served")
	}
	if strings.Count(log.String(), "identity files reloaded") != 1 {
		t.Errorf("log: %s", log.String())
	}
}

// served is the certificate that the port shows.
func served(t *testing.T, port, client *tls.Config) []byte {
	t.Helper()
	var cert []byte
	c := client.Clone()
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		cert = cs.PeerCertificates[0].Raw
		return client.VerifyConnection(cs)
	}
	if err, _, _ := dial(t, port, c); err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestANewCAIsTrustedWithoutARestart(t *testing.T) {
	old, next := newCA(t, domain), newCA(t, domain)
	files := issue(t, old, identity.Aggregator, "a1")
	port := source(t, files, &journal{}).ServerTLS(identity.Host)
	hostFiles := issue(t, old, identity.Host, "h1")
	host := source(t, hostFiles, &journal{})
	for step, change := range []func(){
		func() {},
		func() {
			both := append(next.PEM(), old.PEM()...)
			write(t, files.CA, string(both))
			write(t, hostFiles.CA, string(both))
		},
		func() { save(t, trusting(credential(t, next, identity.Host, "h1"), old), hostFiles) },
		func() { save(t, credential(t, next, identity.Aggregator, "a1"), files) },
		func() { write(t, hostFiles.CA, string(next.PEM())) },
	} {
		change()
		if c, s, _ := dial(t, port, host.ClientTLS(identity.Aggregator)); c != nil || s != nil {
			t.Errorf("step %d: %v, %v", step, c, s)
		}
	}
	stray := newSource(t, old, identity.Host, "h2").ClientTLS(identity.Aggregator)
	stray.VerifyConnection = nil
	if _, s, _ := dial(t, port, stray); !errors.Is(s, identity.ErrRefused) {
		t.Errorf("the old CA is still trusted: %v", s)
	}
}

// trusting adds another CA.
func trusting(c identity.Credential, ca *identity.CA) identity.Credential {
	c.CAPEM = append(c.CAPEM, ca.PEM()...)
	return c
}

func TestFilesThatCannotBeUsedLeaveTheOldOnesInForce(t *testing.T) {
	ca := newCA(t, domain)
	for name, spoil := range map[string]func(identity.Files){
		"nonsense":            func(f identity.Files) { write(t, f.Cert, "nonsense") },
		"another's key":       func(f identity.Files) { write(t, f.Key, string(credential(t, ca, identity.Aggregator, "a1").KeyPEM)) },
		"no CA":               func(f identity.Files) { write(t, f.CA, "") },
		"a file that is gone": func(f identity.Files) { remove(t, f.Key) },
		"another identity":    func(f identity.Files) { save(t, credential(t, ca, identity.Aggregator, "a2"), f) },
	} {
		t.Run(name, func(t *testing.T) {
			files := issue(t, ca, identity.Aggregator, "a1")
			var log journal
			s := source(t, files, &log)
			port, client := s.ServerTLS(identity.Host), newSource(t, ca, identity.Host, "h1").ClientTLS(identity.Aggregator, "a1")
			before := served(t, port, client)
			spoil(files)
			for range 3 {
				if !bytes.Equal(before, served(t, port, client)) {
					t.Error("the old certificate is not served any more")
				}
			}
			if n := strings.Count(log.String(), "the old ones stay in force"); n != 1 || strings.Contains(log.String(), "PRIVATE") {
				t.Errorf("the log does not say it once: %s", log.String())
			}
			save(t, credential(t, ca, identity.Aggregator, "a1"), files)
			if bytes.Equal(before, served(t, port, client)) {
				t.Error("good files are not taken after bad ones")
			}
		})
	}
}

func TestFilesAreLookedAtAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newCA(t, domain)
		files := issue(t, ca, identity.Aggregator, "a1")
		s, err := identity.NewSource(files, (&journal{}).logger())
		if err != nil {
			t.Fatal(err)
		}
		before := s.NotAfter()
		c, err := ca.IssueWithKey(identity.Request{ID: s.ID(), TTL: 30 * time.Minute}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		save(t, c, files)
		<-time.After(time.Second - 1)
		if !s.NotAfter().Equal(before) {
			t.Error("looked again within a second")
		}
		<-time.After(1)
		if s.NotAfter().Equal(before) {
			t.Error("did not look after a second")
		}
	})
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func remove(tb testing.TB, path string) {
	tb.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal(err)
	}
}
