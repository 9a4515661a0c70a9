package spool

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// pullSize is what one Pull takes at most: a pipe's worth.
const pullSize = 64 << 10

// Sink drains one output into its files: first the head, then one segment of
// the tail after the other, of which those go that are not needed for it any
// more. How far it has come stands in the names and sizes of the files alone, so
// that a kill at any moment leaves nothing to be set right. One process at a
// time; a successor goes on where it stopped.
type Sink struct {
	dir    folder
	name   string
	from   int // the FIFO, -1 at its end
	to     int // the last of pieces, -1 before the first byte
	pieces pieces
	limit  uint64
	failed bool   // the disk would not take more: nothing more is kept
	lost   uint64 // with failed: bytes that were written beyond the head
	buf    []byte
}

// OpenSink opens the drain's end of a FIFO. It reads what a predecessor kept
// and cut. ErrMissing: there is no FIFO, or no more.
func (c *Command) OpenSink(n uint32, stream int, limit uint64) (*Sink, error) {
	s := &Sink{dir: c.dir, name: numbered(Streams[stream], n), from: -1, to: -1, limit: limit}
	fd, err := c.openFIFO(n, stream)
	if err != nil {
		return nil, err
	}
	s.from = fd
	s.pieces, s.lost, s.failed = c.dir.output(s.name)
	planted.Do("a successor drains from the beginning", func() { s.pieces, s.lost, s.failed = nil, 0, false })
	return s, nil
}

// FD returns what to poll; -1: every writer has closed it.
func (s *Sink) FD() int { return s.from }

// Drained returns what was kept and cut so far.
func (s *Sink) Drained() Drained {
	if s.failed {
		return Drained{Kept: s.pieces.head(), Cut: s.lost}
	}
	return s.pieces.measure(s.limit)
}

// Close lets go of the FIFO and the file.
func (s *Sink) Close() {
	s.shut()
	s.closePiece()
	s.buf = nil
}

func (s *Sink) shut() {
	if s.from >= 0 {
		unix.Close(s.from)
		s.from = -1
	}
}

func (s *Sink) closePiece() {
	if s.to >= 0 {
		unix.Close(s.to)
		s.to = -1
	}
}

// Pull takes up to 64 KiB without blocking, and reports whether there may be
// more at once. What is kept goes from pipe to file inside the kernel where that
// works, so that a kill in between loses nothing.
func (s *Sink) Pull() bool {
	if s.from < 0 {
		return false
	}
	if !s.failed && (s.to < 0 || s.pieces.room(s.limit) == 0) && !s.ready() {
		return false
	}
	if s.failed {
		return s.after(s.discard())
	}
	return s.after(s.keep(int(min(pullSize, s.pieces.room(s.limit)))))
}

// ready opens a piece with room at the first byte for it: most commands leave
// one output empty. False: there is no byte yet.
func (s *Sink) ready() bool {
	fds := []unix.PollFd{{Fd: int32(s.from), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	if n, err := unix.Poll(fds, 0); err != nil || n == 0 {
		return false
	}
	if fds[0].Revents&unix.POLLIN == 0 {
		s.shut()
		return false
	}
	if len(s.pieces) == 0 {
		s.pieces = pieces{{name: s.name}}
	}
	if s.pieces.room(s.limit) == 0 {
		s.nextPiece()
	} else {
		s.openPiece()
	}
	return true
}

// openPiece opens the last piece at its end.
func (s *Sink) openPiece() {
	s.closePiece()
	last := s.pieces[len(s.pieces)-1]
	fd, err := unix.Openat(s.dir.fd, last.name, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err == nil {
		s.to = fd
		_ = s.dir.own(fd)
		_, err = unix.Seek(fd, int64(last.size), unix.SEEK_SET) //nolint:gosec // at most MaxKept
	}
	if err != nil {
		s.fail(0)
	}
}

// nextPiece begins a segment of the tail. Then what the tail can do without
// goes: never the last name that says how far the output has come.
func (s *Sink) nextPiece() {
	end := s.pieces.end()
	s.pieces = append(s.pieces, piece{name: segmentName(s.name, end), at: end})
	if s.openPiece(); s.failed {
		return
	}
	for keepFrom := end - min(end, tailOf(s.limit)); len(s.pieces) > 2 && s.pieces[1].end() <= keepFrom; {
		_ = unix.Unlinkat(s.dir.fd, s.pieces[1].name, 0) // what cannot be goes with the command
		s.pieces = append(s.pieces[:1], s.pieces[2:]...)
	}
}

func (s *Sink) keep(n int) (int, error) {
	moved, err := unix.Splice(s.from, nil, s.to, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return s.copy(n) // a file system without splice, or a full one
	}
	if moved > 0 {
		s.pieces[len(s.pieces)-1].size += uint64(moved)
	}
	return int(moved), err
}

func (s *Sink) copy(n int) (int, error) {
	got, err := s.read(n)
	if got <= 0 {
		return got, err
	}
	for at := 0; at < got; {
		wrote, err := unix.Write(s.to, s.buf[at:got])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			s.fail(uint64(got - at))
			break
		}
		at += wrote
		s.pieces[len(s.pieces)-1].size += uint64(wrote) //nolint:gosec // not negative without an error
	}
	return got, nil
}

// fail ends the keeping: the disk is full. The head stays a true beginning; the
// tail goes, since there would be a second gap after it, and is counted with the
// n bytes that could not be written.
func (s *Sink) fail(n uint64) {
	s.failed = true
	s.closePiece()
	head := s.pieces.head()
	s.lost = s.pieces.end() - head
	s.drop(n)
	for _, p := range s.pieces {
		if p.at > 0 {
			_ = unix.Unlinkat(s.dir.fd, p.name, 0)
		}
	}
	s.drop(0) // there was no room for it before, perhaps
	s.pieces = pieces{{name: s.name, size: head}}
}

func (s *Sink) discard() (int, error) {
	got, err := s.read(pullSize)
	if got > 0 {
		s.drop(uint64(got))
	}
	return got, err
}

func (s *Sink) read(n int) (int, error) {
	if s.buf == nil {
		s.buf = make([]byte, pullSize)
	}
	return unix.Read(s.from, s.buf[:n])
}

// drop counts, and notes the count where a successor finds it.
func (s *Sink) drop(n uint64) {
	s.lost += n
	fd, err := unix.Openat(s.dir.fd, s.name+".cut", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	_ = s.dir.own(fd)
	_, _ = unix.Pwrite(fd, strconv.AppendUint(nil, s.lost, 10), 0) // only ever longer
	unix.Close(fd)
}

func (s *Sink) after(n int, err error) bool {
	if n == 0 && err == nil {
		s.shut() // every writer has closed it
	}
	return n > 0
}
