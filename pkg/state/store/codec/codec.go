package codec

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// Codec encodes batches and reads what they became. It is safe for concurrent
// use, has no goroutine, and needs no closing.
type Codec struct {
	compress   *zstd.Encoder
	decompress *zstd.Decoder
}

// New returns a codec.
func New() (*Codec, error) {
	// Level 1 is already four times as dense as the log lines that it is for, at
	// 300 MB a second; the better levels are paid for by every commit.
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("cannot make the compressor of outputs: %w", err)
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxOutput), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("cannot make the decompressor of outputs: %w", err)
	}
	return &Codec{e, d}, nil
}

// Damaged marks as store.ErrDamaged what was read whole and cannot be
// understood; nil stays nil.
func Damaged(err error) error {
	if err == nil || errors.Is(err, store.ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrDamaged, err)
}
