package postgresserver_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/internal/postgresserver"
)

// through makes a proxy before the shared server, and a database with a table.
func through(t *testing.T) (p *postgresserver.Proxy, straight, proxied string) {
	t.Helper()
	straight = shared.DSN(t)
	config, err := pgx.ParseConfig(straight)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = postgresserver.NewProxy(t.Context(), shared.Server(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	exec(t, connect(t, straight), "CREATE TABLE written (n int)")
	return p, straight, p.DSN(config.Database)
}

func write(t *testing.T, dsn string, n int) error {
	t.Helper()
	conn := connect(t, dsn)
	return pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO written VALUES ($1)", n)
		return err
	})
}

func TestAProxyCutsAtACommit(t *testing.T) {
	for name, c := range map[string]struct {
		fate    postgresserver.Fate
		fails   bool
		written int
	}{
		"it passes":                 {postgresserver.Pass, false, 1},
		"the server never hears it": {postgresserver.CutBefore, true, 0},
		"the answer is lost":        {postgresserver.CutAfter, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, straight, proxied := through(t)
			p.AtCommit(c.fate)
			if err := write(t, proxied, 1); (err != nil) != c.fails {
				t.Errorf("the client was told %v", err)
			}
			if err := p.Close(); err != nil { // all is said
				t.Fatal(err)
			}
			conn := connect(t, straight)
			exec(t, conn, "BEGIN; LOCK TABLE written; COMMIT") // after whoever still writes
			if got := ask[int](t, conn, "SELECT count(*) FROM written"); got != c.written {
				t.Errorf("%d rows are written, want %d", got, c.written)
			}
		})
	}
}

func TestACommitIsHeldBackUntilItIsLetGo(t *testing.T) {
	p, straight, proxied := through(t)
	p.AtCommit(postgresserver.HoldBack)
	if err := write(t, proxied, 1); err == nil {
		t.Error("the client was told that all is well")
	}
	conn := connect(t, straight)
	if got := ask[int](t, conn, "SELECT count(*) FROM written"); got != 0 {
		t.Errorf("%d rows are written before the server has heard of it", got)
	}
	p.LetGo()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ask[int](t, conn, "SELECT count(*) FROM written"); got != 1 {
		t.Errorf("%d rows are written, want 1", got)
	}
	if p.Cut() != 1 {
		t.Errorf("%d connections were cut", p.Cut())
	}
}

func TestAProxyCutsEverybody(t *testing.T) {
	p, _, proxied := through(t)
	conn := connect(t, proxied)
	if got := ask[int](t, conn, "SELECT 1"); got != 1 {
		t.Error(got)
	}
	p.CutAll()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("it answers through a proxy that has cut everybody")
	}
	if err := write(t, proxied, 1); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}
