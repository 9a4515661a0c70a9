package rig

import (
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	_ "modernc.org/sqlite" // the store, for who holds it shut

	"github.com/ccs-project/ccs/pkg/state/coord/etcd"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// StoreAway makes the job store one that cannot be written to, as a full disk
// would, until back is called: a file cannot be away. A server can, and is.
func (c *Cluster) StoreAway(t *testing.T) (back func()) {
	t.Helper()
	if c.postgres != nil {
		return c.postgresAway(t)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Dir(), "store", "ccs.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	back = func() {
		once.Do(func() {
			if err := db.Close(); err != nil { // and with it the transaction ends
				t.Error(err)
			}
		})
	}
	t.Cleanup(back)
	return back
}

// Etcd is a connection to the cluster's etcd, as its operator.
func (c *Cluster) Etcd(t *testing.T) *etcd.Client {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	source, err := identity.NewSource(c.EtcdFiles("operator"), log)
	if err != nil {
		t.Fatal(err)
	}
	cfg := etcd.DefaultConfig()
	for _, l := range c.Listeners() {
		if l.Tier == "etcd" {
			cfg.Endpoints = append(cfg.Endpoints, l.Address)
		}
	}
	client, err := etcd.New(cfg, source.ClientTLS(identity.Etcd), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}
