package spool

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// ErrExists says that somebody else has written the record first.
var ErrExists = errors.New("the record exists")

// ErrMissing says that the record, or the whole directory, is not there.
var ErrMissing = errors.New("there is no such record")

// folder is an open directory: names in it are meant relative to it, so that
// a directory that was removed cannot be mistaken for a new one of its name.
type folder struct {
	path string
	fd   int
}

func openFolder(path string) (folder, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return folder{}, ErrMissing
	}
	if err != nil {
		return folder{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return folder{path: path, fd: fd}, nil
}

func (f folder) close() { unix.Close(f.fd) }

func (f folder) fault(op, name string, err error) error {
	return &os.PathError{Op: op, Path: filepath.Join(f.path, name), Err: err}
}

// sync makes the names in the directory durable.
func (f folder) sync() error {
	if err := unix.Fsync(f.fd); err != nil {
		return f.fault("fsync", "", err)
	}
	return nil
}

// read returns a whole file of at most limit bytes, ErrMissing or ErrDamaged.
func (f folder) read(name string, limit int) ([]byte, error) {
	fd, err := unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, ErrMissing
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) { // a link, a socket: nothing of ours
		return nil, ErrDamaged
	}
	if err != nil {
		return nil, f.fault("open", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, f.fault("stat", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > int64(limit) {
		return nil, ErrDamaged
	}
	data := make([]byte, 0, st.Size+1)
	for len(data) <= limit {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := unix.Read(fd, data[len(data):cap(data)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, f.fault("read", name, err)
		}
		if n == 0 {
			return data, nil
		}
		data = data[:len(data)+n]
	}
	return nil, ErrDamaged
}

func (f folder) has(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// temps numbers the temporary files of this process.
var temps atomic.Uint64

// temp writes the bytes to a new file and syncs it. It has the mode, whatever
// the umask.
func (f folder) temp(data []byte, mode uint32, durable bool) (string, error) {
	name := ".tmp." + strconv.Itoa(os.Getpid()) + "." + strconv.FormatUint(temps.Add(1), 10)
	_ = unix.Unlinkat(f.fd, name, 0) // of an earlier boot
	fd, err := unix.Openat(f.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, mode)
	if errors.Is(err, unix.ENOENT) {
		return "", ErrMissing
	}
	if err != nil {
		return "", f.fault("create", name, err)
	}
	if err = unix.Fchmod(fd, mode); err == nil {
		err = f.own(fd)
	}
	if err == nil {
		err = writeAll(fd, data)
	}
	if err == nil && durable {
		err = unix.Fsync(fd)
	}
	if closeErr := unix.Close(fd); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = unix.Unlinkat(f.fd, name, 0)
		return "", f.fault("write", name, err)
	}
	return name, nil
}

// own makes a new file the directory's owner's: an operator who is root may write
// for an executor that is not, and that could not read it.
func (f folder) own(fd int) error {
	var st unix.Stat_t
	if os.Geteuid() != 0 {
		return nil
	}
	if err := unix.Fstat(f.fd, &st); err != nil || st.Uid == 0 {
		return err
	}
	return unix.Fchown(fd, int(st.Uid), int(st.Gid))
}

func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// create makes the file durable under its name, whole or not at all. ErrExists:
// somebody was first, and nothing was changed; what is there is durable by
// then, also if whoever wrote it has not synced it yet. Safe for any number of
// processes: link(2) lets one win.
func (f folder) create(name string, data []byte, durable bool) error {
	temp, err := f.temp(data, 0o600, durable)
	exists := err != nil && f.has(name) // a full disk takes no record, and has this one
	if err != nil && !exists {
		return err
	}
	if !exists {
		err = unix.Linkat(f.fd, temp, f.fd, name, 0)
		_ = unix.Unlinkat(f.fd, temp, 0)
		exists = errors.Is(err, unix.EEXIST)
	}
	if errors.Is(err, unix.ENOENT) {
		return ErrMissing
	}
	if err != nil && !exists {
		return f.fault("link", name, err)
	}
	if durable {
		if err := f.sync(); err != nil {
			return err
		}
	}
	if exists {
		return ErrExists
	}
	return nil
}

func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// mark makes an empty file durable, which takes no block of the disk. That it is
// there already is fine.
func (f folder) mark(name string) error {
	fd, err := unix.Openat(f.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return f.fault("create", name, err)
	}
	_ = f.own(fd)
	unix.Close(fd)
	return f.sync()
}

// replace makes the file durable under its name, whatever was there.
func (f folder) replace(name string, data []byte) error {
	temp, err := f.temp(data, 0o600, true)
	if err != nil {
		return err
	}
	if err := unix.Renameat(f.fd, temp, f.fd, name); err != nil {
		_ = unix.Unlinkat(f.fd, temp, 0)
		return f.fault("rename", name, err)
	}
	if planted.Bug("tombstone not synced") {
		return nil
	}
	return f.sync()
}
