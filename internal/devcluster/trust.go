package devcluster

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/trust/policy"
)

const (
	// trustLife is how long everything signed here is good for.
	trustLife = 30 * 24 * time.Hour
	// DemoUser signs the jobs.
	DemoUser = "demo"
	// bundleVersion is that of the only bundle there will be.
	bundleVersion = 1
)

// roles are the tiers that get a certificate from devcluster; hosts and the
// demo user get theirs from the issuer, with a join token.
var roles = map[string]identity.Role{
	tierIssuer: identity.Issuer, tierAccess: identity.Access,
	tierScheduler: identity.Scheduler, tierAggregator: identity.Aggregator,
}

// makeTrust makes the CA and all that is signed in the cluster, and returns
// the signed bundle as it goes into etcd.
//
// etcd has a CA of its own: it lets everybody in who has a certificate of its
// CA, and that must be the control plane alone, not hosts and users.
func (pl *plan) makeTrust() (bundle []byte, err error) {
	now := time.Now()
	ca, err1 := identity.NewCA(Domain, trustLife, now)
	etcdCA, err2 := identity.NewCA(Domain, trustLife, now)
	operator, err3 := identity.NewKey()
	user, err4 := identity.NewKey()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	if err := ca.Save(pl.layout.pki("ca.crt"), pl.layout.pki("ca.key")); err != nil {
		return nil, err
	}
	if err := pl.issueAll(ca, etcdCA, now); err != nil {
		return nil, err
	}
	text, err := identity.EncodeKey(user)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(pl.files(DemoUser).Key, text, 0o600); err != nil {
		return nil, fmt.Errorf("cannot write the key of %s: %w", DemoUser, err)
	}
	if err := pl.saveOperator(operator); err != nil {
		return nil, err
	}
	if err := pl.writeTokens(now); err != nil {
		return nil, err
	}
	return signedBundle(operator, user, now)
}

func id(role identity.Role, name string) identity.ID {
	return identity.ID{Domain: Domain, Role: role, Name: name}
}

// files are those of a process under its own name, with the CA of the cluster.
func (pl *plan) files(name string) identity.Files {
	return identity.Files{Cert: pl.layout.cert(name), Key: pl.layout.key(name), CA: pl.layout.pki("ca.crt")}
}

// etcdFiles are those with which a process goes to etcd.
func (pl *plan) etcdFiles(name string) identity.Files {
	return identity.Files{Cert: pl.layout.cert("etcd-" + name), Key: pl.layout.key("etcd-" + name), CA: pl.layout.pki("etcd-ca.crt")}
}

// issueAll writes the certificates of the control plane.
func (pl *plan) issueAll(ca, etcdCA *identity.CA, now time.Time) error {
	issue := func(ca *identity.CA, role identity.Role, name string, f identity.Files) error {
		cred, err := ca.IssueWithKey(identity.Request{
			ID: id(role, name), TTL: trustLife, IPs: []net.IP{net.ParseIP(pl.options.Listen)}, DNS: []string{"localhost"},
		}, now)
		if err != nil {
			return err
		}
		return cred.Save(f)
	}
	for _, p := range pl.parts {
		role, ok := roles[p.tier]
		if !ok {
			continue
		}
		if err := issue(ca, role, p.name, pl.files(p.name)); err != nil {
			return err
		}
		if err := issue(etcdCA, role, p.name, pl.etcdFiles(p.name)); err != nil {
			return err
		}
	}
	if err := issue(etcdCA, identity.Operator, "operator", pl.etcdFiles("operator")); err != nil {
		return err
	}
	return issue(etcdCA, identity.Etcd, "etcd", pl.etcdFiles("etcd"))
}

// saveOperator writes the operator's key, and the half of it that hosts know.
func (pl *plan) saveOperator(key ed25519.PrivateKey) error {
	private, err := identity.EncodeKey(key)
	if err != nil {
		return err
	}
	half, _ := key.Public().(ed25519.PublicKey)
	public, err := identity.EncodePublicKey(half)
	if err != nil {
		return fmt.Errorf("cannot encode the operator's key: %w", err)
	}
	return errors.Join(
		os.WriteFile(pl.layout.pki("operator.key"), private, 0o600),
		os.WriteFile(pl.layout.pki("operator.pub"), public, 0o600),
	)
}

// writeTokens writes a join token for the demo user, one for each host, with the
// room and the labels that the operator gives it, and one for any other host of
// a room.
func (pl *plan) writeTokens(now time.Time) error {
	var grants []identity.Grant
	add := func(file string, g identity.Grant) error {
		token, hash := identity.NewToken()
		g.TokenSHA256, g.Expires = hash, now.Add(trustLife)
		grants = append(grants, g)
		return os.WriteFile(pl.layout.pki(file), []byte(token+"\n"), 0o600)
	}
	if err := add(DemoUser+".token", identity.Grant{Kind: identity.User, Name: DemoUser}); err != nil {
		return fmt.Errorf("cannot write the join token of %s: %w", DemoUser, err)
	}
	for _, h := range pl.options.hosts() {
		if err := add(h.id+".token", identity.Grant{Kind: identity.Host, Room: h.room, Labels: h.labels, Name: h.id}); err != nil {
			return fmt.Errorf("cannot write the join token of %s: %w", h.id, err)
		}
	}
	for _, room := range pl.options.Rooms {
		guest := identity.Grant{Kind: identity.Host, Room: room, Labels: map[string]string{"app": "guest"}, Name: "*"}
		if err := add("join-"+room+".token", guest); err != nil {
			return fmt.Errorf("cannot write the join token of room %s: %w", room, err)
		}
	}
	return identity.SaveGrants(pl.layout.pki("tokens.json"), grants)
}

func signedBundle(operator, user ed25519.PrivateKey, now time.Time) ([]byte, error) {
	public, _ := user.Public().(ed25519.PublicKey)
	b, err := policy.New(bundleVersion, now.Add(trustLife), []policy.User{{Name: DemoUser, Key: public}})
	if err != nil {
		return nil, err
	}
	signed, err := policy.SignBundle(b, operator)
	if err != nil {
		return nil, err
	}
	return signed.JSON()
}
