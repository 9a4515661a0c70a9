package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// aDevcluster writes the files that swarm reads of a devcluster.
func aDevcluster(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := identity.EncodePublicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"etc/ccsctl.yaml":            "addresses: [127.0.0.1:7400]\ntls: {cert: c, key: k, ca: a}\nsigning_key: s\n",
		"etc/issuer.yaml":            "listen: 127.0.0.1:7430\nca_key: x\n",
		"etc/aggregator-bj01-1.yaml": "room: bj01\nsession_listen: 127.0.0.1:1\n",
		"etc/aggregator-bj01-2.yaml": "room: bj01\nsession_listen: 127.0.0.1:2\n",
		"etc/aggregator-sh01-1.yaml": "room: sh01\nsession_listen: 127.0.0.1:3\n",
		"pki/join-bj01.token":        "ccsjoin_b\n",
		"pki/join-sh01.token":        "ccsjoin_s\n",
		"pki/operator.pub":           string(public),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAllThatHostsNeedIsReadFromTheDirectoryOfADevcluster(t *testing.T) {
	s, err := readSite(aDevcluster(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if s.issuer != "127.0.0.1:7430" || !slices.Equal(s.client.Addresses, []string{"127.0.0.1:7400"}) || s.client.SigningKey != "s" {
		t.Errorf("the site is %+v", s)
	}
	if len(s.rooms) != 2 || s.rooms[0].name != "bj01" || s.rooms[0].token != "ccsjoin_b" ||
		!slices.Equal(s.rooms[0].aggregators, []string{"127.0.0.1:1", "127.0.0.1:2"}) || s.rooms[1].token != "ccsjoin_s" {
		t.Errorf("the rooms are %+v", s.rooms)
	}
}

func TestAnotherDirectoryIsRefusedWithAllThatIsMissing(t *testing.T) {
	_, err := readSite(t.TempDir(), "")
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{"not the directory of a devcluster", "ccsctl.yaml", "issuer.yaml", "operator.pub", "aggregators"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
}
