package restore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/postgresserver"
)

// kind is what is not the same for the two stores.
type kind struct {
	dir   string   // of the cluster
	dsn   string   // store.dsn
	path  string   // where its own programs are
	env   []string // for the commands, as KEY=value
	lose  func(t *testing.T)
	saves []command // what backs it up
	loads []command // what restores it, and raises its generation
}

// command is a line of docs/backup.md, by how it begins, and what has to be said
// when it runs.
type command struct{ line, said string }

func onSQLite(t *testing.T) kind {
	t.Helper()
	dir := filepath.Join(rig.Dir(t), "c")
	file := filepath.Join(dir, "store", "ccs.db")
	return kind{
		dir: dir, dsn: "sqlite:" + file,
		lose: func(t *testing.T) {
			t.Helper()
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(file + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
		},
		saves: []command{{"ccs-scheduler store backup", "generation 1, 4 jobs (3 of them not done), 4 hosts"}},
		loads: []command{{"ccs-scheduler store restore", "generation 2, 4 jobs"}},
	}
}

// onPostgreSQL loses the server's whole disk.
func onPostgreSQL(t *testing.T) kind {
	t.Helper()
	server, err := postgresserver.Start(t.Context(), postgresserver.Config{})
	if errors.Is(err, postgresserver.ErrNotInstalled) {
		t.Skip(err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	dsn, err := server.CreateDatabase(t.Context(), "ccs")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := server.DSN("postgres")
	if err != nil {
		t.Fatal(err)
	}
	return kind{
		dsn: dsn, path: server.Bin(), env: []string{"DSN=" + dsn, "ADMIN=" + admin},
		lose: func(t *testing.T) {
			t.Helper()
			if err := server.Lose(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		saves: []command{{"pg_dump", ""}},
		loads: []command{{"pg_restore", ""}, {"ccs-scheduler store raise-generation", "The store is at generation 2"}},
	}
}
