package postgres

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

func TestADayHasTheIdsOfItsTimeAndNoOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "ms")).UTC()
		id := job.NewID(at, [10]byte(rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "random")))
		d := dayOf(id.Time())
		if d.begin().After(at) || !(d + 1).begin().After(at) {
			t.Fatalf("%v is not in the day of %v", at, d.begin())
		}
		if id.String() < d.first() || id.String() >= (d+1).first() {
			t.Fatalf("%s is not between %s and %s", id, d.first(), (d + 1).first())
		}
	})
	// As it is documented, for whoever looks for a partition by hand.
	d := dayOf(time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC))
	if d.name("tasks") != "tasks_p20260301" || d.first() != "019ca6b1-dc00-0000-0000-000000000000" || (d+1).first() != "019cabd8-3800-0000-0000-000000000000" {
		t.Errorf("the day is %s from %s to %s", d.name("tasks"), d.first(), (d + 1).first())
	}
}

// jobAt is a job whose id is of a time.
func jobAt(at time.Time, n byte) store.JobBatch {
	b := storetest.NewJob(job.NewID(at, [10]byte{n}), "standard", 3)
	b.Persist.Tasks = []job.TaskRow{storetest.Outcome(1, task.Succeeded, 1)}
	b.Outputs = []store.Output{{Digest: [32]byte{n}, Content: []byte("out")}}
	return b
}

func partitionsOf(t *testing.T, s *Store, table string) (names []string) {
	t.Helper()
	rows, err := s.readers.Query(t.Context(), "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1", table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestTodayAndTomorrowHavePartitionsAndAnOlderDayGetsOneOnDemand(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	today := dayOf(time.Now())
	for _, table := range partitioned() {
		if got, want := fmt.Sprint(partitionsOf(t, s, table)), fmt.Sprint([]string{today.name(table), (today + 1).name(table)}); got != want {
			t.Errorf("%s has %s, want %s", table, got, want)
		}
	}
	old := time.Date(2025, 12, 31, 23, 59, 59, 999e6, time.UTC)
	first, second := jobAt(old, 1), jobAt(old.Add(time.Millisecond), 2)
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, first, second))
	for i, name := range []string{"tasks_p20251231", "tasks_p20260101"} {
		var rows int
		if err := s.readers.QueryRow(t.Context(), "SELECT count(*) FROM "+name).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("job %d: %s has %d rows, %v", i, name, rows, err)
		}
	}
	if got, err := s.Output(t.Context(), second.ID, [32]byte{2}); err != nil || string(got) != "out" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestManyWhoNeedAPartitionAtOnceMakeItOnce(t *testing.T) {
	dsn := shared.DSN(t)
	var all sync.WaitGroup
	for n := range 6 {
		s := openAt(t, dsn)
		all.Go(func() {
			shard := job.ShardID{Pool: "standard", N: uint16(n)}
			epoch, err := s.Claim(t.Context(), shard, "s")
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 5 {
				at := time.Date(2025, 6, 1+i, 0, 0, 0, 0, time.UTC)
				results, err := s.Commit(t.Context(), []store.Batch{{Shard: shard, Epoch: epoch, Number: uint64(i + 1), Jobs: []store.JobBatch{jobAt(at, byte(n))}}})
				if err != nil || results[0].Err != nil {
					t.Errorf("%+v, %v", results, err)
				}
			}
		})
	}
	all.Wait()
}

// Retention drops a day, and then a job of that day is accepted after all.
func TestAPartitionThatWasDroppedIsMadeAgain(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	epoch := claim(t, s, "s1")
	at := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	first := jobAt(at, 1)
	mustCommit(t, s, aBatch(epoch, 1, first))
	for _, table := range partitioned() {
		name := dayOf(at).name(table)
		onDatabase(t, dsn, "ALTER TABLE "+table+" DETACH PARTITION "+name+" CONCURRENTLY", "DROP TABLE "+name)
	}
	mustCommit(t, s, aBatch(epoch, 2, jobAt(at, 2)))
	if rows, err := s.Tasks(t.Context(), first.ID, store.TaskQuery{}); err != nil || len(rows) != 0 {
		t.Errorf("of the dropped day there are %d rows, %v", len(rows), err)
	}
}

// A partition is made and dropped beside writers, not before or after them.
func TestMakingAPartitionStopsNobody(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	epoch := claim(t, s, "s1")
	mustCommit(t, s, aBatch(epoch, 1, jobAt(time.Now(), 1)))
	writing := session(t, dsn)
	execOn(t, writing, "BEGIN; SELECT count(*) FROM tasks; INSERT INTO bodies SELECT job, capsule, targets FROM bodies ON CONFLICT DO NOTHING; UPDATE tasks SET revision = 9")
	mustCommit(t, s, aBatch(epoch, 2, jobAt(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC), 2)))
	execOn(t, writing, "COMMIT")
}

// ANALYZE of a table takes a lock that keeps partitions from being made. That of
// tomorrow can wait; commits of today cannot.
func TestNobodyWaitsForThePartitionOfTomorrow(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	busy := session(t, dsn)
	execOn(t, busy, "BEGIN; LOCK TABLE tasks IN SHARE UPDATE EXCLUSIVE MODE")
	tomorrow := time.Now().Add(24 * time.Hour) // has one; the day after has none
	for range 3 {                              // each is a commit
		began := time.Now()
		if err := s.days.ensure(t.Context(), s.writers, tomorrow, nil); err != nil {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it has waited %v", took)
		}
	}
	execOn(t, busy, "COMMIT")
	if err := s.days.ensure(t.Context(), s.writers, tomorrow.Add(laterAhead), nil); err != nil {
		t.Fatal(err)
	}
	if got, want := partitionsOf(t, s, "tasks"), dayOf(tomorrow.Add(ahead)).name("tasks"); !slices.Contains(got, want) {
		t.Errorf("%s is never made: there are %q", want, got)
	}
}

func TestIdsSortAsPostgreSQLSortsThem(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	a, b := job.NewID(time.UnixMilli(0xff), [10]byte{0xff}), job.NewID(time.UnixMilli(0x100), [10]byte{})
	var less bool
	if err := s.readers.QueryRow(t.Context(), "SELECT $1::uuid < $2::uuid", uuid(a), uuid(b)).Scan(&less); err != nil {
		t.Fatal(err)
	}
	if less != (bytes.Compare(a[:], b[:]) < 0) {
		t.Error("uuids are not compared by their bytes")
	}
}
