package cgroup

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// write sets a file of a group. It never makes one: a file that is missing is a
// thing that this kernel cannot do.
func write(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Write(fd, []byte(value))
		unix.Close(fd)
	}
	if err != nil {
		return &os.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}

// gone reports whether the group itself is no more, or never was.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOTDIR)
}

// keyed reads the number behind a key in a file of lines "key number". A file
// or a key that is not there counts 0.
func keyed(path, key string) (uint64, error) {
	data, err := os.ReadFile(path) //nolint:gosec // a file of a group that we name
	if gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+" "); ok {
			return strconv.ParseUint(value, 10, 64)
		}
	}
	return 0, nil
}
