package capsule

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// ClockSkew is how far the clocks of a client and a host may differ.
const ClockSkew = 5 * time.Minute

// KeySource says whose key a key id is. It must be safe for concurrent use.
type KeySource interface {
	// UserKey returns the user's name and key; ok is false for an unknown key.
	UserKey(keyID string) (user string, key ed25519.PublicKey, ok bool)
}

// Verified is a capsule whose signature holds.
type Verified struct {
	Payload Payload
	User    string // who signed it, in the key source's words
	KeyID   string
}

// Sign encodes a payload and signs it with the user's key.
func Sign(p Payload, key ed25519.PrivateKey) (Envelope, error) {
	b, err := p.Marshal()
	if err != nil {
		return Envelope{}, fmt.Errorf("cannot sign: %w", err)
	}
	return Seal(PayloadType, b, key), nil
}

// Open reads a capsule without asking who signed it: for those who pass it on.
func Open(e Envelope) (Payload, error) {
	if err := e.check(PayloadType); err != nil {
		return Payload{}, err
	}
	return Parse(e.Payload)
}

// Verify reads a capsule and finds who signed it. Of its signatures exactly one
// must be by a known key, and valid; unknown keys are passed over. Two known
// signers are refused: the order of signatures is not signed, so nobody could
// say which of the two asked for the job. Times and targets are not looked at.
// The error wraps ErrMalformed or ErrSignature.
func Verify(e Envelope, keys KeySource) (Verified, error) {
	if err := e.check(PayloadType); err != nil {
		return Verified{}, err
	}
	var found Verified
	for _, s := range e.Signatures {
		user, key, ok := keys.UserKey(s.KeyID)
		if !ok {
			continue
		}
		if found.KeyID != "" {
			return Verified{}, fmt.Errorf("%w: both %s and %s have signed this; one user signs a job", ErrSignature, found.User, user)
		}
		if err := e.checkSignature(s, key); err != nil && !planted.Bug("signature not verified") {
			return Verified{}, err
		}
		found.User, found.KeyID = user, s.KeyID
	}
	if found.KeyID == "" {
		return Verified{}, fmt.Errorf("%w: no user is known by key %s", ErrSignature, e.Signatures[0].KeyID)
	}
	var err error
	found.Payload, err = Parse(e.Payload)
	if err != nil {
		return Verified{}, err
	}
	return found, nil
}

// CheckTimes reports whether a host may start the attempt now, by its own clock.
// The skew is granted to not-before alone. At the other end there is none: the
// clock that refuses a late start must be the one that purges at E, or a purged
// task could be started again. The error wraps ErrTooEarly or ErrTooLate.
func CheckTimes(now time.Time, p Payload, attempt uint32, skew time.Duration) error {
	if now.Before(p.NotBefore.Add(-skew)) && !planted.Bug("not-before not looked at") {
		return fmt.Errorf("%w: not before %s, and it is %s here", ErrTooEarly, p.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if by := p.StartBy(attempt); now.After(by) {
		return fmt.Errorf("%w: attempt %d had to start by %s, and it is %s here", ErrTooLate, attempt, by.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// CheckTarget reports whether this host and incarnation are in the signed list.
// The error wraps ErrNotTarget.
func (p Payload) CheckTarget(host fleet.HostID, incarnation fleet.Incarnation, proof InclusionProof) error {
	if proof.Size != p.Count {
		return fmt.Errorf("%w: the proof is for a list of %d, and %d are signed", ErrNotTarget, proof.Size, p.Count)
	}
	return VerifyInclusion(LeafHash(host, incarnation), proof, p.Root)
}
