package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Errors of a database that is not ours to write.
var (
	// ErrNewerSchema: a newer release has migrated the database, in a way that
	// this one cannot live with.
	ErrNewerSchema = errors.New("the database was written by a newer release")
	// ErrForeignDatabase: there are tables, but not those of a store.
	ErrForeignDatabase = errors.New("the database is another program's")
)

//go:embed migrations/*.sql
var embedded embed.FS

// versionTable is where goose keeps which migrations were made.
const versionTable = "ccs_schema_version"

// migrationLock is the advisory lock of whoever migrates ("ccs" and 0).
const migrationLock = 0x636373_0000

// migrate brings the schema up to date, or finds it newer and fit to be used
// (checkReader); it returns the version that this release knows. One process does it while the others wait for it.
func migrate(ctx context.Context, pool *pgxpool.Pool, steps fs.FS) (ours int64, err error) {
	if err := refuseForeign(ctx, pool); err != nil {
		return 0, err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, steps, goose.WithTableName(versionTable),
		goose.WithSessionLocker(sessionLock{}), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, err
	}
	sources := provider.ListSources()
	ours = sources[len(sources)-1].Version
	version, err := provider.GetDBVersion(ctx)
	if err != nil {
		return 0, err
	}
	if version < ours {
		if _, err := provider.Up(ctx); err != nil {
			return 0, err
		}
	}
	var minReader int64
	if err := pool.QueryRow(ctx, "SELECT min_reader FROM meta").Scan(&minReader); err != nil {
		return 0, err
	}
	return ours, checkReader(minReader, ours)
}

// checkReader refuses a schema that a newer release has made unfit for one that
// knows it only up to version ours.
func checkReader(minReader, ours int64) error {
	if minReader > ours {
		return fmt.Errorf("%w: its schema needs one that knows version %d, this one knows up to %d; run the newer release, or restore a backup",
			ErrNewerSchema, minReader, ours)
	}
	return nil
}

// refuseForeign tells a new database from a store; anything else is
// ErrForeignDatabase. Only the schema is looked at that tables would go to.
func refuseForeign(ctx context.Context, pool *pgxpool.Pool) error {
	var tables, ours int
	if err := pool.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE tablename = $1) FROM pg_tables WHERE schemaname = current_schema()",
		versionTable).Scan(&tables, &ours); err != nil {
		return err
	}
	if tables > 0 && ours == 0 {
		return fmt.Errorf("%w: it has tables, but none of a job store; name another database in store.dsn", ErrForeignDatabase)
	}
	return nil
}

// sessionLock waits for the lock at the server, at most lock_timeout; goose's
// own asks again every few seconds.
type sessionLock struct{}

func (sessionLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock))
	return err
}

func (sessionLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(migrationLock))
	return err
}
