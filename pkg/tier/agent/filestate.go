package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// FileState is the State of an agent process: one file per name, readable by
// its owner alone.
type FileState struct {
	dir  string
	lock *os.File
}

// lockName is the file that says who works on the directory.
const lockName = "lock"

// Whoever asks who holds the directory (spool.HeldBy, and so ccshost) has the
// lock for a moment, which is no other agent.
const (
	lockPatience = time.Second
	lockPause    = 10 * time.Millisecond
)

// tempPrefix begins what was being written when the process ended.
const tempPrefix = ".new-"

// ErrTaken says that another agent works on the state directory.
var ErrTaken = errors.New("another agent works on this state directory")

// OpenFileState takes a directory for this process alone, until Close; it is
// made if it is not there. The error wraps ErrTaken if it is taken.
func OpenFileState(dir string) (*FileState, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, fmt.Errorf("cannot lock the state directory: %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for until := time.Now().Add(lockPatience); errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(until); {
		time.Sleep(lockPause)
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		holder, _ := os.ReadFile(lock.Name()) // for the words alone
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by process %s; stop it, or give this agent a state_dir of its own",
				ErrTaken, dir, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("cannot lock %s: %w", lock.Name(), err)
	}
	s := &FileState{dir: dir, lock: lock}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// begin says whose the directory is, and removes what was left half written.
func (s *FileState) begin() error {
	err := s.lock.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(s.lock, "%d\n", os.Getpid())
	}
	names, listErr := s.List(tempPrefix)
	err = errors.Join(err, listErr)
	for _, name := range names {
		err = errors.Join(err, s.Remove(name))
	}
	if err != nil {
		return fmt.Errorf("cannot use the state directory: %w", err)
	}
	return nil
}

// Close lets the directory go.
func (s *FileState) Close() error { return s.lock.Close() }

// Path is where the content of a name is.
func (s *FileState) Path(name string) string { return filepath.Join(s.dir, name) }

// Load implements State.
func (s *FileState) Load(name string) ([]byte, error) {
	content, err := os.ReadFile(s.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return content, err
}

// Save implements State.
func (s *FileState) Save(name string, content []byte, durable bool) error {
	temp, err := os.CreateTemp(s.dir, tempPrefix+name+"-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("cannot save %s: %w", name, err)
	}
	_, err = temp.Write(content)
	if err == nil && durable {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), s.Path(name))
	}
	if err == nil && durable {
		err = syncDir(s.dir)
	}
	if err != nil {
		_ = os.Remove(temp.Name()) // the first error is the one to tell
		return fmt.Errorf("cannot save %s: %w", name, err)
	}
	return nil
}

// Remove implements State.
func (s *FileState) Remove(name string) error {
	if err := os.Remove(s.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// List implements State.
func (s *FileState) List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return withPrefix(names, prefix), nil
}

func withPrefix(names []string, prefix string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator names the directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
