package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readyFile tells another process that this one serves, and where.
type readyFile struct {
	path string // empty: nobody asks
	pid  int
}

// write puts the file in place, whole or not at all.
func (f *readyFile) write(addresses map[string]string) error {
	if f.path == "" {
		return nil
	}
	content, err := json.Marshal(struct {
		PID       int               `json:"pid"`
		Addresses map[string]string `json:"addresses"`
	}{f.pid, addresses})
	if err != nil {
		return fmt.Errorf("cannot write the ready file: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(f.path), "."+filepath.Base(f.path)+"-*")
	if err != nil {
		return fmt.Errorf("cannot write the ready file: %w", err)
	}
	_, err = temporary.Write(append(content, '\n'))
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("cannot write the ready file: %w", errors.Join(err, os.Remove(temporary.Name())))
	}
	return nil
}

// remove says that nobody serves here. A file that cannot be removed carries
// the pid, by which a reader sees that it is stale.
func (f *readyFile) remove() {
	if f.path == "" {
		return
	}
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
}
