package codec

import (
	"errors"
	"math/bits"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// Piece is the number of ordinals in one piece of a job's bitmap of releases (2
// KiB): a release rewrites one piece, not the 62 KiB of the greatest job. Bit
// o%8, from the least, of byte o/8 is ordinal o of the piece; bytes that are not
// there are empty.
const Piece = 16384

var errDamagedReleases = errors.New("cannot read the releases of a job: they go past the greatest target list")

// Release sets ordinal o of a piece, which it may change or replace.
func Release(piece []byte, o uint32) []byte {
	if missing := int(o/8) + 1 - len(piece); missing > 0 {
		piece = append(piece, make([]byte, missing)...)
	}
	piece[o/8] |= 1 << (o % 8)
	return piece
}

// AppendReleased appends the ordinals of piece n, ascending.
func AppendReleased(ordinals []uint32, n uint32, piece []byte) ([]uint32, error) {
	if n > job.MaxTargets/Piece || len(piece) > Piece/8 {
		return ordinals, errDamagedReleases
	}
	for i, b := range piece {
		for ; b != 0; b &= b - 1 {
			ordinals = append(ordinals, n*Piece+uint32(i*8+bits.TrailingZeros8(b))) // i is below 2,048
		}
	}
	return ordinals, nil
}
