package main

import (
	"context"
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/postgres"
	"github.com/ccs-project/ccs/pkg/state/store/sqlite"
)

// storeConfig is that of whichever store the DSN names.
type storeConfig struct {
	DSN         string        `mapstructure:"dsn"`          // sqlite:<path> or postgres://…
	BusyTimeout time.Duration `mapstructure:"busy_timeout"` // how long a write waits for others
	Readers     int           `mapstructure:"readers"`      // connections that read
	Writers     int           `mapstructure:"writers"`      // connections that write; PostgreSQL only
}

func defaultStore() storeConfig {
	c := postgres.DefaultConfig()
	return storeConfig{BusyTimeout: c.BusyTimeout, Readers: c.Readers, Writers: c.Writers}
}

func (c storeConfig) postgres() postgres.Config { return postgres.Config(c) }

func (c storeConfig) sqlite() sqlite.Config {
	return sqlite.Config{DSN: c.DSN, BusyTimeout: c.BusyTimeout, Readers: c.Readers}
}

// Validate lists every fault.
func (c storeConfig) Validate() error {
	switch {
	case postgres.IsDSN(c.DSN):
		return c.postgres().Validate()
	case sqlite.IsDSN(c.DSN):
		return c.sqlite().Validate()
	}
	return errors.New("store.dsn: must be sqlite: and a path on a local disk, such as sqlite:/var/lib/ccs/scheduler/store.db, " +
		"or postgres:// and a place, such as postgres://ccs@db.example/ccs?sslmode=verify-full")
}

// open opens the store that the DSN names.
func (c storeConfig) open(ctx context.Context) (store.Store, error) {
	if postgres.IsDSN(c.DSN) {
		return postgres.Open(ctx, c.postgres())
	}
	return sqlite.Open(ctx, c.sqlite())
}

// present returns an error unless the store is there, which open would make.
func (c storeConfig) present(ctx context.Context) error {
	if postgres.IsDSN(c.DSN) {
		return postgres.Present(ctx, c.postgres())
	}
	return sqlite.Present(c.sqlite())
}
