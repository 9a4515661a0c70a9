package identity_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/identity"
)

var noon = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)

// desk is an issuer's book with one grant, and its token.
type desk struct {
	book         *identity.Book
	grants, uses string
	token        string
	log          *journal
}

func webHosts() identity.Grant {
	return identity.Grant{
		Kind: identity.Host, Room: "bj01", Labels: map[string]string{"app": "web", "Zone": "A"},
		Name: "web*.bj01", Expires: noon.Add(time.Hour),
	}
}

func newDesk(t *testing.T, g identity.Grant) *desk {
	t.Helper()
	dir := t.TempDir()
	d := &desk{grants: filepath.Join(dir, "tokens.json"), uses: filepath.Join(dir, "uses"), log: &journal{}}
	d.token, g.TokenSHA256 = identity.NewToken()
	if err := identity.SaveGrants(d.grants, []identity.Grant{g}); err != nil {
		t.Fatal(err)
	}
	d.open(t)
	t.Cleanup(func() { _ = d.book.Close() })
	return d
}

func (d *desk) open(t *testing.T) {
	t.Helper()
	var err error
	if d.book, err = identity.OpenBook(d.grants, d.uses, d.log.logger()); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) restart(t *testing.T) {
	t.Helper()
	if err := d.book.Close(); err != nil {
		t.Fatal(err)
	}
	d.open(t)
}

// joins asks for a host with the key of that number.
func (d *desk) joins(name string, key byte) error {
	_, err := d.book.Redeem(d.token, identity.Host, name, ed25519.PublicKey{key}, noon)
	return err
}

func TestATokenGivesAHostItsRoomAndLabels(t *testing.T) {
	d := newDesk(t, webHosts())
	g, err := d.book.Redeem(d.token, identity.Host, "web7.bj01", nil, noon)
	if err != nil || g.Room != "bj01" || g.Labels["app"] != "web" || g.Labels["Zone"] != "A" {
		t.Errorf("%+v %v", g, err)
	}
}

func TestATokenIsForItsKindNamesAndTimeAlone(t *testing.T) {
	d := newDesk(t, webHosts())
	for say, try := range map[string]func() (identity.Grant, error){
		"it is for a host, not for a user":       func() (identity.Grant, error) { return d.book.Redeem(d.token, identity.User, "web1.bj01", nil, noon) },
		"names like web*.bj01, not for db1.bj01": func() (identity.Grant, error) { return d.book.Redeem(d.token, identity.Host, "db1.bj01", nil, noon) },
		"it expired at 2026-10-05T13:00:00Z": func() (identity.Grant, error) {
			return d.book.Redeem(d.token, identity.Host, "web1.bj01", nil, noon.Add(time.Hour+1))
		},
		"it is not known here; ask an operator": func() (identity.Grant, error) {
			return d.book.Redeem(d.token+"x", identity.Host, "web1.bj01", nil, noon)
		},
		"join token refused: it is not known here; ask ": func() (identity.Grant, error) { return d.book.Redeem("", identity.Host, "web1.bj01", nil, noon) },
	} {
		g, err := try()
		if !errors.Is(err, identity.ErrBadToken) || !strings.Contains(err.Error(), say) {
			t.Errorf("want %q, got %v", say, err)
		}
		if g.Room != "" || strings.Contains(err.Error(), d.token) {
			t.Errorf("the refusal gives something away: %+v %v", g, err)
		}
	}
}

func TestNeitherBookNorLogHoldsTheToken(t *testing.T) {
	g := webHosts()
	g.Uses = 1
	d := newDesk(t, g)
	if err := d.joins("web1.bj01", 1); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{d.grants, d.uses} {
		text, err := os.ReadFile(f)
		if err != nil || strings.Contains(string(text), d.token) || !strings.Contains(string(text), identity.TokenHash(d.token)) {
			t.Errorf("%s: %v %s", f, err, text)
		}
	}
	if strings.Contains(d.log.String(), d.token) {
		t.Error("the token is in the log")
	}
}

func TestALimitedTokenIsUsedSoOftenAndNoMoreEvenAfterARestart(t *testing.T) {
	g := webHosts()
	g.Uses = 2
	d := newDesk(t, g)
	if err := errors.Join(d.joins("web1.bj01", 1), d.joins("web1.bj01", 1)); err != nil {
		t.Errorf("the same host again, after a lost answer: %v", err)
	}
	d.restart(t)
	if err := errors.Join(d.joins("web1.bj01", 1), d.joins("web1.bj01", 2)); err != nil {
		t.Errorf("the second use: %v", err)
	}
	for range 2 {
		if err := d.joins("web2.bj01", 3); !errors.Is(err, identity.ErrBadToken) || !strings.Contains(err.Error(), "all of its 2 uses") {
			t.Errorf("a third use: %v", err)
		}
		d.restart(t)
	}
	if err := errors.Join(d.joins("web1.bj01", 1), d.joins("web1.bj01", 2)); err != nil {
		t.Errorf("those who had it: %v", err)
	}
}

func TestTwoAtOnceCannotShareTheLastUse(t *testing.T) {
	g := webHosts()
	g.Uses = 1
	d := newDesk(t, g)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = d.joins("web1.bj01", byte(i)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 8 had the one use", won)
	}
}

func TestAUseThatACrashCutOffWasNoUse(t *testing.T) {
	g := webHosts()
	g.Uses = 1
	d := newDesk(t, g)
	write(t, d.uses, identity.TokenHash(d.token)+" 1234") // no end of line
	d.restart(t)
	if err := d.joins("web1.bj01", 1); err != nil {
		t.Error(err)
	}
	d.restart(t)
	if err := d.joins("web2.bj01", 2); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("the use after the crash was lost: %v", err)
	}
}

func TestNewGrantsAreTakenWithoutARestartAndFaultyOnesAreNot(t *testing.T) {
	d := newDesk(t, webHosts())
	write(t, d.grants, "[{")
	if err := d.joins("web1.bj01", 1); err != nil || strings.Count(d.log.String(), "the old ones stay in force") != 1 {
		t.Errorf("%v, log %s", err, d.log.String())
	}
	g := webHosts()
	g.TokenSHA256 = identity.TokenHash("another")
	if err := identity.SaveGrants(d.grants, []identity.Grant{g}); err != nil {
		t.Fatal(err)
	}
	if err := d.joins("web1.bj01", 1); !errors.Is(err, identity.ErrBadToken) {
		t.Errorf("a withdrawn token is still good: %v", err)
	}
	if _, err := d.book.Redeem("another", identity.Host, "web1.bj01", nil, noon); err != nil {
		t.Error(err)
	}
}

func TestADeletedFileOfGrantsGrantsNothing(t *testing.T) {
	d := newDesk(t, webHosts())
	text, err := os.ReadFile(d.grants)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, d.grants)
	for range 2 {
		if err := d.joins("web1.bj01", 1); !errors.Is(err, identity.ErrBadToken) {
			t.Errorf("the old grants are in force: %v", err)
		}
	}
	if n := strings.Count(d.log.String(), "the file of join tokens is gone"); n != 1 {
		t.Errorf("it is said %d times: %s", n, d.log.String())
	}
	write(t, d.grants, string(text))
	if err := d.joins("web1.bj01", 1); err != nil {
		t.Errorf("it is back: %v", err)
	}
}

func TestABookThatCannotBeReadIsNotOpened(t *testing.T) {
	d := newDesk(t, webHosts())
	for name, text := range map[string]string{
		"unknown field": `[{"token":"x"}]`, "no list": `{}`, "something after it": `[] []`, "a faulty grant": `[{"kind":"host"}]`,
	} {
		write(t, d.grants, text)
		if b, err := identity.OpenBook(d.grants, d.uses, d.log.logger()); err == nil {
			t.Errorf("%s: opened %v", name, b)
		}
	}
	write(t, d.grants, "[]")
	write(t, d.uses, "nonsense\n")
	if _, err := identity.OpenBook(d.grants, d.uses, d.log.logger()); err == nil {
		t.Error("opened with faulty uses")
	}
	if _, err := identity.OpenBook(d.grants+"x", d.uses, d.log.logger()); err == nil {
		t.Error("opened without grants")
	}
}

func TestAFaultyGrantSaysEveryFault(t *testing.T) {
	hash := identity.TokenHash("t")
	err := identity.SaveGrants(filepath.Join(t.TempDir(), "f"), []identity.Grant{
		{TokenSHA256: "AB", Kind: identity.Access, Name: "[", Uses: -1},
		{TokenSHA256: hash, Kind: identity.Host, Name: "*", Expires: noon},
		{TokenSHA256: hash, Kind: identity.User, Name: "*", Expires: noon, Room: "r", Uses: identity.MaxUses + 1},
	})
	for _, say := range []string{
		"token 0: token_sha256", "kind is \"access\"", "name is \"[\"", "expires is not set", "uses is -1",
		"token 1: room is not set", "token 2: room and labels are for hosts", "uses is 1001", "token 2: listed twice",
	} {
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("does not say %q: %v", say, err)
		}
	}
}

func TestTokensAreNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		token, hash := identity.NewToken()
		if seen[token] || len(token) < 50 || hash != identity.TokenHash(token) || !strings.HasPrefix(token, "ccsjoin_") {
			t.Errorf("%s", token)
		}
		seen[token] = true
	}
}
