package capsule

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// maxEnvelopeJSON bounds the text form: base64 makes four bytes of three.
const maxEnvelopeJSON = MaxPayload/3*4 + 4096

// JSON is the envelope in the text form of the DSSE protocol, for files and
// coordination keys.
func (e Envelope) JSON() ([]byte, error) {
	out := dsse.Envelope{PayloadType: e.PayloadType, Payload: base64.StdEncoding.EncodeToString(e.Payload)}
	for _, s := range e.Signatures {
		out.Signatures = append(out.Signatures, dsse.Signature{KeyID: s.KeyID, Sig: base64.StdEncoding.EncodeToString(s.Sig)})
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("cannot write envelope: %w", err)
	}
	return b, nil
}

// ParseEnvelope reads the text form. It checks no signature; fields that DSSE
// does not define are passed over, for nothing but the payload is signed. The
// error wraps ErrMalformed.
func ParseEnvelope(b []byte) (Envelope, error) {
	if len(b) > maxEnvelopeJSON {
		return Envelope{}, fmt.Errorf("%w envelope: %d bytes, at most %d are allowed", ErrMalformed, len(b), maxEnvelopeJSON)
	}
	var in dsse.Envelope
	if err := json.Unmarshal(b, &in); err != nil {
		return Envelope{}, fmt.Errorf("%w envelope: %w", ErrMalformed, err)
	}
	payload, err := in.DecodeB64Payload()
	if err != nil {
		return Envelope{}, fmt.Errorf("%w envelope: payload: %w", ErrMalformed, err)
	}
	e := Envelope{PayloadType: in.PayloadType, Payload: payload}
	for _, s := range in.Signatures {
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil {
			return Envelope{}, fmt.Errorf("%w envelope: signature: %w", ErrMalformed, err)
		}
		e.Signatures = append(e.Signatures, Signature{KeyID: s.KeyID, Sig: sig})
	}
	return e, nil
}
