package disk

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// place is where the newest value of a key is.
type place struct {
	segment uint64
	offset  int64 // of the operation
	size    int64 // of the operation
}

// Spool is an open directory. It is safe for concurrent use; commits are made one
// after the other.
type Spool struct {
	cfg  Config
	dir  files
	lock io.Closer // nil: nobody else can have it

	mu       sync.Mutex
	closed   bool
	id       [16]byte
	segments []*segment // oldest first, never empty; the last is written
	failed   bool       // the last write came to nothing: the next begins a segment
	index    map[string]place
	live     int64
	held     int64
	garbage  []string // names of segments that are needed no longer and still there
	mover    int64    // up to where the oldest segment was looked through; 0: not begun
	buf      []byte
}

// ID names the spool; another id means that what was promised under the one
// before counts no longer.
func (s *Spool) ID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return hex.EncodeToString(s.id[:])
}

// Usage is what is held.
func (s *Spool) Usage() roomspool.Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := (s.cfg.Quota - (slack+reserve+1)*s.cfg.SegmentBytes) / 2
	return roomspool.Usage{Entries: len(s.index), Live: s.live, Held: s.held, Room: room}
}

// All gives every entry to yield, and stops at its first error. Key order is that
// of the log. The value is only lent. Nothing can be committed meanwhile.
func (s *Spool) All(yield func(key string, value []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return roomspool.ErrClosed
	}
	for _, seg := range s.segments {
		stopped, err := seg.scan(headerBytes, func(o op, offset int64) error {
			if o.kind != opPut || !s.isAt(o, seg.number, offset) {
				return nil
			}
			return yield(string(o.key), o.value)
		})
		if err != nil {
			return err
		}
		if stopped != seg.end {
			return fmt.Errorf("%w: segment %d cannot be read any more at byte %d", roomspool.ErrDamaged, seg.number, stopped)
		}
	}
	return nil
}

// isAt reports whether an operation is the newest of its key.
func (s *Spool) isAt(o op, segment uint64, offset int64) bool {
	at, known := s.index[string(o.key)]
	return known && at.segment == segment && at.offset == offset
}

// Commit makes all of the changes durable, or none: then the next one begins at
// the same place. The error wraps roomspool.ErrFull, ErrDamaged, ErrClosed or
// ErrTooLarge, or is that of the disk. The changes are not kept.
func (s *Spool) Commit(changes []roomspool.Change) error {
	if err := roomspool.Check(changes); err != nil || len(changes) == 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return roomspool.ErrClosed
	}
	if err := s.rotate(); err != nil {
		return fmt.Errorf("cannot begin a segment of the room spool: %w", err)
	}
	if err := s.fits(changes); err != nil {
		return errors.Join(err, s.tidy())
	}
	c := s.begin()
	if s.moving() {
		if err := s.move(c, movedFor*size(changes)+movedAlways); err != nil {
			return err
		}
	}
	for _, change := range changes {
		c.add(change)
	}
	return s.write(c)
}

// size is what changes take in the log, about.
func size(changes []roomspool.Change) (n int64) {
	for _, c := range changes {
		n += int64(len(c.Key)+len(c.Value)) + 16
	}
	return n
}

// fits refuses to put what the quota has no room for. Deleting always fits: a
// reserve is for that and for what it moves.
func (s *Spool) fits(changes []roomspool.Change) error {
	puts := slices.ContainsFunc(changes, func(c roomspool.Change) bool { return c.Value != nil })
	if most := s.cfg.Quota - reserve*s.cfg.SegmentBytes; puts && s.held+frameHead+size(changes) > most {
		return fmt.Errorf("%w: %d of %d bytes are on the disk, %d of them are needed", roomspool.ErrFull, s.held, s.cfg.Quota, s.live)
	}
	return nil
}

// commit is a frame under way, and what will be true once it is durable.
type commit struct {
	*frame
	places  []pending
	retired int // segments that are needed no longer
	mover   int64
}

type pending struct {
	key  string
	at   uint32
	size uint32 // 0: deleted
}

func (s *Spool) begin() *commit { return &commit{frame: newFrame(s.buf), mover: s.mover} }

func (c *commit) add(change roomspool.Change) {
	if change.Value == nil {
		c.remove(change.Key)
		c.places = append(c.places, pending{key: change.Key})
		return
	}
	at, size := c.put(change.Key, change.Value)
	c.places = append(c.places, pending{change.Key, at, size})
}

// write writes a frame, and syncs it before anything of it counts.
func (s *Spool) write(c *commit) error {
	last := s.segments[len(s.segments)-1]
	bytes := c.seal(last.number, last.end)
	s.buf = bytes
	if cap(s.buf) > keepBuffer {
		s.buf = nil
	}
	_, err := last.file.WriteAt(bytes, last.end)
	if err == nil {
		err = last.file.Sync()
	}
	if err != nil {
		s.failed = true
		return fmt.Errorf("cannot write the room spool: %w", err)
	}
	for _, p := range c.places {
		s.placed(p.key, place{last.number, last.end + frameHead + int64(p.at), int64(p.size)})
	}
	last.end += int64(len(bytes))
	s.held += int64(len(bytes))
	s.mover = c.mover
	s.drop(c.retired)
	return nil
}

// placed notes where the newest value of a key is; of size 0: it was deleted.
func (s *Spool) placed(key string, at place) {
	s.live -= s.index[key].size // 0 if it is not there
	if at.size == 0 {
		delete(s.index, key)
		return
	}
	s.index[key] = at
	s.live += at.size
}

// rotate begins another segment if the last one is full, or cannot be trusted.
func (s *Spool) rotate() error {
	last := s.segments[len(s.segments)-1]
	if !s.failed && last.end < s.cfg.SegmentBytes {
		return nil
	}
	made, err := create(s.dir, header{id: s.id, number: last.number + 1, oldest: s.segments[0].number, prevEnd: last.end})
	if err != nil {
		return err
	}
	s.segments = append(s.segments, made)
	s.held += headerBytes
	s.failed = false
	return nil
}

// create makes a segment whose header is durable.
func create(dir files, h header) (*segment, error) {
	f, err := dir.Create(segmentName(h.number))
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(h.bytes(), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segment{header: h, file: f, end: headerBytes}, nil
}

// Close gives the directory free. Closing twice does nothing.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.closeFiles(), s.unlock())
}

func (s *Spool) closeFiles() (err error) {
	for _, seg := range s.segments {
		err = errors.Join(err, seg.file.Close())
	}
	return err
}

func (s *Spool) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}
