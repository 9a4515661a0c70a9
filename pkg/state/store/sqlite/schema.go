package sqlite

import (
	"context"
	_ "embed" // the schema is a file, so that a person can read it as SQL
	"errors"
	"fmt"
)

// Errors of a file that is not ours to write.
var (
	// ErrNewerSchema: a newer release has migrated the file.
	ErrNewerSchema = errors.New("the file was written by a newer release")
	// ErrForeignFile: the file is a SQLite database, but not a store.
	ErrForeignFile = errors.New("the file is another program's database")
)

//go:embed schema.sql
var schemaV1 string

//go:embed schema_v2.sql
var schemaV2 string

// migrations returns the steps from an empty file to the schema of this
// release; a file at version v still needs those from v on.
func migrations() []string { return []string{schemaV1, schemaV2} }

// migrate brings the schema up to date within the transaction t, and refuses
// what it does not know.
func migrate(ctx context.Context, t *tx) error {
	version, err := schemaVersion(ctx, t)
	if err != nil {
		return err
	}
	steps := migrations()
	if version > len(steps) {
		return fmt.Errorf("%w: its schema has version %d, this release knows up to %d; run the newer release, or restore a backup",
			ErrNewerSchema, version, len(steps))
	}
	for _, step := range steps[version:] {
		if _, err := t.w.conn.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	if version < len(steps) {
		return t.exec(ctx, "UPDATE schema_version SET version = ?", len(steps))
	}
	return nil
}

// schemaVersion returns 0 for an empty file, in which it creates the table.
func schemaVersion(ctx context.Context, t *tx) (version int, err error) {
	empty, err := isEmpty(ctx, t)
	if err != nil {
		return 0, err
	}
	if !empty {
		err = t.row(ctx, "SELECT version FROM schema_version", nil, &version)
		return version, err
	}
	_, err = t.w.conn.ExecContext(ctx, "CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0)")
	return 0, err
}

// isEmpty tells a new file from a store; anything else is ErrForeignFile.
func isEmpty(ctx context.Context, t *tx) (bool, error) {
	var tables, ours int
	err := t.row(ctx, "SELECT count(*), coalesce(sum(name = 'schema_version'), 0) FROM sqlite_master WHERE type = 'table'", nil, &tables, &ours)
	if err == nil && tables > 0 && ours == 0 {
		err = fmt.Errorf("%w: it has tables, but none of a job store; choose another path for store.dsn", ErrForeignFile)
	}
	return tables == 0, err
}
