package rig

import (
	"os"
	"sync"
	"testing"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

// OnPostgreSQL reports whether clusters keep their jobs in PostgreSQL, because
// STORE=postgres is in the environment; else they do in SQLite.
func OnPostgreSQL(t *testing.T) bool {
	t.Helper()
	switch kind := os.Getenv("STORE"); kind {
	case "", "sqlite":
		return false
	case "postgres":
		return true
	default:
		t.Fatalf("STORE=%s in the environment: must be sqlite or postgres", kind)
		return false
	}
}

// startStore starts a server and returns how schedulers reach it; nothing for
// SQLite. Who asks for PostgreSQL and has none installed has asked for what
// cannot be: that is no skip.
func startStore(t *testing.T) (server *postgresserver.Server, dsn string) {
	t.Helper()
	if !OnPostgreSQL(t) {
		return nil, ""
	}
	server, err := postgresserver.Start(t.Context(), postgresserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	dsn, err = server.CreateDatabase(t.Context(), "ccs")
	if err != nil {
		t.Fatal(err)
	}
	return server, dsn
}

// postgresAway stops the server until back is called.
func (c *Cluster) postgresAway(t *testing.T) (back func()) {
	t.Helper()
	c.postgres.Stop()
	var once sync.Once
	return func() {
		once.Do(func() {
			if err := c.postgres.Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
