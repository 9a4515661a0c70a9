package disk

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

func checksumOf(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli))
}

func TestAFrameIsOnlyGoodAtItsPlace(t *testing.T) {
	f := newFrame(nil)
	f.put("key", []byte("value"))
	raw := bytes.Clone(f.seal(7, 100))
	for _, c := range []struct {
		segment uint64
		offset  int64
		good    bool
	}{{7, 100, true}, {8, 100, false}, {7, 101, false}} {
		at := powerFile{newPower(), &platter{now: append(make([]byte, c.offset), raw...)}}
		_, err := readFrame(at, c.segment, c.offset, c.offset+int64(len(raw)), nil)
		if (err == nil) != c.good {
			t.Errorf("read as of segment %d at %d: %v", c.segment, c.offset, err)
		}
	}
}

// FuzzBodies reads what is no body: it ends, with an error or not, and what it
// reads is what is written again.
func FuzzBodies(f *testing.F) {
	good := newFrame(nil)
	good.put("key", []byte("value"))
	good.remove("key")
	good.retire(9)
	f.Add(good.bytes[frameHead:])
	f.Add([]byte{opPut, 1, 'k', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{opRetire, 0x80})
	f.Fuzz(func(t *testing.T, body []byte) {
		again := newFrame(nil)
		n := uint32(0)
		err := eachOp(body, func(o op) error {
			n += o.size
			switch o.kind {
			case opPut:
				again.put(string(o.key), o.value)
			case opDelete:
				again.remove(string(o.key))
			case opRetire:
				again.retire(o.oldest)
			}
			return nil
		})
		if err != nil {
			return
		}
		if int(n) != len(body) {
			t.Fatalf("%d bytes of %d were read", n, len(body))
		}
		if len(again.bytes)-frameHead > len(body) {
			t.Fatal("what was read is longer than what was there")
		}
	})
}

// FuzzSegments reads what is no segment.
func FuzzSegments(f *testing.F) {
	dir := newPower()
	s, _, err := open(small(), dir)
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Commit(nil); err != nil {
		f.Fatal(err)
	}
	f.Add(dir.files[segmentName(1)].now)
	f.Add([]byte(headerMagic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := newPower()
		dir.files[segmentName(1)] = &platter{raw, raw}
		s, _, err := open(small(), dir)
		if err != nil {
			t.Fatalf("an aggregator with this cannot start: %v", err)
		}
		if err := s.All(func(string, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
}
