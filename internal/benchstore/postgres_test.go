package benchstore

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
	"github.com/ccs-project/ccs/pkg/state/store/postgres"
)

const columns = `job uuid NOT NULL, ordinal int NOT NULL, state int NOT NULL, revision bigint NOT NULL, attempt int NOT NULL, reason int NOT NULL,
	code int NOT NULL, signal int NOT NULL, started bigint NOT NULL, ended bigint NOT NULL, outputs bytea, signature bytea, message bytea NOT NULL,
	overdue bool NOT NULL, lost int NOT NULL, concluded bool NOT NULL`

func names() []string {
	return []string{
		"job", "ordinal", "state", "revision", "attempt", "reason", "code", "signal", "started", "ended", "outputs", "signature", "message",
		"overdue", "lost", "concluded",
	}
}

const (
	onConflict = ` ON CONFLICT (job, ordinal) DO UPDATE SET state = excluded.state, revision = excluded.revision, attempt = excluded.attempt,
		reason = excluded.reason, code = excluded.code, signal = excluded.signal, started = excluded.started, ended = excluded.ended,
		outputs = excluded.outputs, signature = excluded.signature, message = excluded.message, overdue = excluded.overdue,
		lost = excluded.lost, concluded = excluded.concluded`
	bareUpsert = `INSERT INTO bare SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::bigint[], $5::int[], $6::int[], $7::int[], $8::int[],
		$9::bigint[], $10::bigint[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bool[], $15::int[], $16::bool[])` + onConflict
	bareInsertJobs = `INSERT INTO bare_jobs SELECT id, $3, true, row::json FROM unnest($1::uuid[], $2::text[]) AS new (id, row)`
	bareUpdateJobs = `UPDATE bare_jobs SET state = $3, live = false, row = new.row::json
		FROM unnest($1::uuid[], $2::text[]) AS new (id, row) WHERE bare_jobs.id = new.id`
)

// postgresContenders are the bare COPY into a table without any index, the bare
// upsert into one with its key, the same by way of a temporary table, and the
// store: all in one database, each on connections of its own. The floor is the bare
// upsert: it updates the rows of the jobs as well, in the same transaction, as
// whoever makes their results durable must.
func postgresContenders(t *testing.T, dsn string) []contender {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn, BusyTimeout: postgres.DefaultConfig().BusyTimeout, Readers: 1, Writers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	for _, text := range []string{
		"CREATE TABLE heap (" + columns + ")",
		"CREATE TABLE bare (" + columns + ", PRIMARY KEY (job, ordinal))",
		"CREATE TABLE bare_jobs (id uuid PRIMARY KEY, state int NOT NULL, live bool NOT NULL, row json NOT NULL) WITH (fillfactor = 70)",
		"CREATE TABLE staged (" + columns + ", PRIMARY KEY (job, ordinal))",
		"CREATE TEMPORARY TABLE stage (" + columns + ") ON COMMIT DELETE ROWS",
	} {
		if _, err := conn.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	count := func(table string) func(testing.TB) int {
		return func(tb testing.TB) (n int) {
			tb.Helper()
			if err := conn.QueryRow(tb.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
				tb.Fatal(err)
			}
			return n
		}
	}
	return []contender{
		{"bare COPY, no key", func(tb testing.TB, round int, sh shape) func() error {
			tb.Helper()
			rows := copied(packed(round, sh))
			return func() error {
				_, err := conn.CopyFrom(tb.Context(), pgx.Identifier{"heap"}, names(), pgx.CopyFromRows(rows))
				return err
			}
		}, count("heap")},
		{"bare upsert, and the rows of the jobs", func(tb testing.TB, round int, sh shape) func() error {
			tb.Helper()
			ids, rows := packed(round, sh)
			return bareJobs(tb, conn, round, sh, func(group *pgx.Batch) { group.Queue(bareUpsert, arrays(ids, rows)...) })
		}, count("bare")},
		{"COPY to a temporary table, upsert from it", func(tb testing.TB, round int, sh shape) func() error {
			tb.Helper()
			rows := copied(packed(round, sh))
			return func() error {
				return pgx.BeginFunc(tb.Context(), conn, func(tx pgx.Tx) error {
					if _, err := tx.CopyFrom(tb.Context(), pgx.Identifier{"stage"}, names(), pgx.CopyFromRows(rows)); err != nil {
						return err
					}
					_, err := tx.Exec(tb.Context(), "INSERT INTO staged SELECT * FROM stage"+onConflict)
					return err
				})
			}
		}, count("staged")},
		storeContender(t, s, count("tasks")),
	}
}

// bareJobs makes the rows of a round's jobs. What it returns ends them, with what
// else is queued, in one transaction and one round trip.
func bareJobs(tb testing.TB, conn *pgx.Conn, round int, s shape, also func(*pgx.Batch)) func() error {
	tb.Helper()
	ids, pending, done := ends(tb, round, s)
	if _, err := conn.Exec(tb.Context(), bareInsertJobs, uuids(ids), texts(pending), int32(job.Running)); err != nil {
		tb.Fatal(err)
	}
	return func() error {
		group := &pgx.Batch{}
		also(group)
		group.Queue(bareUpdateJobs, uuids(ids), texts(done), int32(job.Done))
		return conn.SendBatch(tb.Context(), group).Close()
	}
}

func uuids(ids []job.ID) (list pgtype.FlatArray[pgtype.UUID]) {
	for _, id := range ids {
		list = append(list, pgtype.UUID{Bytes: id, Valid: true})
	}
	return list
}

func texts(rows [][]byte) (list []string) {
	for _, row := range rows {
		list = append(list, string(row))
	}
	return list
}

// arrays are the columns of the rows.
func arrays(ids []job.ID, rows [][]codec.Task) []any {
	var jobs pgtype.FlatArray[pgtype.UUID]
	var ordinals, states, attempts, reasons, codes, signals, lost []int32
	var revisions, started, ended []int64
	var outputs, signatures, messages [][]byte
	var overdue, concluded []bool
	for n := range rows {
		for i := range rows[n] {
			r := rows[n][i].Row
			jobs, ordinals, states = append(jobs, pgtype.UUID{Bytes: ids[n], Valid: true}), append(ordinals, int32(r.Ordinal)), append(states, int32(r.Report.State))
			revisions, attempts = append(revisions, int64(r.Revision)), append(attempts, int32(r.Report.Attempt))
			reasons, codes, signals = append(reasons, int32(r.Report.Exit.Reason)), append(codes, r.Report.Exit.Code), append(signals, r.Report.Exit.Signal)
			started, ended = append(started, codec.Nanos(r.Detail.StartedAt)), append(ended, codec.Nanos(r.Detail.EndedAt))
			outputs, signatures, messages = append(outputs, rows[n][i].Refs), append(signatures, r.Detail.Signature), append(messages, []byte(r.Detail.Message))
			overdue, lost, concluded = append(overdue, r.Detail.Overdue), append(lost, int32(r.Lost)), append(concluded, r.Concluded)
		}
	}
	return []any{
		jobs, ordinals, states, revisions, attempts, reasons, codes, signals, started, ended, outputs, signatures, messages,
		overdue, lost, concluded,
	}
}

func copied(ids []job.ID, rows [][]codec.Task) (list [][]any) {
	for n := range rows {
		for i := range rows[n] {
			r := rows[n][i].Row
			list = append(list, []any{
				pgtype.UUID{Bytes: ids[n], Valid: true},
				int32(r.Ordinal), int32(r.Report.State), int64(r.Revision), int32(r.Report.Attempt),
				int32(r.Report.Exit.Reason), r.Report.Exit.Code, r.Report.Exit.Signal, codec.Nanos(r.Detail.StartedAt), codec.Nanos(r.Detail.EndedAt),
				rows[n][i].Refs, r.Detail.Signature, []byte(r.Detail.Message), r.Detail.Overdue, int32(r.Lost), r.Concluded,
			})
		}
	}
	return list
}
