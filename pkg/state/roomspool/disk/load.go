package disk

import (
	"errors"
	"fmt"
	"slices"
)

// load reads the log that is there. torn: its last frame was cut off. The error
// wraps errDamage if what is there is no log that a crash can have left.
func (s *Spool) load() (torn bool, err error) {
	numbers, err := s.numbers()
	if err != nil || len(numbers) == 0 {
		return false, err
	}
	if err := s.openAll(numbers); err != nil {
		return false, err
	}
	if len(s.segments) == 0 {
		return false, nil
	}
	oldest := s.segments[len(s.segments)-1].oldest
	for i, seg := range s.segments {
		retired, stopped, err := s.replay(seg)
		if err != nil {
			return false, err
		}
		oldest = max(oldest, retired)
		if stopped == seg.end {
			continue
		}
		if i < len(s.segments)-1 {
			return false, fmt.Errorf("%w: segment %d counts up to byte %d and can be read up to %d", errDamage, seg.number, seg.end, stopped)
		}
		torn, seg.end = true, stopped
	}
	return torn, s.forgetBefore(oldest)
}

// numbers is the newest segments without a gap, in order. Whether any is missed
// is known once they are read: power may fail while retired ones are removed.
func (s *Spool) numbers() (numbers []uint64, err error) {
	names, err := s.dir.Names()
	for _, name := range names {
		if n, is := segmentNumber(name); is {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for i := len(numbers) - 1; i > 0; i-- {
		if numbers[i] != numbers[i-1]+1 {
			for _, n := range numbers[:i] {
				s.garbage = append(s.garbage, segmentName(n))
			}
			return numbers[i:], err
		}
	}
	return numbers, err
}

// openAll opens the segments and learns from each how long the one before is.
func (s *Spool) openAll(numbers []uint64) error {
	for i, n := range numbers {
		f, err := s.dir.Open(segmentName(n))
		if err != nil {
			return err
		}
		seg := &segment{file: f}
		if seg.end, err = f.Size(); err != nil {
			return errors.Join(err, f.Close())
		}
		if seg.header, err = readHeader(f, n); err != nil {
			last := i == len(numbers)-1
			if errors.Is(err, errHeader) && last && seg.end <= headerBytes { // it was never used
				return errors.Join(f.Close(), s.dir.Remove(segmentName(n)))
			}
			return errors.Join(fmt.Errorf("%w: segment %d: %w", errDamage, n, err), f.Close())
		}
		s.segments = append(s.segments, seg)
		if i == 0 {
			continue
		}
		before := s.segments[i-1]
		if seg.prevEnd > before.end || seg.prevEnd < headerBytes {
			return fmt.Errorf("%w: segment %d has %d bytes, and %d are missed", errDamage, before.number, before.end, seg.prevEnd)
		}
		before.end = seg.prevEnd
	}
	return nil
}

// replay notes what is in a segment, and which the oldest is that it still needs.
func (s *Spool) replay(seg *segment) (oldest uint64, stopped int64, err error) {
	stopped, err = seg.scan(headerBytes, func(o op, offset int64) error {
		switch o.kind {
		case opPut:
			s.placed(string(o.key), place{seg.number, offset, int64(o.size)})
		case opDelete:
			s.placed(string(o.key), place{})
		case opRetire:
			oldest = max(oldest, o.oldest)
		}
		return nil
	})
	s.held += stopped
	return oldest, stopped, err
}

// forgetBefore removes the segments that were retired and are still there, and
// misses those that should be.
func (s *Spool) forgetBefore(oldest uint64) error {
	if first := s.segments[0].number; first > oldest {
		return fmt.Errorf("%w: segment %d is missing", errDamage, oldest)
	}
	n := slices.IndexFunc(s.segments, func(seg *segment) bool { return seg.number >= oldest })
	if n < 0 {
		return fmt.Errorf("%w: segment %d is needed, and the last is %d", errDamage, oldest, s.segments[len(s.segments)-1].number)
	}
	s.drop(n)
	return nil
}
