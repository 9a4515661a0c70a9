package policy_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/policy"
)

var _ capsule.KeySource = policy.Bundle{}

var newYear = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(n byte) ed25519.PublicKey { return key(n).Public().(ed25519.PublicKey) }

const operator = 100 // number of the operator's key

func bundle(t *testing.T, version uint64, users ...policy.User) policy.Bundle {
	t.Helper()
	b, err := policy.New(version, newYear, users)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	ann = policy.User{Name: "ann", Key: public(1)}
	bob = policy.User{Name: "bob", Key: public(2)}
)

func TestASignedBundleComesBackAsItWas(t *testing.T) {
	b := bundle(t, 7, bob, ann)
	e, err := policy.SignBundle(b, key(operator))
	if err != nil {
		t.Fatal(err)
	}
	got, err := policy.OpenBundle(e, public(operator))
	if err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("%+v %v", got, err)
	}
	want := fmt.Sprintf(`{"version":7,"expires":"2027-01-01T00:00:00Z","users":[{"name":"ann","key":"%s"},{"name":"bob","key":"%s"}]}`,
		base64.StdEncoding.EncodeToString(ann.Key), base64.StdEncoding.EncodeToString(bob.Key))
	if string(e.Payload) != want {
		t.Errorf("signed bytes are %s", e.Payload)
	}
}

func TestAHostFindsUsersByTheirKeys(t *testing.T) {
	b := bundle(t, 1, ann, bob)
	for _, u := range []policy.User{ann, bob} {
		if name, k, ok := b.UserKey(capsule.KeyID(u.Key)); !ok || name != u.Name || !k.Equal(u.Key) {
			t.Errorf("%s: %s %v", u.Name, name, ok)
		}
	}
	if name, k, ok := b.UserKey(capsule.KeyID(public(3))); ok || name != "" || k != nil {
		t.Error("finds an unknown key")
	}
	if _, _, ok := (policy.Bundle{}).UserKey(capsule.KeyID(public(1))); ok {
		t.Error("finds a key in the zero bundle")
	}
}

func TestWhatTheOperatorDidNotSignIsNoBundle(t *testing.T) {
	e, err := policy.SignBundle(bundle(t, 1, ann), key(operator))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.OpenBundle(e, public(1)); !errors.Is(err, capsule.ErrSignature) {
		t.Errorf("another operator: %v", err)
	}
	e.Payload = bytes.Replace(e.Payload, []byte("ann"), []byte("eve"), 1)
	if _, err := policy.OpenBundle(e, public(operator)); !errors.Is(err, capsule.ErrSignature) {
		t.Errorf("another user: %v", err)
	}
	e = capsule.Seal(capsule.PayloadType, e.Payload, key(operator))
	if _, err := policy.OpenBundle(e, public(operator)); !errors.Is(err, capsule.ErrMalformed) {
		t.Errorf("another type: %v", err)
	}
}

func TestSignedTextThatIsNotExactlyABundleIsRefused(t *testing.T) {
	k := base64.StdEncoding.EncodeToString(ann.Key)
	good := `{"version":1,"expires":"2027-01-01T00:00:00Z","users":[{"name":"ann","key":"` + k + `"}]}`
	if _, err := policy.OpenBundle(capsule.Seal(policy.PayloadType, []byte(good), key(operator)), public(operator)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"unknown field":    strings.Replace(good, `"version"`, `"roles":[],"version"`, 1),
		"field twice":      strings.Replace(good, `"version":1`, `"version":2,"version":1`, 1),
		"field in capital": strings.Replace(good, `"version"`, `"Version"`, 1),
		"missing field":    strings.Replace(good, `"version":1,`, ``, 1),
		"spaces":           strings.Replace(good, `,`, `, `, 1),
		"text after it":    good + "{}",
		"another order":    `{"expires":"2027-01-01T00:00:00Z","version":1,"users":[]}`,
		"null users":       `{"version":1,"expires":"2027-01-01T00:00:00Z","users":null}`,
		"part of second":   strings.Replace(good, `00Z`, `00.5Z`, 1),
		"another zone":     strings.Replace(good, `00Z`, `00+00:00`, 1),
		"not JSON":         "bundle",
		"empty":            "",
		"version 0":        strings.Replace(good, `:1,`, `:0,`, 1),
		"version -1":       strings.Replace(good, `:1,`, `:-1,`, 1),
		"short key":        strings.Replace(good, k, base64.StdEncoding.EncodeToString(ann.Key[1:]), 1),
		"key of no user":   strings.Replace(good, `"ann"`, `""`, 1),
		"bad name":         strings.Replace(good, `"ann"`, `"Ann"`, 1),
		"too long":         strings.Replace(good, `"ann"`, `"`+strings.Repeat("a", policy.MaxBytes)+`"`, 1),
	} {
		if _, err := policy.OpenBundle(capsule.Seal(policy.PayloadType, []byte(text), key(operator)), public(operator)); !errors.Is(err, policy.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFaultyBundleIsNotMadeAndSaysEveryFault(t *testing.T) {
	_, err := policy.New(0, time.Time{}, []policy.User{ann, {Name: "ann", Key: public(2)}, {Name: "cat", Key: public(1)}, {Name: "", Key: nil}})
	if !errors.Is(err, policy.ErrMalformed) {
		t.Fatal(err)
	}
	for _, say := range []string{"version is 0", "expires", "ann is listed twice", "ann and cat have the same key", `name ""`} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("does not say %q: %v", say, err)
		}
	}
	if _, err := policy.SignBundle(policy.Bundle{}, key(operator)); !errors.Is(err, policy.ErrMalformed) {
		t.Errorf("the zero bundle was signed: %v", err)
	}
}

func TestABundleThatFitsNoHeartbeatReplyIsNotMade(t *testing.T) {
	var users []policy.User
	for i := range 1000 {
		k := bytes.Repeat([]byte{1}, 32)
		k[0], k[1] = byte(i>>8), byte(i)
		users = append(users, policy.User{Name: fmt.Sprintf("u%d", i), Key: k})
	}
	if _, err := policy.New(1, newYear, users); !errors.Is(err, policy.ErrMalformed) || !strings.Contains(err.Error(), "at most 49152") {
		t.Error(err)
	}
	if _, err := policy.New(1, newYear, users[:500]); err != nil {
		t.Error(err)
	}
}

func TestAHostNeverTakesAnOlderBundle(t *testing.T) {
	held := bundle(t, 5, ann)
	for _, tc := range []struct {
		offered policy.Bundle
		takes   bool
		err     error
	}{
		{bundle(t, 6), true, nil},
		{bundle(t, 4, ann), false, policy.ErrOlder},
		{bundle(t, 5, ann), false, nil},
		{bundle(t, 5, ann, bob), false, policy.ErrConflict},
		{policy.Bundle{}, false, policy.ErrOlder},
	} {
		takes, err := held.Takes(tc.offered)
		if takes != tc.takes || !errors.Is(err, tc.err) {
			t.Errorf("version %d with %d users: %v %v", tc.offered.Version, len(tc.offered.Users), takes, err)
		}
	}
	if takes, err := (policy.Bundle{}).Takes(bundle(t, 1)); !takes || err != nil {
		t.Errorf("a host without a bundle: %v %v", takes, err)
	}
}

func TestTheVersionThatIsHeldOnlyGrows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var held policy.Bundle
		for _, v := range rapid.SliceOf(rapid.Uint64Range(1, 9)).Draw(rt, "offers") {
			offered := bundle(t, v, ann)
			takes, err := held.Takes(offered)
			if takes != (v > held.Version) || (err != nil) != (v < held.Version) {
				rt.Fatalf("held %d, offered %d: %v %v", held.Version, v, takes, err)
			}
			if takes {
				held = offered
			}
		}
	})
}

func TestABundleIsStaleAfterItsExpiryAndStillOpens(t *testing.T) {
	b := bundle(t, 1, ann)
	if b.Stale(newYear) || !b.Stale(newYear.Add(time.Second)) || !(policy.Bundle{}).Stale(newYear) {
		t.Error("stale at the wrong time")
	}
	old, err := policy.New(2, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := policy.SignBundle(old, key(operator))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := policy.OpenBundle(e, public(operator)); err != nil || got.Version != 2 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestAJobIsVerifiedByTheBundleThatListsItsUser(t *testing.T) {
	e := capsule.Seal(capsule.PayloadType, []byte("no payload"), key(1))
	if _, err := capsule.Verify(e, bundle(t, 1, bob)); !errors.Is(err, capsule.ErrSignature) {
		t.Errorf("ann is not listed: %v", err)
	}
	if _, err := capsule.Verify(e, bundle(t, 1, ann)); !errors.Is(err, capsule.ErrMalformed) {
		t.Errorf("ann is listed, so the payload is what is wrong: %v", err)
	}
}

func FuzzOpenBundle(f *testing.F) {
	f.Add([]byte(`{"version":1,"expires":"2027-01-01T00:00:00Z","users":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := policy.OpenBundle(capsule.Seal(policy.PayloadType, text, key(operator)), public(operator))
		if err != nil {
			return
		}
		again, err := policy.SignBundle(b, key(operator))
		if err != nil || !bytes.Equal(again.Payload, text) {
			t.Errorf("%q was accepted, and is %q: %v", text, again.Payload, err)
		}
	})
}
