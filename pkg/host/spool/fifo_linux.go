package spool

import (
	"errors"

	"golang.org/x/sys/unix"
)

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

// Unlink removes the FIFOs of attempt n, whose outcome is recorded.
func (c *Command) Unlink(n uint32) {
	for _, stream := range Streams {
		_ = unix.Unlinkat(c.dir.fd, numbered(stream, n)+".fifo", 0)
	}
}
