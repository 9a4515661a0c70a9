package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math/bits"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// releasePiece is the number of ordinals in one row of releases. Bit o%8, from
// the least, of byte o/8 is ordinal o of the piece; bytes that are not there
// are empty.
const releasePiece = 16384

// release adds ordinals to the bitmap, piece by piece.
func (t *tx) release(ctx context.Context, seq int64, released []uint32) error {
	pieces := map[uint32][]byte{}
	for _, ordinal := range released {
		n := ordinal / releasePiece
		piece, loaded := pieces[n]
		if !loaded {
			err := t.row(ctx, "SELECT bits FROM releases WHERE job = ? AND piece = ?", []any{seq, n}, &piece)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		pieces[n] = setBit(piece, ordinal%releasePiece)
	}
	for n, piece := range pieces {
		if err := t.exec(ctx, "INSERT INTO releases (job, piece, bits) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bits = excluded.bits",
			seq, n, piece); err != nil {
			return err
		}
	}
	return nil
}

func setBit(piece []byte, o uint32) []byte {
	if missing := int(o/8) + 1 - len(piece); missing > 0 {
		piece = append(piece, make([]byte, missing)...)
	}
	piece[o/8] |= 1 << (o % 8)
	return piece
}

// released reads the ordinals back, ascending.
func (s *snapshot) released(ctx context.Context, seq int64) ([]uint32, error) {
	var ordinals []uint32
	err := s.each(ctx, "SELECT piece, bits FROM releases WHERE job = ? ORDER BY piece", []any{seq}, func(scan func(...any) error) error {
		var n uint32
		var piece []byte
		if err := scan(&n, &piece); err != nil {
			return err
		}
		if n > job.MaxTargets/releasePiece {
			return damaged(errDamagedReleases)
		}
		for i, b := range piece {
			for ; b != 0; b &= b - 1 {
				ordinals = append(ordinals, n*releasePiece+uint32(i*8+bits.TrailingZeros8(b))) // i is below 2,048
			}
		}
		return nil
	})
	return ordinals, err
}
