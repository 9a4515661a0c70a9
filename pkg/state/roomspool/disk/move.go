package disk

import (
	"fmt"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// How what is dead is left behind.
const (
	movedFor    = 2        // bytes looked through for each byte that is committed
	movedAlways = 64 << 10 // bytes looked through at least, once it has begun
	slack       = 4        // segments that may be dead whatever lives
	reserve     = 2        // segments that only deleting and moving may use
	tidied      = 4        // segments at most for one commit that had no room
	keepBuffer  = 4 << 20  // bytes of a frame that are kept for the next
)

// moving reports whether it is time to leave behind what is dead: it is more than
// what lives, and some. A segment that was begun is finished.
func (s *Spool) moving() bool {
	return len(s.segments) > 1 && (s.mover > 0 || s.held > 2*s.live+slack*s.cfg.SegmentBytes)
}

// tidy leaves dead bytes behind for the sake of a commit that had no room.
func (s *Spool) tidy() error {
	for range tidied {
		if len(s.segments) == 1 || s.held-s.live < 2*s.cfg.SegmentBytes {
			return nil
		}
		if err := s.rotate(); err != nil {
			return err
		}
		c := s.begin()
		if err := s.move(c, s.segments[0].end); err != nil {
			return err
		}
		if err := s.write(c); err != nil {
			return err
		}
	}
	return nil
}

// move puts what still lives in some of the oldest segment into a commit. Once
// all of the segment was looked through it is retired with the commit. A few such
// commits pay for each segment, so what is held stays in proportion to what lives.
func (s *Spool) move(c *commit, budget int64) error {
	oldest := s.segments[0]
	var buf []byte
	offset := max(s.mover, headerBytes)
	for limit := offset + budget; offset < limit && offset < oldest.end; {
		body, err := readFrame(oldest.file, oldest.number, offset, oldest.end, buf)
		if err != nil {
			return fmt.Errorf("%w: segment %d at byte %d: %w", roomspool.ErrDamaged, oldest.number, offset, err)
		}
		if err := eachOp(body, func(o op) error {
			if o.kind == opPut && s.isAt(o, oldest.number, offset+frameHead+int64(o.at)) {
				c.add(roomspool.Change{Key: string(o.key), Value: o.value})
			}
			return nil
		}); err != nil {
			return fmt.Errorf("%w: %w", roomspool.ErrDamaged, err)
		}
		buf, offset = body, offset+frameHead+int64(len(body))
	}
	c.mover = offset
	if offset >= oldest.end {
		c.retire(s.segments[1].number)
		c.retired, c.mover = 1, 0
	}
	return nil
}

// drop removes segments that are retired, the oldest first: a gap would look like
// damage. What cannot be removed now is tried again with the next.
func (s *Spool) drop(n int) {
	for _, seg := range s.segments[:n] {
		s.held -= seg.end
		_ = seg.file.Close() // it was only read
		s.garbage = append(s.garbage, segmentName(seg.number))
	}
	s.segments = s.segments[n:]
	for len(s.garbage) > 0 && s.dir.Remove(s.garbage[0]) == nil {
		s.garbage = s.garbage[1:]
	}
}
