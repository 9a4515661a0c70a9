package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ccs-project/ccs/pkg/state/store"
)

// ErrInTheWay says that a file is where one is to be written.
var ErrInTheWay = errors.New("there is a file already")

// Contents is what a store holds, for an operator who looks at a backup.
type Contents struct {
	Generation uint64 // of the store
	Jobs       int    // in any state
	Live       int    // of them: those that are not done
	Hosts      int    // enrolled
}

// Backup writes all that the store holds now into a new file, while schedulers go
// on: what commits meanwhile is in it whole, or not at all. The file is complete,
// checked and synced before it has its name; nothing stands beside it. It may lie
// on any file system. Errors wrap ErrInTheWay, ErrForeignFile, ErrNewerSchema or
// store.ErrDamaged, or are those of the machine.
func Backup(ctx context.Context, config Config, to string) (c Contents, err error) {
	if err := config.Validate(); err != nil {
		return c, fmt.Errorf("cannot back up the store: %w", err)
	}
	if err := Present(config); err != nil {
		return c, fmt.Errorf("cannot back up the store: %w", err)
	}
	from, err := resolve(config.path())
	if err != nil {
		return c, fmt.Errorf("cannot back up the store: %w", err)
	}
	if err := notThere(to); err != nil {
		return c, fmt.Errorf("cannot write the backup: %w; give another name, or move it away", err)
	}
	part, err := newPart(to)
	if err != nil {
		return c, fmt.Errorf("cannot write the backup: %w", err)
	}
	defer func() { err = errors.Join(err, removeParts(part)) }()
	if err := vacuumInto(ctx, from, part, config); err != nil {
		return c, fmt.Errorf("cannot back up the store %s: %w", from, err)
	}
	if c, err = look(ctx, part); err != nil {
		return c, fmt.Errorf("the backup of %s is no good: %w", from, err)
	}
	if err := publish(part, to); err != nil {
		return c, fmt.Errorf("cannot write the backup: %w", err)
	}
	return c, nil
}

// Present returns an error unless the file is there, which Open would make.
func Present(config Config) error {
	_, err := os.Stat(config.path())
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no store where store.dsn says: %w", err)
	}
	return err
}

// vacuumInto copies what one moment sees into an empty file (sqlite.org/lang_vacuum.html).
func vacuumInto(ctx context.Context, from, to string, config Config) error {
	db, err := sql.Open("sqlite", dsn(from, url.Values{
		"_pragma": {"busy_timeout(" + strconv.FormatInt(config.BusyTimeout.Milliseconds(), 10) + ")"},
	}))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return errors.Join(err, db.Close())
}

// look checks a file of its own, which nobody else has open, from end to end.
func look(ctx context.Context, path string) (c Contents, err error) {
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": {"query_only(1)"}}))
	if err != nil {
		return c, err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	var said string
	var version int
	switch err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said); {
	case err != nil:
		return c, fmt.Errorf("%w: %w", store.ErrDamaged, err)
	case said != "ok":
		return c, fmt.Errorf("%w: %s", store.ErrDamaged, said)
	}
	if err := db.QueryRowContext(ctx, "SELECT version FROM schema_version").Scan(&version); err != nil {
		return c, fmt.Errorf("%w: %w", ErrForeignFile, err)
	}
	if known := len(migrations()); version > known {
		return c, fmt.Errorf("%w: its schema has version %d, this release knows up to %d", ErrNewerSchema, version, known)
	}
	const query = "SELECT (SELECT generation FROM meta), (SELECT count(*) FROM jobs), (SELECT count(*) FROM jobs WHERE live = 1), (SELECT count(*) FROM hosts)"
	return c, db.QueryRowContext(ctx, query).Scan(&c.Generation, &c.Jobs, &c.Live, &c.Hosts)
}

// notThere refuses to write over a file.
func notThere(path string) error {
	switch _, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: %s", ErrInTheWay, path)
}

// newPart makes an empty file for its owner alone, beside the one that is to be:
// what is interrupted never has its name.
func newPart(to string) (path string, err error) {
	f, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".part-*")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// removeParts removes a file that has no name yet, and what SQLite put beside it.
// One that has its name by now is not there any more.
func removeParts(part string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", "-queue"} {
		if err := os.Remove(part + suffix); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// publish syncs a file and gives it its name, which nobody has.
func publish(part, to string) error {
	if err := syncPath(part); err != nil {
		return err
	}
	if err := os.Link(part, to); err != nil {
		if errors.Is(err, os.ErrExist) {
			err = fmt.Errorf("%w: %s", ErrInTheWay, to)
		}
		return err
	}
	return syncPath(filepath.Dir(to))
}

func syncPath(path string) error {
	f, err := os.Open(path) //nolint:gosec // an operator names it
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// String says it to a person.
func (c Contents) String() string {
	return strings.Join([]string{
		fmt.Sprintf("generation %d", c.Generation), fmt.Sprintf("%d jobs (%d of them not done)", c.Jobs, c.Live), fmt.Sprintf("%d hosts", c.Hosts),
	}, ", ")
}
