package outcomes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// ofAnUnknownKey: who gets hold of a user's certificate, and with it past every
// server, still cannot make a host run anything.
func (c cluster) ofAnUnknownKey(t *testing.T) {
	t.Parallel()
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := identity.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f := c.UserFiles()
	thief, err := client.New(client.Config{
		Addresses: c.AccessAddresses(), CertFile: f.Cert, KeyFile: f.Key, CAFile: f.CA, SigningKey: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	w := rig.NewWitness(t)
	j, err := thief.Run(t.Context(), client.Request{All: true, Command: rig.Sh(w.Says("started"))})
	if err != nil {
		t.Fatal(err)
	}
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "REFUSED signature")
	if lines := w.Lines(t); len(lines) > 0 {
		t.Errorf("the witness saw %v", lines)
	}
}
