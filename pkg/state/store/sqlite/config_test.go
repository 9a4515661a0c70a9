package sqlite

import (
	"strings"
	"testing"
)

func TestEveryFaultOfAConfigIsToldAtOnceAndNoPassword(t *testing.T) {
	err := Config{DSN: "postgres://ccs:secret@db/ccs", BusyTimeout: -1, Readers: 65}.Validate()
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, key := range []string{"store.dsn", "store.busy_timeout", "store.readers"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%q says nothing of %s", err, key)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%q tells the password", err)
	}
}

func TestTheDefaultsNeedOnlyAPath(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "store.dsn") {
		t.Errorf("without a path: %v, want it to ask for store.dsn", err)
	}
	c.DSN = "sqlite:/var/lib/ccs/store.db"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
