package capsule_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// key is the key made of 32 equal bytes.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(n byte) ed25519.PublicKey { return key(n).Public().(ed25519.PublicKey) }

// users knows keys by their numbers.
type users map[string]byte

func (u users) UserKey(id string) (string, ed25519.PublicKey, bool) {
	for name, n := range u {
		if capsule.KeyID(public(n)) == id {
			return name, public(n), true
		}
	}
	return "", nil, false
}

func signed(t *testing.T, p capsule.Payload, by ...byte) capsule.Envelope {
	t.Helper()
	var out capsule.Envelope
	for i, n := range by {
		e, err := capsule.Sign(p, key(n))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			out = e
			continue
		}
		out.Signatures = append(out.Signatures, e.Signatures...)
	}
	return out
}

func TestAHostKnowsWhoSigned(t *testing.T) {
	v, err := capsule.Verify(signed(t, backup(), 1), users{"ann": 1, "bob": 2})
	if err != nil {
		t.Fatal(err)
	}
	if v.User != "ann" || v.KeyID != capsule.KeyID(public(1)) || !reflect.DeepEqual(v.Payload, backup()) {
		t.Errorf("%+v", v)
	}
}

func TestSignaturesOfUnknownKeysArePassedOver(t *testing.T) {
	v, err := capsule.Verify(signed(t, uptime(), 9, 8, 1, 7), users{"ann": 1})
	if err != nil || v.User != "ann" {
		t.Errorf("%q %v", v.User, err)
	}
}

func TestWhatNoKnownUserSignedIsRefused(t *testing.T) {
	ann := users{"ann": 1, "bob": 2}
	for name, tc := range map[string]struct {
		spoil func(*capsule.Envelope)
		want  error
		say   string
	}{
		"another payload":     {func(e *capsule.Envelope) { e.Payload[20] ^= 1 }, capsule.ErrSignature, "does not verify"},
		"another signature":   {func(e *capsule.Envelope) { e.Signatures[0].Sig[3] ^= 1 }, capsule.ErrSignature, "does not verify"},
		"another's key id":    {func(e *capsule.Envelope) { e.Signatures[0].KeyID = capsule.KeyID(public(2)) }, capsule.ErrSignature, "does not verify"},
		"an unknown key":      {func(e *capsule.Envelope) { *e = signed(t, uptime(), 5) }, capsule.ErrSignature, "no user is known"},
		"no signature":        {func(e *capsule.Envelope) { e.Signatures = nil }, capsule.ErrSignature, "nobody has signed"},
		"two users":           {func(e *capsule.Envelope) { *e = signed(t, uptime(), 1, 2) }, capsule.ErrSignature, "both ann and bob"},
		"the same key twice":  {func(e *capsule.Envelope) { *e = signed(t, uptime(), 1, 1) }, capsule.ErrMalformed, "signed twice"},
		"nine signatures":     {func(e *capsule.Envelope) { *e = signed(t, uptime(), 1, 3, 4, 5, 6, 7, 8, 9, 10) }, capsule.ErrMalformed, "at most 8"},
		"a short signature":   {func(e *capsule.Envelope) { e.Signatures[0].Sig = e.Signatures[0].Sig[:63] }, capsule.ErrMalformed, "63 bytes"},
		"a key id in capital": {func(e *capsule.Envelope) { e.Signatures[0].KeyID = strings.ToUpper(e.Signatures[0].KeyID) }, capsule.ErrMalformed, "lower-case"},
		"a short key id":      {func(e *capsule.Envelope) { e.Signatures[0].KeyID = "ab" }, capsule.ErrMalformed, "lower-case"},
		"another type":        {func(e *capsule.Envelope) { e.PayloadType = "text/plain" }, capsule.ErrMalformed, "payload type"},
		"a huge payload":      {func(e *capsule.Envelope) { e.Payload = make([]byte, capsule.MaxPayload+1) }, capsule.ErrMalformed, "at most"},
		"signed nonsense":     {func(e *capsule.Envelope) { *e = capsule.Seal(capsule.PayloadType, []byte("hello"), key(1)) }, capsule.ErrMalformed, "version 104"},
		"signed as a result":  {func(e *capsule.Envelope) { *e = capsule.Seal(capsule.ResultType, e.Payload, key(1)) }, capsule.ErrMalformed, "payload type"},
	} {
		t.Run(name, func(t *testing.T) {
			e := signed(t, uptime(), 1)
			tc.spoil(&e)
			v, err := capsule.Verify(e, ann)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.say) {
				t.Errorf("want %v saying %q, got %v", tc.want, tc.say, err)
			}
			if v.KeyID != "" || v.User != "" {
				t.Errorf("names a signer all the same: %+v", v)
			}
		})
	}
}

func TestAKnownKeyOfWrongSizeIsABadSignatureAndNoPanic(t *testing.T) {
	if _, err := capsule.Verify(signed(t, uptime(), 1), shortKeys{}); !errors.Is(err, capsule.ErrSignature) {
		t.Error(err)
	}
}

type shortKeys struct{}

func (shortKeys) UserKey(string) (string, ed25519.PublicKey, bool) {
	return "ann", public(1)[:31], true
}

func TestWhoPassesACapsuleOnCanReadItWithoutKeys(t *testing.T) {
	e := signed(t, uptime(), 1)
	p, err := capsule.Open(e)
	if err != nil || !reflect.DeepEqual(p, uptime()) {
		t.Errorf("%+v %v", p, err)
	}
	e.PayloadType = "other"
	if _, err := capsule.Open(e); !errors.Is(err, capsule.ErrMalformed) {
		t.Error(err)
	}
}

func TestADigestNamesWhatWasSignedWhoeverSigned(t *testing.T) {
	e := signed(t, uptime(), 1)
	if e.Digest() != signed(t, uptime(), 2).Digest() {
		t.Error("the signer changes the digest")
	}
	if e.Digest() == signed(t, ping(), 1).Digest() {
		t.Error("the payload does not change the digest")
	}
	want := sha256.Sum256(append([]byte("DSSEv1 1 t 3 "), "abc"...))
	if (capsule.Envelope{PayloadType: "t", Payload: []byte("abc")}).Digest() != want {
		t.Error("it is not the SHA-256 of the pre-authentication encoding")
	}
}

func TestNothingInvalidIsSigned(t *testing.T) {
	p := uptime()
	p.Count = 0
	if _, err := capsule.Sign(p, key(1)); !errors.Is(err, capsule.ErrMalformed) {
		t.Error(err)
	}
}

func TestASealOfOneKeyIsCheckedWithThatKey(t *testing.T) {
	e := capsule.Seal("t", []byte("abc"), key(1))
	if err := e.CheckSignedBy("t", public(1)); err != nil {
		t.Error(err)
	}
	if err := e.CheckSignedBy("t", public(2)); !errors.Is(err, capsule.ErrSignature) {
		t.Error(err)
	}
	if err := e.CheckSignedBy("u", public(1)); !errors.Is(err, capsule.ErrMalformed) {
		t.Error(err)
	}
	e.Payload = []byte("abd")
	if err := e.CheckSignedBy("t", public(1)); !errors.Is(err, capsule.ErrSignature) {
		t.Error(err)
	}
}

func TestAHostStartsOnlyWithinTheSignedTimes(t *testing.T) {
	p := backup() // noon .. 13:00, rerun until 14:00
	for _, tc := range []struct {
		at      time.Duration
		attempt uint32
		want    error
	}{
		{-5*time.Minute - 1, 1, capsule.ErrTooEarly},
		{-5 * time.Minute, 1, nil},
		{time.Hour, 1, nil},
		{time.Hour + 1, 1, capsule.ErrTooLate},
		{time.Hour + 1, 2, nil},
		{2 * time.Hour, 2, nil},
		{2*time.Hour + 1, 2, capsule.ErrTooLate},
	} {
		if err := capsule.CheckTimes(noon.Add(tc.at), p, tc.attempt, capsule.ClockSkew); !errors.Is(err, tc.want) {
			t.Errorf("attempt %d at noon%+v: %v, want %v", tc.attempt, tc.at, err, tc.want)
		}
	}
}

func TestOnlyTheSignedHostsInTheirSignedIncarnationAreTargets(t *testing.T) {
	names := []fleet.HostID{"a", "b", "c"}
	inc := fleet.Incarnation{9}
	var hashes []capsule.Hash
	for _, n := range names {
		hashes = append(hashes, capsule.LeafHash(n, inc))
	}
	tree, err := capsule.NewTree(hashes)
	if err != nil {
		t.Fatal(err)
	}
	p := uptime()
	p.Root, p.Count = tree.Root(), 3
	for i, n := range names {
		proof, err := tree.Inclusion(uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.CheckTarget(n, inc, proof); err != nil {
			t.Errorf("%s: %v", n, err)
		}
		bad := []error{
			p.CheckTarget(n+"x", inc, proof),
			p.CheckTarget(n, fleet.Incarnation{8}, proof),
			p.CheckTarget(n, inc, capsule.InclusionProof{Index: proof.Index + 1, Size: 3, Hashes: proof.Hashes}),
			p.CheckTarget(n, inc, capsule.InclusionProof{Index: proof.Index, Size: 4, Hashes: proof.Hashes}),
			p.CheckTarget(n, inc, capsule.InclusionProof{Index: 7, Size: 3, Hashes: proof.Hashes}),
			p.CheckTarget(n, inc, capsule.InclusionProof{Index: proof.Index, Size: 3, Hashes: proof.Hashes[1:]}),
		}
		for j, err := range bad {
			if !errors.Is(err, capsule.ErrNotTarget) {
				t.Errorf("%s, case %d: %v", n, j, err)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	e, err := capsule.Sign(uptime(), key(1))
	if err != nil {
		b.Fatal(err)
	}
	keys := oneUser{capsule.KeyID(public(1)), public(1)}
	for b.Loop() {
		if _, err := capsule.Verify(e, keys); err != nil {
			b.Fatal(err)
		}
	}
}

type oneUser struct {
	id  string
	key ed25519.PublicKey
}

func (o oneUser) UserKey(id string) (string, ed25519.PublicKey, bool) {
	return "ann", o.key, id == o.id
}
