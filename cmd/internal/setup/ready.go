package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// readyFile tells another process that this one serves, and where.
type readyFile struct {
	path string // empty: nobody asks
	pid  int
}

type readyContent struct {
	PID       int               `json:"pid"`
	Addresses map[string]string `json:"addresses"`
}

// write puts the file in place, whole or not at all.
func (f *readyFile) write(addresses map[string]string) error {
	if f.path == "" {
		return nil
	}
	content, err := json.Marshal(readyContent{f.pid, addresses})
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

// clear removes the file of an earlier process that was killed. That of one that
// runs is not ours to take away: this process may be about to learn that the
// other holds the lock. ESRCH is the one answer about a pid that is certain; a
// file that stays for another's pid shows a reader by that pid that it is stale.
func (f *readyFile) clear() {
	if pid, there := f.holder(); there && (pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)) {
		f.drop()
	}
}

// remove says that this process serves no more.
func (f *readyFile) remove() {
	if pid, there := f.holder(); there && pid == f.pid {
		f.drop()
	}
}

// holder is the pid in the file, 0 if there is none in it.
func (f *readyFile) holder() (pid int, there bool) {
	if f.path == "" {
		return 0, false
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		return 0, false
	}
	var held readyContent
	if err := json.Unmarshal(content, &held); err != nil {
		return 0, true
	}
	return held.PID, true
}

// drop removes the file. One that cannot be removed shows by its pid that it is
// stale.
func (f *readyFile) drop() { _ = os.Remove(f.path) }
