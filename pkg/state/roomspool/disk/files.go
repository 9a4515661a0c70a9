package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// files is the directory of a spool: what of a file system is needed, so that
// tests can take the power away between any two calls.
type files interface {
	Names() ([]string, error)
	Open(name string) (file, error)
	Create(name string) (file, error) // anew, in place of what is there
	Remove(name string) error
	Sync() error // names are durable
	// Aside moves files away, with the reason for a person to read. What was set
	// aside before goes.
	Aside(names []string, reason string) error
}

// file is one segment.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Sync() error
}

// damagedDir is where damaged logs are set aside.
const damagedDir = "damaged"

// directory is files of the operating system.
type directory struct{ path string }

type osFile struct{ *os.File }

func (d directory) at(name string) string { return filepath.Join(d.path, name) }

// Names lists what is there.
func (d directory) Names() (names []string, err error) {
	entries, err := os.ReadDir(d.path)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d directory) Open(name string) (file, error) {
	f, err := os.OpenFile(d.at(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d directory) Create(name string) (file, error) {
	f, err := os.OpenFile(d.at(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d directory) Remove(name string) error { return os.Remove(d.at(name)) }

func (d directory) Sync() (err error) {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}

func (d directory) Aside(names []string, reason string) error {
	to := d.at(damagedDir)
	if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o700)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, "reason"), []byte(reason+"\n"), 0o600); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Rename(d.at(name), filepath.Join(to, name)); err != nil {
			return fmt.Errorf("cannot set %s aside: %w", name, err)
		}
	}
	return d.Sync()
}

// Size is its length in bytes.
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
