package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

// onDatabase runs statements as its owner, who is no store.
func onDatabase(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, text := range statements {
		execOn(t, conn, text)
	}
}

func nameOf(t *testing.T, dsn string) string {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return config.Database
}

func TestADatabaseOnWhichJobsCouldBeLostIsRefused(t *testing.T) {
	for setting, want := range map[string]string{
		"synchronous_commit = off":             "synchronous_commit is off",
		"default_transaction_read_only = true": "read-only",
	} {
		dsn := shared.DSN(t)
		onDatabase(t, dsn, "ALTER DATABASE "+nameOf(t, dsn)+" SET "+setting)
		_, err := Open(t.Context(), at(dsn))
		if !errors.Is(err, ErrUnsuitable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want ErrUnsuitable that says %q", setting, err, want)
		}
	}
}

func TestADatabaseInAnotherEncodingIsRefused(t *testing.T) {
	dsn := shared.DSN(t)
	onDatabase(t, dsn, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	latin, err := shared.Server(t).DSN("latin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), at(latin)); !errors.Is(err, ErrUnsuitable) || !strings.Contains(err.Error(), "LATIN1") {
		t.Errorf("%v, want ErrUnsuitable that names the encoding", err)
	}
}

func TestAServerThatDoesNotSyncIsRefused(t *testing.T) {
	server, err := postgresserver.Start(t.Context(), postgresserver.Config{Settings: map[string]string{"fsync": "off"}})
	if errors.Is(err, postgresserver.ErrNotInstalled) {
		t.Skip(err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	dsn, err := server.DSN("postgres")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), at(dsn)); !errors.Is(err, ErrUnsuitable) || !strings.Contains(err.Error(), "fsync is off") {
		t.Errorf("%v, want ErrUnsuitable that says fsync", err)
	}
}

// What no server of this machine is.
func TestAServerIsJudgedByWhatItSaysOfItself(t *testing.T) {
	good := server{number: 140000, version: "14.0", encoding: "UTF8", commits: "on", syncs: "on"}
	if err := good.check(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for want, change := range map[string]func(*server){
		"PostgreSQL 13.22":       func(s *server) { s.number, s.version = 130022, "13.22" },
		"standby":                func(s *server) { s.standby, s.readOnly = true, true },
		"synchronous_commit":     func(s *server) { s.commits = "off" },
		"fsync":                  func(s *server) { s.syncs = "off" },
		"default_transaction_":   func(s *server) { s.readOnly = true },
		"SQL_ASCII, this needs ": func(s *server) { s.encoding = "SQL_ASCII" },
	} {
		bad := good
		change(&bad)
		if err := bad.check(); !errors.Is(err, ErrUnsuitable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want ErrUnsuitable with %q", err, want)
		}
	}
	worst := server{}
	if err := worst.check(); strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, want both faults", err)
	}
	for _, commits := range []string{"local", "remote_write", "remote_apply"} {
		s := good
		s.commits = commits
		if err := s.check(); err != nil {
			t.Errorf("synchronous_commit = %s: %v", commits, err)
		}
	}
}

// The password is in the DSN; TLS is asked for there as well.
func TestTheServerIsKnownByItsCertificate(t *testing.T) {
	ca, cert, key := certificates(t)
	server, err := postgresserver.Start(t.Context(), postgresserver.Config{
		TCP: true, Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"},
		Files: map[string][]byte{"server.crt": cert, "server.key": key},
	})
	if errors.Is(err, postgresserver.ErrNotInstalled) {
		t.Skip(err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	dsn, err := server.DSNByTCP("postgres")
	if err != nil {
		t.Fatal(err)
	}
	verified := dsn + "?sslmode=verify-full&sslrootcert="
	s := openAt(t, verified+ca)
	var encrypted bool
	if err := s.readers.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted); err != nil || !encrypted {
		t.Errorf("encrypted: %v, %v", encrypted, err)
	}
	other, _, _ := certificates(t)
	if _, err := Open(t.Context(), at(verified+other)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server of another authority: %v, want it refused", err)
	}
}
