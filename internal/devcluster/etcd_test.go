package devcluster

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/etcd"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/trust/policy"
)

// prepared is a cluster of which nothing but the guard is started.
func prepared(t *testing.T) (c *Cluster, bundle []byte) {
	t.Helper()
	o, err := Options{Bin: t.TempDir(), Self: "/proc/self/exe", Dir: filepath.Join(t.TempDir(), "c")}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = prepare(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if left, err := c.Leftovers(); err != nil || len(left) > 0 {
			t.Errorf("left over: %v %v", left, err)
		}
		if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the directory is left: %v", err)
		}
	})
	if bundle, err = c.plan.makeTrust(); err != nil {
		t.Fatal(err)
	}
	if c.crew.members, err = c.plan.members(); err != nil {
		t.Fatal(err)
	}
	return c, bundle
}

// coordAs is a client of the cluster's etcd with the given certificate.
func coordAs(t *testing.T, c *Cluster, files identity.Files) coord.Client {
	t.Helper()
	source, err := identity.NewSource(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg := etcd.DefaultConfig()
	cfg.Endpoints, cfg.RequestTimeout = c.plan.addresses(tierEtcd, "", "listen"), 2*time.Second
	client, err := etcd.New(cfg, source.ClientTLS(identity.Etcd), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestWhatTheOperatorDecidedOutlivesAKillOfEtcd(t *testing.T) {
	c, bundle := prepared(t)
	ctx := t.Context()
	if err := c.crew.start(ctx, "etcd"); err != nil {
		t.Fatal(err)
	}
	if err := c.seed(ctx, bundle); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill9(ctx, "etcd"); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(ctx, "etcd"); err != nil { // on the same address, or the client would not find it
		t.Fatal(err)
	}
	scheduler := coordAs(t, c, c.plan.etcdFiles("scheduler-standard-1"))
	view, err := scheduler.Get(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"classes/standard": "standard", "classes/critical": "critical", "bundle": string(bundle)} {
		if got := string(view.Items[key]); got != want {
			t.Errorf("%s is %.80q, want %.80q", key, got, want)
		}
	}
}

func TestEtcdAdmitsTheControlPlaneAlone(t *testing.T) {
	c, _ := prepared(t)
	ctx := t.Context()
	if err := c.crew.start(ctx, "etcd"); err != nil {
		t.Fatal(err)
	}
	peer := c.plan.files("access-1")      // of the CA that signs for hosts and users too
	peer.CA = c.layout.pki("etcd-ca.crt") // it believes etcd; etcd must not believe it
	if _, err := coordAs(t, c, peer).Get(ctx, ""); !errors.Is(err, coord.ErrAway) {
		t.Errorf("a certificate of the cluster's CA reads etcd: %v", err)
	}
}

func TestTheBundleIsTheOperatorsAndHasTheUsersSigningKey(t *testing.T) {
	c, bundle := prepared(t)
	raw, err := os.ReadFile(c.layout.pki("operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	operator, err := identity.DecodeKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := capsule.ParseEnvelope(bundle)
	if err != nil {
		t.Fatal(err)
	}
	b, err := policy.OpenBundle(envelope, operator.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile(c.layout.key(DemoUser))
	if err != nil {
		t.Fatal(err)
	}
	user, err := identity.DecodeKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Users) != 1 || b.Users[0].Name != DemoUser || !bytes.Equal(b.Users[0].Key, user.Public().(ed25519.PublicKey)) {
		t.Errorf("the bundle lists %+v", b.Users)
	}
}
