package benchstore

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/ccs-project/ccs/pkg/state/store/codec"
	"github.com/ccs-project/ccs/pkg/state/store/sqlite"
)

// bareInto is followed by a table.
const (
	bareInto   = "INSERT INTO "
	bareValues = " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	bareJob    = "INSERT INTO bare_jobs VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET row = excluded.row"
)

// sqliteContenders are the bare insert into a table without any index, which is
// SQLite's COPY, the bare upsert into one with its key, and the store: each in a
// file of its own, as durable as the others, and with the rows of the jobs.
func sqliteContenders(t *testing.T) []contender {
	t.Helper()
	config := sqlite.DefaultConfig()
	path := filepath.Join(t.TempDir(), "ccs.db")
	config.DSN = "sqlite:" + path
	s, err := sqlite.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	counted := sqliteOpen(t, path)
	return []contender{
		sqliteFloor(t, "bare insert, no key, and the rows of the jobs", "", ""),
		sqliteFloor(t, "bare upsert, and the rows of the jobs", ", PRIMARY KEY (job, ordinal)) WITHOUT ROWID", onConflict),
		storeContender(t, s, func(tb testing.TB) int { tb.Helper(); return rowsIn(tb, counted, "tasks") }),
	}
}

func sqliteOpen(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(2000)&_pragma=cache_size(-32768)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func rowsIn(tb testing.TB, db *sql.DB, table string) (n int) {
	tb.Helper()
	if err := db.QueryRowContext(tb.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

func sqliteFloor(t *testing.T, name, key, conflict string) contender {
	t.Helper()
	db := sqliteOpen(t, filepath.Join(t.TempDir(), "floor.db"))
	if key == "" {
		key = ")"
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE bare (job, ordinal, state, revision, attempt, reason,
		code, signal, started, ended, outputs, signature, message, overdue, lost, concluded`+key); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE bare_jobs (id INTEGER PRIMARY KEY, row)"); err != nil {
		t.Fatal(err)
	}
	insert, err := db.PrepareContext(t.Context(), bareInto+"bare"+bareValues+conflict)
	if err != nil {
		t.Fatal(err)
	}
	return contender{name, func(tb testing.TB, round int, s shape) func() error {
		tb.Helper()
		_, rows := packed(round, s)
		_, pending, done := ends(tb, round, s)
		for n := range pending {
			if _, err := db.ExecContext(tb.Context(), bareJob, int64(round*1_000+n), pending[n]); err != nil {
				tb.Fatal(err)
			}
		}
		return func() error {
			tx, err := db.BeginTx(tb.Context(), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			st := tx.StmtContext(tb.Context(), insert)
			for n := range rows {
				for i := range rows[n] {
					if _, err := st.ExecContext(tb.Context(), sqliteArgs(int64(round*1_000+n), &rows[n][i])...); err != nil {
						return err
					}
				}
				if _, err := tx.ExecContext(tb.Context(), bareJob, int64(round*1_000+n), done[n]); err != nil {
					return err
				}
			}
			return tx.Commit()
		}
	}, func(tb testing.TB) int { tb.Helper(); return rowsIn(tb, db, "bare") }}
}

func sqliteArgs(job int64, e *codec.Task) []any {
	r, d := &e.Row.Report, &e.Row.Detail
	return []any{
		job, int64(e.Row.Ordinal), int64(r.State), int64(e.Row.Revision), int64(r.Attempt), int64(r.Exit.Reason), int64(r.Exit.Code), int64(r.Exit.Signal),
		codec.Nanos(d.StartedAt), codec.Nanos(d.EndedAt), e.Refs, d.Signature, d.Message, d.Overdue, int64(e.Row.Lost), e.Row.Concluded,
	}
}
