package sqlite

import (
	"database/sql"
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

var history = flag.Int("history", 50_000, "task rows of the old history that must not slow anything down")

const (
	tasksOfOldJob = 500
	recentJobs    = 40 // that are live, and as many that are done
	mostTimes     = 3  // as long as without a history, and a little:
	aLittle       = 4 * time.Millisecond
)

// TestAnOldHistorySlowsNothingDown asks the same of a store with a history and
// of one without, in turns. `make bench-history` does so with 10 million rows.
func TestAnOldHistorySlowsNothingDown(t *testing.T) {
	dir := t.TempDir()
	old, empty := filepath.Join(dir, "old.db"), filepath.Join(dir, "empty.db")
	began := time.Now()
	for _, path := range []string{old, empty} {
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
	}
	writeHistory(t, old, *history)
	t.Logf("a history of %d tasks in %d jobs was written in %.1f s, %d MiB", *history, *history/tasksOfOldJob, time.Since(began).Seconds(), fileSize(t, old)>>20)

	stores := map[string]*Store{"old": open(t, old), "empty": open(t, empty)}
	for _, s := range stores {
		writeRecent(t, s)
	}
	for _, q := range questions(old, empty) {
		took := map[string][]time.Duration{}
		for range 15 {
			for name, s := range stores {
				began := time.Now()
				q.ask(t, name, s)
				took[name] = append(took[name], time.Since(began))
			}
		}
		with, without := storetest.Percentile(took["old"], 50), storetest.Percentile(took["empty"], 50)
		t.Logf("%-28s %8.2f ms with a history, %8.2f ms without", q.name, milliseconds(with), milliseconds(without))
		if with > mostTimes*without+aLittle {
			t.Errorf("%s takes %v with a history and %v without", q.name, with, without)
		}
	}
	janitorOfHistory(t, stores["old"])
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// question is something that people and processes ask all the time.
type question struct {
	name string
	ask  func(t *testing.T, name string, s *Store)
}

func questions(old, empty string) []question {
	list := func(query store.JobQuery, want int) func(*testing.T, string, *Store) {
		query.Limit = want
		return func(t *testing.T, _ string, s *Store) {
			t.Helper()
			if jobs, _, err := s.ListJobs(t.Context(), query); err != nil || len(jobs) != want {
				t.Fatalf("%d jobs, %v, want %d", len(jobs), err, want)
			}
		}
	}
	paths := map[string]string{"old": old, "empty": empty}
	return []question{
		{"start-up: open and load", func(t *testing.T, name string, _ *Store) {
			t.Helper()
			s, err := Open(t.Context(), at(paths[name]))
			if err != nil {
				t.Fatal(err)
			}
			loadRecent(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}},
		{"load a shard", func(t *testing.T, _ string, s *Store) { t.Helper(); loadRecent(t, s) }},
		{"list all", list(store.JobQuery{}, recentJobs)},
		{"list what runs", list(store.JobQuery{State: job.Running}, recentJobs)},
		{"list what is done", list(store.JobQuery{State: job.Done}, recentJobs)},
		{"list a user's", list(store.JobQuery{Submitter: "ann"}, recentJobs)},
		{"list a user's that are done", list(store.JobQuery{Submitter: "ann", State: job.Done}, recentJobs)},
		{"get a job", func(t *testing.T, _ string, s *Store) {
			t.Helper()
			if _, err := s.GetJob(t.Context(), recentID(1)); err != nil {
				t.Fatal(err)
			}
		}},
		{"get a job with its tasks", func(t *testing.T, _ string, s *Store) {
			t.Helper()
			rows, err := s.Tasks(t.Context(), recentID(recentJobs), store.TaskQuery{States: []task.State{task.Failed}})
			if err != nil || len(rows) != 100 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
		}},
		{"commit", func(t *testing.T, _ string, s *Store) {
			t.Helper()
			if _, err := s.Claim(t.Context(), job.ShardID{Pool: "standard", N: 9}, "s1"); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

func recentID(n int) job.ID { return storetest.ID(10_000_000 + n) }

// writeRecent adds jobs that live, and then some that are done.
func writeRecent(t *testing.T, s *Store) {
	t.Helper()
	o := claim(t, s)
	for n := range recentJobs {
		b := storetest.NewJob(recentID(n), "standard", 100)
		b.Create.Spec.Created = time.Now()
		done := finished(10_000_000+recentJobs+n, 100, 0)
		done.Create.Spec.Created, done.Persist.Row.DoneAt = time.Now(), time.Now()
		o.commit(t, b, done)
	}
}

func loadRecent(t *testing.T, s *Store) {
	t.Helper()
	n := 0
	for _, err := range s.LoadShard(t.Context(), job.ShardID{Pool: "standard", N: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != recentJobs {
		t.Fatalf("%d live jobs, want %d", n, recentJobs)
	}
}

// writeHistory writes old jobs of 500 tasks each, straight into the tables.
func writeHistory(t *testing.T, path string, rows int) {
	t.Helper()
	b := finished(1, tasksOfOldJob, 0)
	e := encodedJob(t, &b)
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(off)&_pragma=synchronous(off)&_pragma=cache_size(-262144)&_pragma=locking_mode(exclusive)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	const numbers = "WITH RECURSIVE n (x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x + 1 < ?1) "
	// A job each second from 2020 on; ids are UUIDv7 of that time.
	const id = "unhex(printf('%012x7%03x8%015x', 1577836800000 + x * 1000, x % 4096, x))"
	jobs := rows / tasksOfOldJob
	row := e.Tasks[0]
	for _, step := range []struct {
		query string
		args  []any
	}{
		{"BEGIN", nil},
		{numbers + "INSERT INTO ids SELECT " + id + ", 'standard', 1, ?2, 1577836800000000000, 1, 1, 1, 0 FROM n", []any{jobs, b.Create.Digest[:]}},
		{numbers + "INSERT INTO jobs SELECT x + 1, " + id + ", 'standard', 1, 'ann', 4, 0, ?2, ?3 FROM n", []any{jobs, e.Spec, e.Row}},
		{numbers + "INSERT INTO bodies SELECT x + 1, ?2, ?3 FROM n", []any{jobs, e.Capsule, e.Targets}},
		{numbers + "INSERT INTO releases SELECT x + 1, 0, zeroblob(63) FROM n", []any{jobs}},
		{numbers + `INSERT INTO tasks SELECT x / 500 + 1, x % 500, CASE x % 50 WHEN 0 THEN 960 ELSE 1024 END, 1, 1, 0, 0, 0,
			1577836800000000000, 1577836800000000000, ?2, zeroblob(64), '', 0, 0, 0 FROM n`, []any{jobs * tasksOfOldJob, row.Refs}},
		{"COMMIT", nil},
	} {
		if _, err := db.ExecContext(t.Context(), step.query, step.args...); err != nil {
			t.Fatalf("%s: %v", step.query, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// janitorOfHistory times the steps of a janitor that has all of it before it.
func janitorOfHistory(t *testing.T, s *Store) {
	t.Helper()
	sw := sweeps(t, s, 250)
	sw.Now = time.Now()
	var took []time.Duration
	rows := 0
	for len(took) < 100 {
		began := time.Now()
		done, err := s.Sweep(t.Context(), sw)
		if err != nil {
			t.Fatal(err)
		}
		took, rows = append(took, time.Since(began)), rows+done.Rows
		if sw.From = done.Next; done.Next == 0 {
			break
		}
	}
	t.Logf("%d steps of retention removed %d rows: %.2f ms at the median, %.2f ms at the 99th percentile",
		len(took), rows, milliseconds(storetest.Percentile(took, 50)), milliseconds(storetest.Percentile(took, 99)))
	if rows < len(took)*200 {
		t.Errorf("%d steps removed %d rows", len(took), rows)
	}
	loadRecent(t, s)
}
