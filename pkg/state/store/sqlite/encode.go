package sqlite

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// Codecs of output content.
const (
	codecPlain   = 0
	codecDeflate = 1
)

// deflateFrom is the size at which compressing begins to pay: below it the row
// costs more than what is saved.
const deflateFrom = 512

// compress returns content in the codec that is smaller.
func compress(content []byte) (codec int, out []byte) {
	content = notNull(content)
	if len(content) < deflateFrom {
		return codecPlain, content
	}
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestSpeed)
	if err != nil { // only for a level that does not exist
		return codecPlain, content
	}
	_, err = w.Write(content)
	if err = errors.Join(err, w.Close()); err != nil || buf.Len() > len(content)*9/10 {
		return codecPlain, content
	}
	return codecDeflate, buf.Bytes()
}

// decompress undoes compress; size is that of the content.
func decompress(codec int, size int64, stored []byte) ([]byte, error) {
	if codec == codecPlain {
		return stored, nil
	}
	if codec != codecDeflate {
		return nil, fmt.Errorf("cannot read output: its codec %d is not known to this release", codec)
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(stored)), out); err != nil {
		return nil, fmt.Errorf("cannot read output: it is damaged: %w", err)
	}
	return out, nil
}

// encodeRefs packs output references: for each the stream, the digest, and the
// sizes as varints. JSON would triple the row of a task.
func encodeRefs(refs []job.OutputRef) []byte {
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

func decodeRefs(b []byte) ([]job.OutputRef, error) {
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

// damaged marks what was read whole and cannot be understood; nil stays nil.
func damaged(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", store.ErrDamaged, err)
}

// notNull makes sure that no bytes are an empty blob, not NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// toJSON encodes rows that are read back whole; a field that is new in a
// release needs no migration.
func toJSON(what string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cannot encode %s: %w", what, err)
	}
	return b, nil
}

func fromJSON(what string, b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("cannot decode %s: %w", what, err)
	}
	return nil
}

// nanos is a time as the tables hold it; 0 is no time.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
