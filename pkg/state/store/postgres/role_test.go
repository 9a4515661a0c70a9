package postgres

import (
	"net/url"
	"testing"

	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// What docs/store.md tells an operator to make: a role that owns its database,
// and may do nothing else.
func TestARoleThatOwnsTheDatabaseIsEnough(t *testing.T) {
	onDatabase(t, shared.DSN(t), "CREATE ROLE plain LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE", "CREATE DATABASE plains OWNER plain")
	text, err := shared.Server(t).DSN("plains")
	if err != nil {
		t.Fatal(err)
	}
	dsn, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.User("plain")
	s := openAt(t, dsn.String())
	storetest.UseEverything(t, s)
	stopped := session(t, dsn.String())
	execOn(t, stopped, lockTheShard)
	claim(t, s, "s2")
	if _, err := stopped.Exec(t.Context(), "COMMIT"); err == nil {
		t.Error("the owner that was stopped was not thrown out")
	}
}
