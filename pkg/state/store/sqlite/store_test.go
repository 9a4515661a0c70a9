package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestTheSQLiteStoreIsAJobStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() store.Store {
		t.Helper()
		path := filepath.Join(t.TempDir(), "a ?%# file.db")
		return func() store.Store { return open(t, path) }
	})
}

func TestTheSQLiteStoreIsAJanitor(t *testing.T) {
	storetest.RunRetention(t, func(t *testing.T) func() store.Store {
		t.Helper()
		path := filepath.Join(t.TempDir(), "ccs.db")
		return func() store.Store { return open(t, path) }
	})
}

// open opens a store that is closed when the test ends.
func open(tb testing.TB, path string) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), at(path))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// at is the default config for a path.
func at(path string) Config {
	c := DefaultConfig()
	c.DSN = scheme + path
	return c
}
