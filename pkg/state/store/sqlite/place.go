package sqlite

import (
	"fmt"
	"os"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// place is where the file is, and which file it is: one that is moved away,
// removed or replaced goes on being written through the open descriptor, without
// an error, and is lost with the process. A restart would find another.
type place struct {
	path string
	file os.FileInfo
}

// placeOf is the place of a file that is there.
func placeOf(path string) (place, error) {
	info, err := os.Stat(path) //nolint:gosec // an operator names it
	return place{path, info}, err
}

// check returns an error, a store.ErrMoved and store.ErrUnavailable, unless the
// same file is still there. When it is put back all is well again. It costs one
// stat, some microseconds.
func (p place) check() error {
	info, err := os.Stat(p.path)
	if err != nil {
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, store.ErrMoved, err)
	}
	if !os.SameFile(info, p.file) {
		return fmt.Errorf("%w: %w: %s is another file than that which was opened", store.ErrUnavailable, store.ErrMoved, p.path)
	}
	return nil
}
