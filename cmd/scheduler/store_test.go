package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTheDSNChoosesTheStore(t *testing.T) {
	for dsn, want := range map[string]string{
		"":                              "store.dsn",
		"mysql://somewhere/ccs":         "sqlite: and a path",
		"postgres://":                   "names no database",
		"postgres://u:hunter2@h:x/d":    "invalid port",
		"sqlite:":                       "sqlite: and the path",
		"sqlite:///s":                   "",
		"postgres://ccs@db.example/ccs": "",
		"postgresql:///ccs?host=/run":   "",
	} {
		c := defaultStore()
		c.DSN = dsn
		err := c.Validate()
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", dsn, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q and no password", dsn, err, want)
		}
	}
}

func TestAStoreIsOpenedByItsDSN(t *testing.T) {
	c := defaultStore()
	c.DSN = "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	s, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	c.DSN = "postgres://ccs@127.0.0.1:1/ccs?connect_timeout=1"
	if s, err := c.open(t.Context()); err == nil {
		t.Errorf("opened what nobody serves: %v", s.Close())
	} else if !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("%v, want it to say where", err)
	}
}
