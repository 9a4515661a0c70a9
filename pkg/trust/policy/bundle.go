package policy

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// PayloadType is the media type of a bundle in its envelope.
const PayloadType = "application/vnd.ccs.bundle.v1+json"

// MaxBytes bounds a bundle: it rides on a heartbeat reply, whose limit is 64 KiB.
// About 500 users fit.
const MaxBytes = 48 << 10

const maxName = 64

// ErrMalformed says that bytes are not a bundle.
var ErrMalformed = errors.New("malformed bundle")

// User is someone whose signed jobs hosts accept.
type User struct {
	Name string            `json:"name"` // 1..64 of [a-z0-9._-]
	Key  ed25519.PublicKey `json:"key"`  // 32 bytes; base64 in JSON
}

// Bundle is what the operator signs. It is immutable once made, and then safe
// for concurrent use. It implements capsule.KeySource.
type Bundle struct {
	Version uint64    // from 1; greater is newer
	Expires time.Time // in UTC, whole seconds; later it is stale
	Users   []User    // ascending by name

	byKey map[string]int // key id to index in Users
}

// bundleJSON fixes the order of the fields.
type bundleJSON struct {
	Version uint64    `json:"version"`
	Expires time.Time `json:"expires"`
	Users   []User    `json:"users"`
}

// New makes a bundle: users are sorted, expires is cut to seconds. Its error
// wraps ErrMalformed and lists every fault.
func New(version uint64, expires time.Time, users []User) (Bundle, error) {
	b := Bundle{Version: version, Expires: expires.UTC().Truncate(time.Second), Users: append([]User(nil), users...)}
	slices.SortFunc(b.Users, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	if err := b.index(); err != nil {
		return Bundle{}, err
	}
	if text, err := b.marshal(); err != nil {
		return Bundle{}, err
	} else if len(text) > MaxBytes {
		return Bundle{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMalformed, len(text), MaxBytes)
	}
	return b, nil
}

// index checks the bundle and makes it ready for UserKey.
func (b *Bundle) index() error {
	var faults []error
	if b.Version == 0 {
		faults = append(faults, errors.New("version is 0; the first is 1"))
	}
	if b.Expires.Year() < 1970 || b.Expires.Year() > 9999 {
		faults = append(faults, errors.New("expires is not a date from 1970 to 9999"))
	}
	b.byKey = make(map[string]int, len(b.Users))
	for i, u := range b.Users {
		if err := u.validate(); err != nil {
			faults = append(faults, fmt.Errorf("user %d: %w", i, err))
			continue
		}
		if i > 0 && b.Users[i-1].Name == u.Name {
			faults = append(faults, fmt.Errorf("user %s is listed twice", u.Name))
		}
		id := capsule.KeyID(u.Key)
		if j, ok := b.byKey[id]; ok {
			faults = append(faults, fmt.Errorf("users %s and %s have the same key", b.Users[j].Name, u.Name))
		}
		b.byKey[id] = i
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %w", ErrMalformed, errors.Join(faults...))
	}
	return nil
}

func (u User) validate() error {
	if u.Name == "" || len(u.Name) > maxName || strings.Trim(u.Name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return fmt.Errorf("name %.80q is not 1 to %d of a-z 0-9 . _ -", u.Name, maxName)
	}
	if len(u.Key) != ed25519.PublicKeySize {
		return fmt.Errorf("key of %s has %d bytes, not %d", u.Name, len(u.Key), ed25519.PublicKeySize)
	}
	return nil
}

// marshal is the one encoding of a bundle (docs/capsule.md).
func (b Bundle) marshal() ([]byte, error) {
	out := bundleJSON{b.Version, b.Expires, b.Users}
	if out.Users == nil { // New gives nil for no users, and null is not the form
		out.Users = []User{}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return text, nil
}

// parse accepts exactly what marshal gives. That refuses in one stroke unknown
// and repeated fields, other spellings of a name, other orders and spaces, of
// which encoding/json would let most pass.
func parse(text []byte) (Bundle, error) {
	if len(text) > MaxBytes {
		return Bundle{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMalformed, len(text), MaxBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields() // for its better words
	var in bundleJSON
	if err := dec.Decode(&in); err != nil {
		return Bundle{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	b, err := New(in.Version, in.Expires, in.Users)
	if err != nil {
		return Bundle{}, err
	}
	again, err := b.marshal()
	if err != nil {
		return Bundle{}, err
	}
	if !bytes.Equal(again, text) {
		return Bundle{}, fmt.Errorf("%w: it is not in the one form that is allowed, which begins %.200s", ErrMalformed, again)
	}
	return b, nil
}

// UserKey returns the user and key of a key id; ok is false for an unknown key.
func (b Bundle) UserKey(keyID string) (user string, key ed25519.PublicKey, ok bool) {
	i, ok := b.byKey[keyID]
	if !ok {
		return "", nil, false
	}
	return b.Users[i].Name, b.Users[i].Key, true
}

// Stale reports whether a host may no longer start anything by this bundle. The
// zero bundle is stale.
func (b Bundle) Stale(now time.Time) bool { return b.Version == 0 || now.After(b.Expires) }
