package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// release adds ordinals to the bitmap, piece by piece.
func (t *tx) release(ctx context.Context, seq int64, released []uint32) error {
	pieces := map[uint32][]byte{}
	for _, ordinal := range released {
		n := ordinal / codec.Piece
		piece, loaded := pieces[n]
		if !loaded {
			err := t.row(ctx, "SELECT bits FROM releases WHERE job = ? AND piece = ?", []any{seq, n}, &piece)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		pieces[n] = codec.Release(piece, ordinal%codec.Piece)
	}
	for n, piece := range pieces {
		if err := t.exec(ctx, "INSERT INTO releases (job, piece, bits) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bits = excluded.bits",
			seq, n, piece); err != nil {
			return err
		}
	}
	return nil
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
		var err error
		ordinals, err = codec.AppendReleased(ordinals, n, piece)
		return codec.Damaged(err)
	})
	return ordinals, err
}
