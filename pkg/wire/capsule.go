package wire

import (
	"fmt"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// EnvelopeToProto is the wire form of a signed envelope. It shares the bytes.
func EnvelopeToProto(e capsule.Envelope) *typesv1.Envelope {
	out := &typesv1.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	for _, s := range e.Signatures {
		out.Signatures = append(out.Signatures, &typesv1.Signature{KeyId: s.KeyID, Sig: s.Sig})
	}
	return out
}

// EnvelopeFromProto reads an envelope without judging it. It shares the bytes.
func EnvelopeFromProto(e *typesv1.Envelope) capsule.Envelope {
	out := capsule.Envelope{PayloadType: e.GetPayloadType(), Payload: e.GetPayload()}
	for _, s := range e.GetSignatures() {
		out.Signatures = append(out.Signatures, capsule.Signature{KeyID: s.GetKeyId(), Sig: s.GetSig()})
	}
	return out
}

// RangeProofToProto is the wire form of a range proof.
func RangeProofToProto(p capsule.RangeProof) *typesv1.RangeProof {
	return &typesv1.RangeProof{First: p.First, Count: p.Count, TreeSize: p.Size, Hashes: hashesToProto(p.Hashes)}
}

// RangeProofFromProto reads a range proof; the error wraps ErrMessage.
func RangeProofFromProto(p *typesv1.RangeProof) (capsule.RangeProof, error) {
	hashes, err := hashesFromProto(p.GetHashes())
	return capsule.RangeProof{First: p.GetFirst(), Count: p.GetCount(), Size: p.GetTreeSize(), Hashes: hashes}, err
}

// InclusionToProto is the wire form of an inclusion proof.
func InclusionToProto(p capsule.InclusionProof) *typesv1.InclusionProof {
	return &typesv1.InclusionProof{Index: p.Index, TreeSize: p.Size, Hashes: hashesToProto(p.Hashes)}
}

// InclusionFromProto reads an inclusion proof; the error wraps ErrMessage.
func InclusionFromProto(p *typesv1.InclusionProof) (capsule.InclusionProof, error) {
	hashes, err := hashesFromProto(p.GetHashes())
	return capsule.InclusionProof{Index: p.GetIndex(), Size: p.GetTreeSize(), Hashes: hashes}, err
}

func hashesToProto(hashes []capsule.Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

func hashesFromProto(hashes [][]byte) ([]capsule.Hash, error) {
	out := make([]capsule.Hash, len(hashes))
	for i, h := range hashes {
		if len(h) != len(out[i]) {
			return nil, fmt.Errorf("%w: hash %d of a proof has %d bytes, not %d", ErrMessage, i, len(h), len(out[i]))
		}
		copy(out[i][:], h)
	}
	return out, nil
}
