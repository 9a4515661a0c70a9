package spool

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// pullSize is what one Pull takes at most: a pipe's worth.
const pullSize = 64 << 10

// FIFO makes the way that an output comes, and opens the command's end of it
// read-write: so the command never gets SIGPIPE, and a successor of the drain
// can go on where it stopped. uid, gid own it; -1: the caller.
func (c *Command) FIFO(n uint32, stream, uid, gid int) (fd int, err error) {
	name := numbered(Streams[stream], n) + ".fifo"
	err = unix.Mknodat(c.dir.fd, name, unix.S_IFIFO|0o600, 0)
	if err == nil && uid >= 0 {
		err = unix.Fchownat(c.dir.fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return -1, c.dir.fault("mkfifo", name, err)
	}
	fd, err = unix.Openat(c.dir.fd, name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, c.dir.fault("open", name, err)
	}
	return fd, nil
}

// Sink drains one output into its capped file. One process at a time; a
// successor goes on where it stopped.
type Sink struct {
	dir   folder
	name  string
	from  int // the FIFO, -1 at its end
	to    int // the file, -1 before the first byte
	kept  uint64
	cut   uint64
	limit uint64
	full  bool // nothing more is kept, also if the disk said so
	buf   []byte
}

// openFIFO opens the reader's end. ErrMissing: there is none, or no more.
func (c *Command) openFIFO(n uint32, stream int) (int, error) {
	name := numbered(Streams[stream], n) + ".fifo"
	fd, err := unix.Openat(c.dir.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return -1, ErrMissing
	}
	if err != nil {
		return -1, c.dir.fault("open", name, err)
	}
	return fd, nil
}

// Holder keeps what is in the FIFOs of an attempt: when nobody has a FIFO open,
// what was in it is gone.
type Holder struct{ fds [2]int }

// Hold opens the FIFOs of attempt n and reads nothing. ErrMissing: there are
// none, or no more.
func (c *Command) Hold(n uint32) (*Holder, error) {
	h := &Holder{fds: [2]int{-1, -1}}
	for i := range h.fds {
		var err error
		if h.fds[i], err = c.openFIFO(n, i); err != nil {
			h.Close()
			return nil, err
		}
	}
	return h, nil
}

// Close lets go.
func (h *Holder) Close() {
	for i, fd := range h.fds {
		if fd >= 0 {
			unix.Close(fd)
		}
		h.fds[i] = -1
	}
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
	s.kept, s.cut = c.Drained(n, stream)
	planted.Do("a successor drains from the beginning", func() { s.kept, s.cut = 0, 0 })
	s.full = s.cut > 0
	return s, nil
}

// FD returns what to poll; -1: every writer has closed it.
func (s *Sink) FD() int { return s.from }

// Kept returns the bytes in the file.
func (s *Sink) Kept() uint64 { return s.kept }

// Cut returns the bytes that were written and not kept.
func (s *Sink) Cut() uint64 { return s.cut }

// Close lets go of the FIFO and the file.
func (s *Sink) Close() {
	s.shut()
	if s.to >= 0 {
		unix.Close(s.to)
		s.to = -1
	}
	s.buf = nil
}

func (s *Sink) shut() {
	if s.from >= 0 {
		unix.Close(s.from)
		s.from = -1
	}
}

// Pull takes up to 64 KiB without blocking, and reports whether there may be
// more at once. What is kept goes from pipe to file inside the kernel where that
// works, so that a kill in between loses nothing.
func (s *Sink) Pull() bool {
	if s.from < 0 {
		return false
	}
	if !s.full && s.kept >= s.limit {
		s.full = true
	}
	if s.full {
		return s.after(s.discard())
	}
	if s.to < 0 && !s.ready() {
		return false
	}
	if s.to < 0 { // the disk would not
		return s.after(s.discard())
	}
	return s.after(s.keep(int(min(pullSize, s.limit-s.kept))))
}

// ready opens the file at the first byte: most commands leave one output empty.
// False: there is no byte yet.
func (s *Sink) ready() bool {
	fds := []unix.PollFd{{Fd: int32(s.from), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	if n, err := unix.Poll(fds, 0); err != nil || n == 0 {
		return false
	}
	if fds[0].Revents&unix.POLLIN == 0 {
		s.shut()
		return false
	}
	fd, err := unix.Openat(s.dir.fd, s.name, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err == nil {
		_, err = unix.Seek(fd, int64(s.kept), unix.SEEK_SET) //nolint:gosec // at most MaxKept
	}
	s.to, s.full = fd, err != nil
	return true
}

func (s *Sink) keep(n int) (int, error) {
	moved, err := unix.Splice(s.from, nil, s.to, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return s.copy(n) // a file system without splice, or a full one
	}
	if moved > 0 {
		s.kept += uint64(moved)
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
		if err != nil { // the disk is full: what is kept stays a true beginning
			s.full = true
			s.drop(uint64(got - at))
			break
		}
		at += wrote
		s.kept += uint64(wrote) //nolint:gosec // not negative without an error
	}
	return got, nil
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
	planted.Do("what is cut is not counted", func() { n = 0 })
	s.cut += n
	fd, err := unix.Openat(s.dir.fd, s.name+".cut", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	_, _ = unix.Pwrite(fd, strconv.AppendUint(nil, s.cut, 10), 0) // only ever longer
	unix.Close(fd)
}

func (s *Sink) after(n int, err error) bool {
	if n == 0 && err == nil {
		s.shut() // every writer has closed it
	}
	return n > 0
}

// Unlink removes the FIFOs of attempt n, whose outcome is recorded.
func (c *Command) Unlink(n uint32) {
	for _, stream := range Streams {
		_ = unix.Unlinkat(c.dir.fd, numbered(stream, n)+".fifo", 0)
	}
}
