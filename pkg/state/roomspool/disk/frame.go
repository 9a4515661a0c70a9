package disk

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// A frame is the length of its body, a checksum over where it stands, that
// length and the body, and the body: operations one after the other. All numbers
// are little-endian or unsigned varints.
const (
	frameHead = 8
	// frameMost is above every frame that is written: a commit, and what it moves.
	frameMost = 2*roomspool.MaxCommit + 1<<20
)

// The operations.
const (
	opPut    = 1 // key, value
	opDelete = 2 // key
	opRetire = 3 // number of the oldest segment that is still needed
)

// errFrame says that there is no frame here.
var errFrame = errors.New("no frame")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// op is one operation as it is read. Key and value are only lent.
type op struct {
	kind   byte
	key    []byte
	value  []byte
	oldest uint64
	at     uint32 // in the body
	size   uint32 // of the operation
}

// frame is one under way.
type frame struct{ bytes []byte }

func newFrame(reuse []byte) *frame { return &frame{append(reuse[:0], make([]byte, frameHead)...)} }

func (f *frame) put(key string, value []byte) (at uint32, size uint32) {
	before := len(f.bytes)
	f.bytes = append(f.bytes, opPut)
	f.bytes = binary.AppendUvarint(f.bytes, uint64(len(key)))
	f.bytes = append(f.bytes, key...)
	f.bytes = binary.AppendUvarint(f.bytes, uint64(len(value)))
	f.bytes = append(f.bytes, value...)
	return uint32(before - frameHead), uint32(len(f.bytes) - before)
}

func (f *frame) remove(key string) {
	f.bytes = append(f.bytes, opDelete)
	f.bytes = binary.AppendUvarint(f.bytes, uint64(len(key)))
	f.bytes = append(f.bytes, key...)
}

func (f *frame) retire(oldest uint64) {
	f.bytes = append(f.bytes, opRetire)
	f.bytes = binary.AppendUvarint(f.bytes, oldest)
}

// seal completes the frame for the place where it is written.
func (f *frame) seal(segment uint64, offset int64) []byte {
	binary.LittleEndian.PutUint32(f.bytes, uint32(len(f.bytes)-frameHead))
	binary.LittleEndian.PutUint32(f.bytes[4:], checksum(segment, offset, f.bytes[:4], f.bytes[frameHead:]))
	return f.bytes
}

func checksum(segment uint64, offset int64, length, body []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], segment)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	sum := crc32.Update(0, castagnoli, place[:])
	sum = crc32.Update(sum, castagnoli, length)
	return crc32.Update(sum, castagnoli, body)
}

// readFrame reads the body at an offset of a segment that counts up to end; buf
// is used again if it is large enough. The error is errFrame, or that of the disk.
func readFrame(f file, segment uint64, offset, end int64, buf []byte) (body []byte, err error) {
	var head [frameHead]byte
	if end-offset < frameHead {
		return buf, errFrame
	}
	if _, err := f.ReadAt(head[:], offset); err != nil {
		return buf, err
	}
	length := int64(binary.LittleEndian.Uint32(head[:]))
	if length == 0 || length > frameMost || length > end-offset-frameHead {
		return buf, errFrame
	}
	if int64(cap(buf)) < length {
		buf = make([]byte, length)
	}
	body = buf[:length]
	if _, err := f.ReadAt(body, offset+frameHead); err != nil {
		return body, err
	}
	if checksum(segment, offset, head[:4], body) != binary.LittleEndian.Uint32(head[4:]) {
		return body, errFrame
	}
	return body, nil
}

// nextOp takes an operation off a body, of which at is the place where rest
// begins.
func nextOp(rest []byte, at uint32) (op, []byte, error) {
	if len(rest) == 0 || len(rest) > math.MaxInt32 {
		return op{}, nil, errFrame
	}
	o := op{kind: rest[0], at: at}
	left, ok := rest[1:], false
	switch o.kind {
	case opPut:
		if o.key, left, ok = piece(left, roomspool.MaxKey); ok {
			o.value, left, ok = piece(left, roomspool.MaxValue)
		}
	case opDelete:
		o.key, left, ok = piece(left, roomspool.MaxKey)
	case opRetire:
		var n int
		o.oldest, n = binary.Uvarint(left)
		if ok = n > 0; ok {
			left = left[n:]
		}
	}
	if !ok {
		return op{}, nil, errFrame
	}
	o.size = uint32(len(rest) - len(left))
	return o, left, nil
}

// piece takes a string with its length before it.
func piece(b []byte, most uint64) (got, rest []byte, ok bool) {
	length, n := binary.Uvarint(b)
	if n <= 0 || length > most || length > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(length)], b[n+int(length):], true
}
