package postgres

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoStore says that the database is there and holds no store.
var ErrNoStore = errors.New("there is no store in the database")

// Present returns an error unless the database holds a store, which Open would
// make. It changes nothing. Errors wrap ErrNoStore or are those of Open.
func Present(ctx context.Context, config Config) error {
	if err := config.Validate(); err != nil {
		return fmt.Errorf("cannot look at the store: %w", err)
	}
	pool, err := connect(ctx, config, 1)
	if err != nil {
		return fmt.Errorf("cannot look at the store: %w", err)
	}
	defer pool.Close()
	var there bool
	err = pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1)", versionTable).Scan(&there)
	switch {
	case err != nil:
		return failure(ctx, "look at the store", err)
	case !there:
		return fmt.Errorf("%w that store.dsn names: restore the backup into it first, or name another one", ErrNoStore)
	}
	return nil
}
