package capsule

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// PayloadType is the media type of a capsule's payload.
const PayloadType = "application/vnd.ccs.capsule.v1"

// MaxSignatures is how many signatures an envelope may have.
const MaxSignatures = 8

// Envelope is a DSSE envelope in binary form (secure-systems-lab/dsse 1.0).
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature
}

// Signature is one signature over the envelope's pre-authentication encoding.
type Signature struct {
	KeyID string // hex SHA-256 of the public key; a hint, and not signed
	Sig   []byte // Ed25519; 64 bytes
}

// KeyID names a key: the hex SHA-256 of its 32 bytes.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// Seal signs payload bytes as they are.
func Seal(payloadType string, payload []byte, key ed25519.PrivateKey) Envelope {
	public, _ := key.Public().(ed25519.PublicKey)
	return Envelope{
		PayloadType: payloadType,
		Payload:     payload,
		Signatures:  []Signature{{KeyID: KeyID(public), Sig: ed25519.Sign(key, dsse.PAE(payloadType, payload))}},
	}
}

// Digest is the SHA-256 of the pre-authentication encoding: it names what was
// signed, whoever signed it.
func (e Envelope) Digest() Hash { return sha256.Sum256(dsse.PAE(e.PayloadType, e.Payload)) }

// CheckSignedBy reports whether the envelope is of this type and carries a valid
// signature of this key; its error wraps ErrMalformed or ErrSignature.
func (e Envelope) CheckSignedBy(payloadType string, key ed25519.PublicKey) error {
	if err := e.check(payloadType); err != nil {
		return err
	}
	id := KeyID(key)
	for _, s := range e.Signatures {
		if s.KeyID == id {
			return e.checkSignature(s, key)
		}
	}
	return fmt.Errorf("%w: key %s has not signed this", ErrSignature, id)
}

func (e Envelope) checkSignature(s Signature, key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, dsse.PAE(e.PayloadType, e.Payload), s.Sig) {
		return fmt.Errorf("%w: that of key %s does not verify", ErrSignature, s.KeyID)
	}
	return nil
}

// check looks at the form alone.
func (e Envelope) check(payloadType string) error {
	if e.PayloadType != payloadType {
		return fmt.Errorf("%w envelope: payload type is %q, not %q", ErrMalformed, e.PayloadType, payloadType)
	}
	if len(e.Payload) > MaxPayload {
		return fmt.Errorf("%w envelope: payload has %d bytes, at most %d are allowed", ErrMalformed, len(e.Payload), MaxPayload)
	}
	if len(e.Signatures) == 0 {
		return fmt.Errorf("%w: nobody has signed this", ErrSignature)
	}
	if len(e.Signatures) > MaxSignatures {
		return fmt.Errorf("%w envelope: %d signatures, at most %d are allowed", ErrMalformed, len(e.Signatures), MaxSignatures)
	}
	seen := make(map[string]bool, len(e.Signatures))
	for _, s := range e.Signatures {
		id, err := hex.DecodeString(s.KeyID)
		if err != nil || len(id) != sha256.Size || hex.EncodeToString(id) != s.KeyID {
			return fmt.Errorf("%w envelope: key id %.80q is not 64 lower-case hex digits", ErrMalformed, s.KeyID)
		}
		if len(s.Sig) != ed25519.SignatureSize {
			return fmt.Errorf("%w envelope: a signature has %d bytes, not %d", ErrMalformed, len(s.Sig), ed25519.SignatureSize)
		}
		if seen[s.KeyID] {
			return fmt.Errorf("%w envelope: key %s has signed twice", ErrMalformed, s.KeyID)
		}
		seen[s.KeyID] = true
	}
	return nil
}
