package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A segment is a file that begins with a header. The header of each says up to
// where the one before counts: what a failed write left behind that is ignored,
// and what was cut off before it is missed.
const (
	headerBytes   = 60
	headerMagic   = "CCSSPOOL"
	headerVersion = 1
	segmentPrefix = "log."
)

type header struct {
	id      [16]byte
	number  uint64
	oldest  uint64 // that was needed when this one was begun
	prevEnd int64  // of the segment before; 0: there was none
}

// segment is one file of the log.
type segment struct {
	header
	file file
	end  int64 // up to where it counts
}

func segmentName(number uint64) string { return fmt.Sprintf("%s%016x", segmentPrefix, number) }

// segmentNumber reads a name; false: it is none of a segment.
func segmentNumber(name string) (uint64, bool) {
	rest, ok := strings.CutPrefix(name, segmentPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(rest, 16, 64)
	return n, err == nil && segmentName(n) == name
}

func (h header) bytes() []byte {
	b := append(make([]byte, 0, headerBytes), headerMagic...)
	b = binary.LittleEndian.AppendUint32(b, headerVersion)
	b = append(b, h.id[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.number)
	b = binary.LittleEndian.AppendUint64(b, h.oldest)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.prevEnd))
	b = append(b, make([]byte, 4)...) // spare
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// errHeader says that a file does not begin with the header of a segment.
var errHeader = errors.New("no header")

// readHeader reads the header of a segment; the error is errHeader, or that of
// the disk, or says that a newer program wrote it.
func readHeader(f file, number uint64) (h header, err error) {
	size, err := f.Size()
	if err != nil {
		return h, err
	}
	if size < headerBytes {
		return h, errHeader
	}
	var b [headerBytes]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return h, err
	}
	if string(b[:8]) != headerMagic || crc32.Checksum(b[:headerBytes-4], castagnoli) != binary.LittleEndian.Uint32(b[headerBytes-4:]) {
		return h, errHeader
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != headerVersion {
		return h, fmt.Errorf("format %d, and this program reads %d", v, headerVersion)
	}
	copy(h.id[:], b[12:28])
	h.number, h.oldest = binary.LittleEndian.Uint64(b[28:]), binary.LittleEndian.Uint64(b[36:])
	h.prevEnd = int64(binary.LittleEndian.Uint64(b[44:]))
	if h.number != number || h.oldest == 0 || h.oldest > number || h.prevEnd < 0 {
		return h, errHeader
	}
	return h, nil
}

// scan gives every operation of the segment to yield, up to its end or to where
// no frame is; offset is that of the operation in the file. It returns where it
// stopped. An error of yield is its own.
func (s *segment) scan(from int64, yield func(o op, offset int64) error) (stopped int64, err error) {
	var buf []byte
	for offset := from; ; {
		body, err := readFrame(s.file, s.number, offset, s.end, buf)
		if err != nil {
			if errors.Is(err, errFrame) {
				err = nil
			}
			return offset, err
		}
		if err := eachOp(body, func(o op) error { return yield(o, offset+frameHead+int64(o.at)) }); err != nil {
			return offset, err
		}
		buf, offset = body, offset+frameHead+int64(len(body))
	}
}

// eachOp gives every operation of a body to yield. A body whose checksum is right
// and which cannot be read was written so: the error is damage.
func eachOp(body []byte, yield func(op) error) error {
	for at := uint32(0); len(body) > 0; {
		o, rest, err := nextOp(body, at)
		if err != nil {
			return fmt.Errorf("%w: a frame holds what is no operation", errDamage)
		}
		if err := yield(o); err != nil {
			return err
		}
		body, at = rest, at+o.size
	}
	return nil
}
