package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// Store is a store.Store in a PostgreSQL database. It is safe for concurrent
// use.
type Store struct {
	writers  *pgxpool.Pool
	readers  *pgxpool.Pool
	codec    *codec.Codec
	days     *days
	size     size
	schema   int64 // the version that this release knows
	patience time.Duration

	closing sync.Once
}

var _ store.Store = (*Store)(nil)

// Open connects, brings the schema up to date and makes the partitions of today
// and tomorrow. The database must exist. Several processes may do so at the same
// time. Errors wrap ErrUnsuitable, ErrNewerSchema, ErrForeignDatabase or
// store.ErrUnavailable, or are those of Validate.
func Open(ctx context.Context, config Config) (*Store, error) {
	steps, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	return open(ctx, config, steps)
}

// open is Open for a release that has these migrations.
func open(ctx context.Context, config Config, steps fs.FS) (_ *Store, err error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("cannot open the store: %w", err)
	}
	s := &Store{days: &days{known: map[day]bool{}}, patience: config.BusyTimeout}
	defer func() {
		if err != nil {
			err = errors.Join(failure(ctx, "open the store", err), s.Close())
		}
	}()
	if s.codec, err = codec.New(); err != nil {
		return nil, err
	}
	if s.writers, err = connect(ctx, config, config.Writers); err != nil {
		return nil, err
	}
	if s.readers, err = connect(ctx, config, config.Readers); err != nil {
		return nil, err
	}
	if err := s.writers.Ping(ctx); err != nil {
		return nil, err
	}
	if s.schema, err = migrate(ctx, s.writers, steps); err != nil {
		return nil, err
	}
	return s, s.days.ensure(ctx, s.writers, time.Now(), nil)
}

func connect(ctx context.Context, config Config, n int) (*pgxpool.Pool, error) {
	pool, err := config.pool(n)
	if err != nil {
		return nil, err
	}
	return pgxpool.NewWithConfig(ctx, pool)
}

// Close waits for what is under way and closes the connections. Nothing else may
// be called after it; Close again does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		for _, pool := range []*pgxpool.Pool{s.writers, s.readers} {
			if pool != nil {
				pool.Close()
			}
		}
	})
	return nil
}
