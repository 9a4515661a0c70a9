package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/state/store"
)

func TestEveryFaultOfTheConfigIsNamedAndThePasswordIsNot(t *testing.T) {
	err := Config{DSN: "postgres://ccs:hunter2@db:port/ccs", BusyTimeout: time.Millisecond, Readers: 65, Writers: 1}.Validate()
	if err == nil {
		t.Fatal("all of that was taken")
	}
	for _, key := range []string{"store.dsn", "store.busy_timeout", "store.readers", "store.writers"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%v does not name %s", err, key)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v names the password", err)
	}
}

func TestADSNThatIsNoneIsRefusedInWords(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                                       "must be postgres://",
		"sqlite:/x":                              "must be postgres://",
		"host=db user=ccs password=hunter2":      "must be postgres://",
		"postgres://ccs:hunter2@db":              "names no database",
		"postgres://ccs:hunter2@db:0x/ccs":       "invalid port",
		"postgres://ccs:hunter2@[::1/ccs":        "IPv6",
		"postgres://ccs:hunter2@db/x?sslmode=xx": "sslmode",
		"postgres://ccs:hunter2@db/x?sslmode=verify-full&sslrootcert=/none.crt": "/none.crt",
	} {
		config := at(dsn)
		err := config.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ccs:") {
			t.Errorf("%s: %v, want %q and no account", dsn, err, want)
		}
	}
	for _, dsn := range []string{"postgres://db/ccs", "postgresql://ccs@a:1,b:2/ccs?target_session_attrs=primary", "postgres:///ccs?host=/run/postgresql"} {
		if err := at(dsn).Validate(); err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

func TestAServerThatCannotBeReachedIsToldFromAWrongOne(t *testing.T) {
	config := at("postgres://ccs:hunter2@127.0.0.1:1/ccs")
	_, err := Open(t.Context(), config)
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v, want ErrUnavailable that says where, and no password", err)
	}
	server := shared.Server(t)
	dsn, err := server.DSN("no_such_database")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), at(dsn)); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "no_such_database") {
		t.Errorf("%v, want it to name the database", err)
	}
}
