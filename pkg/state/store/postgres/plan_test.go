package postgres

import (
	"flag"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

var oldTasks = flag.Int("old-tasks", 200_000, "rows of tasks that are done and a month old, in TestOldTasksSlowNothingDown")

// scans is how often each table was read from end to end, by sessions that have
// ended: they tell it then.
func scans(t *testing.T, dsn string) map[string]int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	eventually(t, "there are sessions still", func() bool {
		var others int
		err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
		return err == nil && others == 0
	})
	rows, err := conn.Query(t.Context(), "SELECT relname, seq_scan FROM pg_stat_user_tables")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int64{}
	var name string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		counts[name] = n
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return counts
}

// small are tables of one row, or that a rare question has to read whole.
var small = map[string]bool{"meta": true, "host_revision": true, versionTable: true, "shards": true}

func TestNoQuestionReadsATableFromEndToEnd(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	days := []day{dayOf(storetest.ID(1).Time())}
	if err := s.days.ensure(t.Context(), s.writers, time.Now(), days); err != nil { // that reads them
		t.Fatal(err)
	}
	_ = s.Close()
	before := scans(t, dsn)
	s = openAt(t, dsn)
	storetest.UseEverything(t, s)
	if _, _, err := s.ListJobs(t.Context(), store.JobQuery{State: job.Done, Unknown: true}); err != nil {
		t.Error(err)
	}
	_ = s.Close()
	after := scans(t, dsn)
	if after["meta"] <= before["meta"] {
		t.Error("the scans are not counted")
	}
	for table, n := range after {
		if n > before[table] && !small[table] {
			t.Errorf("%s was read from end to end %d times", table, n-before[table])
		}
	}
}

// The budget is that of a page that a person looks at; without an index the same
// takes seconds from a few million rows on.
func TestOldTasksSlowNothingDown(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	epoch := claim(t, s, "s1")
	mustCommit(t, s, aBatch(epoch, 1, jobAt(time.Now(), 1)))
	const perJob = 1000
	month := []day{}
	for d := range day(30) {
		month = append(month, dayOf(time.Now())-31+d)
	}
	if err := s.days.ensure(t.Context(), s.writers, time.Now(), month); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	makeOld(t, dsn, month, *oldTasks/perJob/len(month)+1, perJob)
	t.Logf("made the old tasks within %v", time.Since(began))

	var bytes int64
	if err := s.readers.QueryRow(t.Context(), "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'tasks'::regclass").Scan(&bytes); err != nil {
		t.Fatal(err)
	}
	t.Logf("a task takes %d bytes, with its indexes", bytes/int64(*oldTasks))

	began = time.Now()
	other := openAt(t, dsn)
	took := map[string]time.Duration{"start": time.Since(began)}
	timed := func(name string, fn func() error) {
		best := time.Hour
		for range 5 {
			began := time.Now()
			if err := fn(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			best = min(best, time.Since(began))
		}
		took[name] = best
	}
	oldest := job.NewID(month[0].begin().Add(time.Hour), [10]byte{})
	timed("list", func() error { _, _, err := other.ListJobs(t.Context(), store.JobQuery{Limit: 50}); return err })
	timed("list of the running", func() error {
		_, _, err := other.ListJobs(t.Context(), store.JobQuery{State: job.Running, Limit: 50})
		return err
	})
	timed("list of somebody's done", func() error {
		_, _, err := other.ListJobs(t.Context(), store.JobQuery{State: job.Done, Submitter: "ann", Limit: 50})
		return err
	})
	timed("list of those with a task that is UNKNOWN", func() error {
		_, _, err := other.ListJobs(t.Context(), store.JobQuery{State: job.Done, Unknown: true, Limit: 50})
		return err
	})
	timed("tasks of an old job", func() error {
		rows, err := other.Tasks(t.Context(), oldest, store.TaskQuery{States: []task.State{task.Failed}})
		if err == nil && len(rows) == 0 {
			t.Error("an old job has no failed tasks")
		}
		return err
	})
	timed("load of the shard", func() error {
		for _, err := range other.LoadShard(t.Context(), theShard()) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	number := uint64(1)
	timed("commit", func() error {
		number++
		mustCommit(t, other, aBatch(epoch, number, jobAt(time.Now(), byte(number))))
		return nil
	})
	for name, d := range took {
		t.Logf("%s: %v", name, d)
		if d > 2*time.Second {
			t.Errorf("%s takes %v beside %d old tasks", name, d, *oldTasks)
		}
	}
}

// makeOld fills a month with jobs that are done.
func makeOld(t *testing.T, dsn string, month []day, jobs, perJob int) {
	t.Helper()
	conn := session(t, dsn)
	for _, d := range month {
		first := job.NewID(d.begin().Add(time.Hour), [10]byte{})
		for n := range jobs {
			id := first
			id[14], id[15] = byte(n>>8), byte(n)
			for _, text := range []string{
				"INSERT INTO ids SELECT $1, shard, pool, digest, keep_until, by_generation, by_n, by_batch FROM ids LIMIT 1",
				"INSERT INTO jobs (id, shard, state, live, pool, submitter, digest, spec, row) SELECT $1, shard, 4, false, pool, submitter, digest, spec, row FROM jobs LIMIT 1",
				"INSERT INTO bodies SELECT $1, capsule, targets FROM bodies LIMIT 1",
			} {
				if _, err := conn.Exec(t.Context(), text, uuid(id)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := conn.Exec(t.Context(), `INSERT INTO tasks SELECT $1, 2, started, ended, n, CASE WHEN n % 100 = 0 THEN 960 ELSE 1024 END,
				attempt, reason, code, signal, lost, overdue, concluded, outputs, signature, message
				FROM (SELECT * FROM tasks WHERE state = 1024 ORDER BY job DESC LIMIT 1) AS one, generate_series(0, $2::int - 1) AS n`, uuid(id), perJob); err != nil {
				t.Fatal(err)
			}
		}
	}
}
