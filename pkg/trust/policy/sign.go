package policy

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

var (
	// ErrOlder says that a bundle has a lower version than the one held.
	ErrOlder = errors.New("older bundle")
	// ErrConflict says that two bundles have one version and other content: the
	// operator's key signed twice, and a person has to find out why.
	ErrConflict = errors.New("another bundle of the same version")
)

// SignBundle signs a bundle made by New with the operator's key.
func SignBundle(b Bundle, operator ed25519.PrivateKey) (capsule.Envelope, error) {
	made, err := New(b.Version, b.Expires, b.Users)
	if err != nil {
		return capsule.Envelope{}, fmt.Errorf("cannot sign: %w", err)
	}
	text, err := made.marshal()
	if err != nil {
		return capsule.Envelope{}, fmt.Errorf("cannot sign: %w", err)
	}
	return capsule.Seal(PayloadType, text, operator), nil
}

// OpenBundle reads a bundle that the operator's key signed. A stale one opens
// too: a host that starts with one on its disk must know its version, or it
// could be given an older one. The error wraps capsule.ErrMalformed,
// capsule.ErrSignature or ErrMalformed.
func OpenBundle(e capsule.Envelope, operator ed25519.PublicKey) (Bundle, error) {
	if err := e.CheckSignedBy(PayloadType, operator); err != nil {
		return Bundle{}, fmt.Errorf("cannot open bundle: %w", err)
	}
	b, err := parse(e.Payload)
	if err != nil {
		return Bundle{}, fmt.Errorf("cannot open bundle: %w", err)
	}
	return b, nil
}

// Takes reports whether the holder of b, which may be the zero bundle, must
// replace it by the offered one. The same bundle again is no news and no fault.
// The error is ErrOlder or ErrConflict. A newer bundle is taken even if it is
// stale: going by an older one would be going back.
func (b Bundle) Takes(offered Bundle) (bool, error) {
	switch {
	case offered.Version > b.Version || planted.Bug("an older bundle is taken"):
		return true, nil
	case offered.Version < b.Version:
		return false, fmt.Errorf("%w: version %d is offered, %d is held", ErrOlder, offered.Version, b.Version)
	}
	held, err := b.marshal()
	if err != nil {
		return false, err
	}
	other, err := offered.marshal()
	if err != nil {
		return false, err
	}
	if !bytes.Equal(held, other) {
		return false, fmt.Errorf("%w: version %d", ErrConflict, b.Version)
	}
	return false, nil
}
