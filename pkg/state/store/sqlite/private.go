package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotPrivate says that others than its owner may read or write the store: it
// holds scripts, environments and outputs of everybody's jobs.
var ErrNotPrivate = errors.New("the file is not its owner's alone")

// resolve returns where the file is, or will be, with no symbolic link on the
// way: processes that know it by different names must meet at one queue, and the
// file system that counts is that of the file itself.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	actual, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return actual, err
	}
	// A file that is there by now was just made by another process.
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 { //nolint:gosec // an operator names it
		return "", fmt.Errorf("%s is a symbolic link to what is not there: make the file's directory, and give its own path as store.dsn", path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// makePrivate makes a file that is not there, for its owner alone; SQLite gives
// those that it puts beside it the same mode. A file that is there is only
// looked at: to open and close it would drop the locks that this process may
// hold on it (fcntl(2), "record locks").
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // an operator names it
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix) //nolint:gosec // an operator names it
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o066 != 0 {
			return fmt.Errorf("%w: %s has mode %04o; run chmod 600 on it, and find out who may have read it", ErrNotPrivate, path+suffix, mode)
		}
	}
	return nil
}
