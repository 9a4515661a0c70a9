package job

import (
	"cmp"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"strconv"
	"time"
)

// ID is a job id: a UUIDv7 made by the client inside the signed bytes. It is
// the idempotency key of a submission.
type ID [16]byte

// ErrBadID says that a text is not a UUIDv7.
var ErrBadID = errors.New("not a UUIDv7 such as 0192f0c4-7a3e-7b2a-9c1d-0123456789ab")

// Shape of the text form: 8-4-4-4-12.
const (
	idText  = 36
	idBytes = 16
)

// NewID makes an id of a time and ten random bytes, of which six bits are
// replaced by the version and the variant (RFC 9562 section 5.7).
func NewID(t time.Time, random [10]byte) ID {
	ms := uint64(t.UnixMilli())
	var id ID
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	copy(id[6:], random[:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ParseID reads the one text form of an id: lower case with hyphens. Anything
// else is ErrBadID; two texts are never the same id.
func ParseID(text string) (ID, error) {
	if len(text) != idText {
		return ID{}, ErrBadID
	}
	digits := make([]byte, 0, 2*idBytes)
	for i := range len(text) {
		c := text[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return ID{}, ErrBadID
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
			digits = append(digits, c)
		default:
			return ID{}, ErrBadID
		}
	}
	var id ID
	if _, err := hex.Decode(id[:], digits); err != nil || !id.Valid() {
		return ID{}, ErrBadID
	}
	return id, nil
}

// IDFromBytes reads the 16 bytes of an id, as they are on the wire.
func IDFromBytes(b []byte) (ID, error) {
	var id ID
	if len(b) != len(id) {
		return ID{}, ErrBadID
	}
	copy(id[:], b)
	if !id.Valid() {
		return ID{}, ErrBadID
	}
	return id, nil
}

// Valid reports whether version and variant are those of a UUIDv7.
func (id ID) Valid() bool { return id[6]>>4 == 7 && id[8]>>6 == 2 }

// IsZero reports whether no id is set.
func (id ID) IsZero() bool { return id == ID{} }

// String is the lower-case text form, which is also the command id at the host.
func (id ID) String() string {
	var text [idText]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// Time is when the client made the id, by its clock, to the millisecond.
func (id ID) Time() time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// ShardID names a fixed slice of a pool's jobs.
type ShardID struct {
	Pool string
	N    uint16 // from 0
}

// String is such as standard/7.
func (s ShardID) String() string { return s.Pool + "/" + strconv.Itoa(int(s.N)) }

// ShardOf is the shard of a job in a pool of count shards (at least 1): FNV-1a
// of the 16 bytes of the id. Every tier that routes by it must agree for ever.
func ShardOf(id ID, count uint16) uint16 {
	if count == 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write(id[:]) // a hash never fails
	return uint16(h.Sum64() % uint64(count))
}

// Epoch is the fencing number of a shard's ownership, minted by the store. An
// operator raises the generation after the store was restored.
type Epoch struct {
	Generation uint64
	N          uint64
}

// Compare orders epochs; the greater owner is right.
func (e Epoch) Compare(other Epoch) int {
	return cmp.Or(cmp.Compare(e.Generation, other.Generation), cmp.Compare(e.N, other.N))
}
