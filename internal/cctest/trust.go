package cctest

import (
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/trust/policy"
)

const (
	// Domain is the trust domain of every cluster here.
	Domain = "test.ccs"
	// User signs the jobs, and is in the operator's bundle.
	User = "alice"

	life = 30 * 24 * time.Hour
)

// trust is a throw-away CA and everything that it and the operator signed.
type trust struct {
	t        tb
	dir      string
	ca       *identity.CA
	user     ed25519.PrivateKey
	operator ed25519.PrivateKey
	bundle   []byte                      // version 1, signed, as it goes into etcd
	tokens   map[string]string           // join token by host id
	grants   []identity.Grant            // of the tokens
	sources  map[string]*identity.Source // by process
}

func newTrust(t tb) *trust {
	t.Helper()
	ca, err := identity.NewCA(Domain, life, time.Now())
	must(t, err)
	user, err := identity.NewKey()
	must(t, err)
	operator, err := identity.NewKey()
	must(t, err)
	tr := &trust{
		t: t, dir: t.TempDir(), ca: ca, user: user, operator: operator,
		tokens: map[string]string{}, sources: map[string]*identity.Source{},
	}
	must(t, os.WriteFile(tr.path("ca.crt"), ca.PEM(), 0o600))
	tr.bundle = tr.bundleFor(1, policy.User{Name: User, Key: user.Public().(ed25519.PublicKey)})
	return tr
}

// bundleFor is a bundle of these users, signed by the operator.
func (tr *trust) bundleFor(version uint64, users ...policy.User) []byte {
	tr.t.Helper()
	b, err := policy.New(version, time.Now().Add(life), users)
	must(tr.t, err)
	signed, err := policy.SignBundle(b, tr.operator)
	must(tr.t, err)
	text, err := signed.JSON()
	must(tr.t, err)
	return text
}

// source is the identity of a process; the same at every call.
func (tr *trust) source(role identity.Role, name string) *identity.Source {
	tr.t.Helper()
	if s := tr.sources[name]; s != nil {
		return s
	}
	key, err := identity.NewKey()
	must(tr.t, err)
	s := tr.sourceFor(role, name, key)
	tr.sources[name] = s
	return s
}

func (tr *trust) sourceFor(role identity.Role, name string, key ed25519.PrivateKey) *identity.Source {
	tr.t.Helper()
	id, err := identity.NewID(Domain, role, name)
	must(tr.t, err)
	credential, err := tr.ca.IssueForKey(identity.Request{ID: id, TTL: life}, key, time.Now())
	must(tr.t, err)
	files := identity.Files{Cert: tr.path(name + ".crt"), Key: tr.path(name + ".key"), CA: tr.path("ca.crt")}
	// Not Credential.Save: nobody needs these files after a power cut, and
	// syncing them would be most of the time that a test takes.
	must(tr.t, os.WriteFile(files.Cert, credential.CertPEM, 0o600))
	must(tr.t, os.WriteFile(files.Key, credential.KeyPEM, 0o600))
	s, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	must(tr.t, err)
	return s
}

// admit makes a join token for a host.
func (tr *trust) admit(host, room string, labels map[string]string) {
	token, hash := identity.NewToken()
	tr.tokens[host] = token
	tr.grants = append(tr.grants, identity.Grant{
		TokenSHA256: hash, Kind: identity.Host, Room: room, Labels: labels, Name: host, Expires: time.Now().Add(life),
	})
}

// book is the issuer's book of the tokens made so far.
func (tr *trust) book() *identity.Book {
	tr.t.Helper()
	must(tr.t, identity.SaveGrants(tr.path("grants.json"), tr.grants))
	book, err := identity.OpenBook(tr.path("grants.json"), tr.path("uses"), slog.New(slog.DiscardHandler))
	must(tr.t, err)
	return book
}

// operatorKey is what hosts know of the operator.
func (tr *trust) operatorKey() ed25519.PublicKey { return tr.operator.Public().(ed25519.PublicKey) }

func (tr *trust) path(name string) string { return filepath.Join(tr.dir, name) }

func must(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("the cluster of the test cannot be built: %w", err))
	}
}
