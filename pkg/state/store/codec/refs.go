package codec

import (
	"encoding/binary"
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// EncodeRefs packs output references: for each the stream, the digest, and the
// sizes as varints. JSON would triple the row of a task. None is nil.
func EncodeRefs(refs []job.OutputRef) []byte {
	if len(refs) == 0 {
		return nil
	}
	b := make([]byte, 0, len(refs)*(1+32+4))
	for _, r := range refs {
		b = append(b, byte(r.Stream))
		b = append(b, r.Digest[:]...)
		b = binary.AppendUvarint(b, r.Size)
		b = binary.AppendUvarint(b, r.Cut)
	}
	return b
}

// DecodeRefs undoes EncodeRefs.
func DecodeRefs(b []byte) ([]job.OutputRef, error) {
	var refs []job.OutputRef
	for r := (reader{b: b}); len(r.b) > 0; {
		var ref job.OutputRef
		if stream := r.take(1); stream != nil {
			ref.Stream = job.Stream(stream[0])
		}
		copy(ref.Digest[:], r.take(uint64(len(ref.Digest))))
		ref.Size, ref.Cut = r.uvarint(), r.uvarint()
		if r.bad {
			return nil, errDamagedRefs
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

var errDamagedRefs = errors.New("cannot read a task: its output references are damaged")
