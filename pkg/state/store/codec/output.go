package codec

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// The forms of output content.
const (
	Plain   = 0 // as it is
	Deflate = 1 // RFC 1951; of early builds, read and not written
	Zstd    = 2 // RFC 8878, one frame
)

const (
	// compressFrom is the size at which compressing begins to pay: below it the
	// row costs more than what is saved.
	compressFrom = 512
	// maxOutput is the greatest content that is read: four times what a stream
	// keeps at most (16 MiB). It bounds what a damaged frame can ask for.
	maxOutput = 64 << 20
)

// Compress returns content in the form that is smaller, and which that is. What
// it returns may be the content itself.
func (c *Codec) Compress(content []byte) (form int, out []byte) {
	content = notNull(content)
	if len(content) < compressFrom {
		return Plain, content
	}
	out = c.compress.EncodeAll(content, make([]byte, 0, len(content)/2))
	if len(out) > len(content)*9/10 {
		return Plain, content
	}
	return Zstd, out
}

// Decompress undoes Compress; size is that of the content.
func (c *Codec) Decompress(form int, size int64, stored []byte) (out []byte, err error) {
	if size < 0 || size > maxOutput {
		return nil, fmt.Errorf("cannot read output: it is damaged: a size of %d bytes", size)
	}
	switch form {
	case Plain:
		out = stored
	case Deflate:
		out, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(stored)), size+1))
	case Zstd:
		out, err = c.decompress.DecodeAll(stored, make([]byte, 0, size))
	default:
		return nil, fmt.Errorf("cannot read output: its form %d is not known to this release", form)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read output: it is damaged: %w", err)
	}
	if int64(len(out)) != size {
		return nil, fmt.Errorf("cannot read output: it is damaged: %d bytes instead of %d", len(out), size)
	}
	return out, nil
}

// notNull makes sure that no bytes are an empty value, not NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
