package spool

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrOutputLost says that bytes of an output are not there which an outcome
// says are kept.
var ErrOutputLost = errors.New("kept output is not there any more")

// Output reads an output of an attempt, also while it is written. It takes
// nothing from whoever writes it. It is for one goroutine.
type Output struct {
	dir  folder
	name string
	open piece // size is not used
	fd   int   // of open; -1: none
}

// OpenOutput reads stdout (0) or stderr (1) of attempt n, whether or not
// anything was written yet. The command must stay open as long as it is used.
func (c *Command) OpenOutput(n uint32, stream int) *Output {
	return &Output{dir: c.dir, name: numbered(Streams[stream], n), fd: -1}
}

// Close lets go of what is open.
func (o *Output) Close() {
	if o.fd >= 0 {
		unix.Close(o.fd)
		o.fd = -1
	}
}

// Read reads what is on the disk at the offset, or at the first one after it
// that there is: then at is greater. n is 0 if there is nothing now; less than
// there is may come, more is had by the next call.
func (o *Output) Read(offset uint64, buf []byte) (at uint64, n int, err error) {
	if n, err := o.pread(offset, buf); n > 0 || err != nil {
		return offset, n, err
	}
	for _, p := range o.dir.pieces(o.name) {
		if p.size == 0 || p.end() <= offset {
			continue
		}
		fd, err := unix.Openat(o.dir.fd, p.name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if errors.Is(err, unix.ENOENT) {
			continue // it has made way for a newer one
		}
		if err != nil {
			return offset, 0, o.dir.fault("open", p.name, err)
		}
		o.Close()
		o.open, o.fd = p, fd
		at := max(offset, p.at)
		n, err := o.pread(at, buf)
		return at, n, err
	}
	return offset, 0, nil
}

// pread reads from what is open, if the offset is in it.
func (o *Output) pread(offset uint64, buf []byte) (int, error) {
	if o.fd < 0 || offset < o.open.at {
		return 0, nil
	}
	for {
		n, err := unix.Pread(o.fd, buf, int64(offset-o.open.at)) //nolint:gosec // a file's size
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, o.dir.fault("read", o.open.name, err)
		default:
			return n, nil
		}
	}
}

// Kept calls each with the bytes that an outcome says are kept, from the offset
// on, in order; at is the offset of a piece's first byte. The slice is buf.
func (o *Output) Kept(d Drained, offset uint64, buf []byte, each func(at uint64, content []byte) error) error {
	for next := d.Next(offset); next < d.Total(); next = d.Next(next) {
		stretch := d.Total() - next
		if next < d.Head() {
			stretch = d.Head() - next
		}
		at, n, err := o.Read(next, buf[:min(uint64(len(buf)), stretch)])
		if err != nil {
			return err
		}
		if at != next || n == 0 {
			return ErrOutputLost
		}
		if err := each(at, buf[:n]); err != nil {
			return err
		}
		next += uint64(n) //nolint:gosec // of buf
	}
	return nil
}

// syncOutput makes an output durable.
func (c *Command) syncOutput(n uint32, stream int) error {
	for _, p := range c.dir.pieces(numbered(Streams[stream], n)) {
		if err := c.syncFile(p.name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Command) syncFile(name string) error {
	fd, err := unix.Openat(c.dir.fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return c.dir.fault("open", name, err)
	}
	defer unix.Close(fd)
	if err := unix.Fsync(fd); err != nil {
		return c.dir.fault("fsync", name, err)
	}
	return nil
}
