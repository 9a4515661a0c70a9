package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// Restore makes a backup the store, where there is none: no file of the store may
// be there, for the WAL of another one would be played into this. The generation
// is raised above the one given before the file has its name, so that no
// scheduler can ever own anything in a store that was restored and not raised.
// Errors wrap ErrInTheWay, ErrNotWhole and those of Open and Backup.
func Restore(ctx context.Context, from string, config Config, above uint64) (c Contents, err error) {
	if err := config.Validate(); err != nil {
		return c, fmt.Errorf("cannot restore the store: %w", err)
	}
	to, err := resolve(config.path())
	if errors.Is(err, os.ErrNotExist) {
		return c, fmt.Errorf("cannot restore the store: make the directory of store.dsn first, for the account of the schedulers: %w", err)
	}
	if err != nil {
		return c, fmt.Errorf("cannot restore the store: %w", err)
	}
	if err := whole(from); err != nil {
		return c, fmt.Errorf("cannot restore the store: %w", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := notThere(to + suffix); err != nil {
			return c, fmt.Errorf("cannot restore the store: %w; stop every scheduler, and move what is left of the store away, with its -wal and -shm", err)
		}
	}
	part, err := newPart(to)
	if err != nil {
		return c, fmt.Errorf("cannot restore the store: %w", err)
	}
	defer func() { err = errors.Join(err, removeParts(part)) }()
	if err := copyFile(from, part); err != nil {
		return c, fmt.Errorf("cannot copy the backup: %w", err)
	}
	if _, err := look(ctx, part); err != nil {
		return c, fmt.Errorf("the backup %s is no good: %w", from, err)
	}
	if err := raise(ctx, part, config, above); err != nil {
		return c, fmt.Errorf("cannot raise the generation of the backup: %w", err)
	}
	if c, err = look(ctx, part); err != nil {
		return c, fmt.Errorf("cannot restore the store: %w", err)
	}
	if err := publish(part, to); err != nil {
		return c, fmt.Errorf("cannot restore the store: %w", err)
	}
	return c, nil
}

// ErrNotWhole says that a file is no backup, but part of a store that was in use.
var ErrNotWhole = errors.New("what was written last is not in the file, but beside it")

// whole refuses a file beside which is a log that belongs to it: Backup leaves none.
func whole(from string) error {
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(from + suffix); err == nil && info.Size() > 0 {
			return fmt.Errorf("%w, in %s: to go on with that store move its files back; to take it for a backup name it as store.dsn, and run ccs-scheduler store backup", ErrNotWhole, from+suffix)
		}
	}
	return nil
}

// raise opens a file, which migrates it, and raises its generation; when it is
// closed all is in the file itself.
func raise(ctx context.Context, path string, config Config, above uint64) error {
	config.DSN = scheme + path
	s, err := Open(ctx, config)
	if err != nil {
		return err
	}
	_, err = store.RaiseAbove(ctx, s, above)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if err := notThere(path + "-wal"); err != nil {
		return fmt.Errorf("what was raised is not in the file yet: %w", err)
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from) //nolint:gosec // an operator names it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // it was just made, beside the store
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
