package identity_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

func TestAnIDComesBackFromItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id, err := identity.NewID(
			rapid.StringMatching(`[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,3}`).Draw(t, "domain"),
			rapid.SampledFrom(identity.Roles()).Draw(t, "role"),
			rapid.StringMatching(`[a-z0-9_-][a-z0-9._-]{0,63}`).Draw(t, "name"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := identity.ParseID(id.String())
		if err != nil || got != id {
			t.Fatalf("%s came back as %s: %v", id, got, err)
		}
	})
}

func TestOtherTextThanAnIDIsRefused(t *testing.T) {
	long := strings.Repeat("h", 128)
	if _, err := identity.ParseID("spiffe://demo.ccs/host/" + long); err != nil {
		t.Errorf("the longest host name: %v", err)
	}
	for _, text := range []string{
		"", "demo.ccs/host/h1", "https://demo.ccs/host/h1", "spiffe://demo.ccs", "spiffe://demo.ccs/host", "spiffe://demo.ccs/host/",
		"spiffe://demo.ccs/host/h1/x", "spiffe://demo.ccs/root/h1", "spiffe://demo.ccs/Host/h1", "spiffe://demo.ccs/host/H1",
		"spiffe://demo.ccs/host/..", "spiffe://demo.ccs/host/a%20b", "spiffe:///host/h1", "spiffe://demo.ccs:80/host/h1",
		"spiffe://demo.ccs/host/h" + long, "spiffe://demo.ccs/user/" + long, "spiffe://demo.ccs/host/h1?x", "spiffe://demo.ccs/host/h1#x",
	} {
		if id, err := identity.ParseID(text); !errors.Is(err, identity.ErrBadID) {
			t.Errorf("%q: %v %v", text, id, err)
		}
	}
	for _, d := range []string{"", "Demo", "spiffe://demo", "a/b", "a:1"} {
		if _, err := identity.NewID(d, identity.Host, "h1"); !errors.Is(err, identity.ErrBadID) {
			t.Errorf("domain %q: %v", d, err)
		}
	}
}
