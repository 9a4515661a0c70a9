package devcluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// markName marks a directory as one of ours; locked while a cluster lives
	// in it. Its content says who made the directory.
	markName = ".ccs-devcluster"
	madeHere = "made by devcluster\n"
	wasThere = "was there before\n"
	// socketMax is what the executor takes as the path of its socket.
	socketMax = 100
)

// ErrForeignDir is returned when the directory holds things that are not ours.
var ErrForeignDir = errors.New("directory is not empty and not made by devcluster")

// ErrDirInUse is returned when another cluster lives in the directory.
var ErrDirInUse = errors.New("another devcluster is using the directory")

// claim is a directory that this process may use and later remove.
type claim struct {
	path    string
	lock    *os.File // with a flock on it
	keepTop bool     // the directory itself is somebody else's
}

// claimDir takes the directory, or a new temporary one for an empty path.
// What a dead cluster left in it (after a power cut, say) is removed.
func claimDir(dir string) (*claim, error) {
	mark := madeHere
	if dir == "" {
		made, err := os.MkdirTemp("", "ccs-")
		if err != nil {
			return nil, fmt.Errorf("cannot make a directory for the cluster: %w", err)
		}
		dir = made
	} else {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("cannot use directory %s: %w", dir, err)
		}
		dir = abs
		if entries, err := os.ReadDir(dir); err == nil {
			mark = wasThere
			if len(entries) > 0 && !isOurs(dir) {
				return nil, fmt.Errorf("cannot use directory %s: %w; name one that is empty or does not exist", dir, ErrForeignDir)
			}
		} else if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the cluster's directory: %w", err)
		}
	}
	if longest := len(filepath.Join(dir, "run", "h500000.sock")); longest > socketMax {
		return nil, errors.Join(fmt.Errorf("cannot use directory %s: its path is %d bytes too long for unix sockets; name a shorter one with --dir",
			dir, longest-socketMax), dropEmpty(dir, mark))
	}
	return lockDir(dir, mark)
}

func isOurs(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, markName))
	return err == nil
}

func dropEmpty(dir, mark string) error {
	if mark != madeHere {
		return nil
	}
	return os.Remove(dir)
}

func lockDir(dir, mark string) (*claim, error) {
	path := filepath.Join(dir, markName)
	if old, err := os.ReadFile(path); err == nil && len(old) > 0 {
		mark = string(old)
	}
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot mark the cluster's directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrDirInUse
		}
		return nil, errors.Join(fmt.Errorf("cannot use directory %s: %w", dir, err), lock.Close())
	}
	if err := clearStale(dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if _, err := lock.WriteAt([]byte(mark), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot mark the cluster's directory: %w", err), lock.Close())
	}
	return &claim{path: dir, lock: lock, keepTop: strings.TrimSpace(mark) == strings.TrimSpace(wasThere)}, nil
}

func clearStale(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot list the cluster's directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == markName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("cannot clear the cluster's directory: %w", err)
		}
	}
	return nil
}
