package postgres

import (
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestThePostgreSQLStoreIsAJobStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() store.Store {
		t.Helper()
		dsn := shared.DSN(t)
		return func() store.Store { return openAt(t, dsn) }
	})
}

func TestThePostgreSQLStoreIsAJanitor(t *testing.T) {
	storetest.RunRetention(t, func(t *testing.T) func() store.Store {
		t.Helper()
		dsn := shared.DSN(t)
		return func() store.Store { return openAt(t, dsn) }
	})
}

// openAt opens a store that is closed when the test ends.
func openAt(tb testing.TB, dsn string) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), at(dsn))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// at is the default config for a database.
func at(dsn string) Config {
	c := DefaultConfig()
	c.DSN = dsn
	return c
}
