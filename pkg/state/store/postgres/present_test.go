package postgres

import (
	"errors"
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store"
)

func TestToLookForAStoreMakesNone(t *testing.T) {
	dsn := shared.DSN(t)
	for range 2 { // the second time nothing has been made by the first
		if err := Present(t.Context(), at(dsn)); !errors.Is(err, ErrNoStore) {
			t.Errorf("an empty database: %v, want ErrNoStore", err)
		}
	}
	onDatabase(t, dsn, "CREATE TABLE customers (name text)")
	if err := Present(t.Context(), at(dsn)); !errors.Is(err, ErrNoStore) {
		t.Errorf("another program's database: %v, want ErrNoStore", err)
	}
	onDatabase(t, dsn, "DROP TABLE customers")
	openAt(t, dsn)
	if err := Present(t.Context(), at(dsn)); err != nil {
		t.Errorf("a store: %v", err)
	}
	if err := Present(t.Context(), at("postgres://ccs@127.0.0.1:1/ccs?connect_timeout=1")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("nobody serves: %v, want ErrUnavailable", err)
	}
	if err := Present(t.Context(), Config{}); err == nil {
		t.Error("a store that is not named is there")
	}
}
