package postgresserver_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

// start runs a server of the test's own, which is stopped and killed at will.
func start(t *testing.T, config postgresserver.Config) *postgresserver.Server {
	t.Helper()
	s, err := postgresserver.Start(t.Context(), config)
	if errors.Is(err, postgresserver.ErrNotInstalled) {
		t.Skip(err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func ask[T any](t *testing.T, conn *pgx.Conn, query string) (answer T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

func exec(t *testing.T, conn *pgx.Conn, query string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func dsnOf(t *testing.T, s *postgresserver.Server) string {
	t.Helper()
	dsn, err := s.DSN("postgres")
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

func TestAServerOfATestIsDurableAndListensToNobodyElse(t *testing.T) {
	conn := connect(t, shared.DSN(t))
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "listen_addresses": "", "server_encoding": "UTF8"} {
		if got := ask[string](t, conn, "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	first, second := connect(t, shared.DSN(t)), connect(t, shared.DSN(t))
	exec(t, first, "CREATE TABLE mine ()")
	if ask[bool](t, second, "SELECT to_regclass('mine') IS NOT NULL") {
		t.Error("one test sees the tables of another")
	}
}

func TestWhatWasCommittedOutlivesAKill(t *testing.T) {
	s := start(t, postgresserver.Config{})
	dsn := dsnOf(t, s)
	exec(t, connect(t, dsn), "CREATE TABLE kept AS SELECT 7 AS n")
	for name, end := range map[string]func(){"killed": s.Kill, "stopped": s.Stop} {
		end()
		if _, err := pgx.Connect(t.Context(), dsn); err == nil {
			t.Errorf("%s, and it still answers", name)
		}
		if _, err := s.DSN("postgres"); err == nil {
			t.Errorf("%s, and it still says how to reach it", name)
		}
		if err := s.Run(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := ask[int](t, connect(t, dsn), "SELECT n FROM kept"); got != 7 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
}

func TestOfALostServerNothingIsLeftButHowItIsReached(t *testing.T) {
	s := start(t, postgresserver.Config{Files: map[string][]byte{"note": []byte("n")}})
	dsn := dsnOf(t, s)
	gone, err := s.CreateDatabase(t.Context(), "gone")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Lose(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), gone); err == nil {
		t.Error("a database of before is there")
	}
	if got := ask[string](t, connect(t, dsn), "SELECT pg_read_file('note')"); got != "n" {
		t.Errorf("its file has %q", got)
	}
	if _, err := os.Stat(filepath.Join(s.Bin(), "pg_dump")); err != nil {
		t.Errorf("its programs are not in %s: %v", s.Bin(), err)
	}
}

func TestAFrozenServerAnswersOnlyOnceItIsThawed(t *testing.T) {
	s := start(t, postgresserver.Config{})
	conn := connect(t, dsnOf(t, s))
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- conn.Ping(t.Context()) }()
	select {
	case err := <-answer:
		t.Errorf("a frozen server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Error(err)
	}
}

func TestItListensOnLoopbackIfAsked(t *testing.T) {
	s := start(t, postgresserver.Config{TCP: true, Settings: map[string]string{"application_name": "x"}, Files: map[string][]byte{"note": []byte("n")}})
	dsn, err := s.DSNByTCP("postgres")
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, dsn)
	if got := ask[string](t, conn, "SHOW listen_addresses"); got != "127.0.0.1" {
		t.Errorf("it listens on %q", got)
	}
	if got := ask[string](t, conn, "SELECT pg_read_file('note')"); got != "n" {
		t.Errorf("the file has %q", got)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	s := start(t, postgresserver.Config{})
	where := filepath.Dir(s.Socket())
	if _, err := os.Stat(s.Socket()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(where); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", where, err)
	}
}

func TestASettingThatIsNoneIsToldInTheServersWords(t *testing.T) {
	start(t, postgresserver.Config{}).Stop() // or the test is not run
	s, err := postgresserver.Start(t.Context(), postgresserver.Config{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil {
		t.Fatal(s.Close())
	}
	if text := err.Error(); !strings.Contains(text, "no_such_setting") {
		t.Errorf("%v, want the server's own words", err)
	}
}
