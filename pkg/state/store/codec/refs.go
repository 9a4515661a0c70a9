package codec

import (
	"encoding/binary"
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// withTail marks the stream of a reference that has a tail.
const withTail = 0x80

// EncodeRefs packs output references: for each the stream, the digest, and the
// sizes as varints; the tail only if there is one, which the stream's highest bit
// says. JSON would triple the row of a task. None is nil.
func EncodeRefs(refs []job.OutputRef) []byte {
	if len(refs) == 0 {
		return nil
	}
	b := make([]byte, 0, len(refs)*(1+32+4))
	for _, r := range refs {
		stream := byte(r.Stream)
		if r.Tail > 0 {
			stream |= withTail
		}
		b = append(b, stream)
		b = append(b, r.Digest[:]...)
		b = binary.AppendUvarint(b, r.Size)
		b = binary.AppendUvarint(b, r.Cut)
		if r.Tail > 0 {
			b = binary.AppendUvarint(b, r.Tail)
		}
	}
	return b
}

// DecodeRefs undoes EncodeRefs.
func DecodeRefs(b []byte) ([]job.OutputRef, error) {
	var refs []job.OutputRef
	for r := (reader{b: b}); len(r.b) > 0; {
		var ref job.OutputRef
		tail := false
		if stream := r.take(1); stream != nil {
			ref.Stream, tail = job.Stream(stream[0]&^withTail), stream[0]&withTail != 0
		}
		copy(ref.Digest[:], r.take(uint64(len(ref.Digest))))
		ref.Size, ref.Cut = r.uvarint(), r.uvarint()
		if tail {
			ref.Tail = r.uvarint()
		}
		if r.bad {
			return nil, errDamagedRefs
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

var errDamagedRefs = errors.New("cannot read a task: its output references are damaged")
