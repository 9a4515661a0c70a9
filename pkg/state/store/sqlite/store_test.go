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

// open opens a store that is closed when the test ends.
func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), at(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// at is the default config for a path.
func at(path string) Config {
	c := DefaultConfig()
	c.DSN = scheme + path
	return c
}
