package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// theShard is the one of most tests.
func theShard() job.ShardID { return job.ShardID{Pool: "standard", N: 7} }

func claim(t *testing.T, s *Store, owner string) job.Epoch {
	t.Helper()
	epoch, err := s.Claim(t.Context(), theShard(), owner)
	if err != nil {
		t.Fatal(err)
	}
	return epoch
}

func aBatch(epoch job.Epoch, number uint64, jobs ...store.JobBatch) store.Batch {
	return store.Batch{Shard: theShard(), Epoch: epoch, Number: number, Jobs: jobs}
}

func aJob(n int) store.JobBatch { return storetest.NewJob(storetest.ID(n), "standard", 3) }

// mustCommit commits one batch that must be applied.
func mustCommit(t *testing.T, s *Store, b store.Batch) store.Result {
	t.Helper()
	results, err := s.Commit(t.Context(), []store.Batch{b})
	if err != nil || results[0].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	return results[0]
}

// session is a scheduler that does by hand what a Store does, and stops half way.
func session(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	config, err := at(dsn).pool(1)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Close(t.Context()) })
	return conn
}

func execOn(t *testing.T, conn *pgx.Conn, query string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

const lockTheShard = "BEGIN; SELECT FROM shards WHERE pool = 'standard' AND shard = 7 FOR UPDATE"

// An owner that was stopped (SIGSTOP, a machine that swaps, a network that is
// cut) in the middle of a commit holds the lock of its shard.
func TestAnOwnerThatWasStoppedWithinACommitDoesNotHoldUpTheNext(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	old := claim(t, s, "s1")
	for name, stop := range map[string]func(*pgx.Conn){
		"between two groups": func(conn *pgx.Conn) { execOn(t, conn, lockTheShard) },
		"within a group": func(conn *pgx.Conn) {
			execOn(t, conn, lockTheShard)
			conn.PgConn().Frontend().SendParse(&pgproto3.Parse{Query: "SELECT 1"}) // and no Sync
			if err := conn.PgConn().Frontend().Flush(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			stopped := session(t, dsn)
			stop(stopped)
			began := time.Now()
			young := claim(t, s, "s2")
			if took := time.Since(began); took > 4*evictAfter {
				t.Errorf("the claim took %v: a take-over has 5 s in all", took)
			}
			if young.Compare(old) <= 0 {
				t.Errorf("epoch %v after %v", young, old)
			}
			if _, err := stopped.Exec(t.Context(), "COMMIT"); err == nil {
				t.Error("the stopped owner went on with its transaction")
			}
			results, err := s.Commit(t.Context(), []store.Batch{aBatch(old, 1, aJob(1))})
			if err != nil || !errors.Is(results[0].Err, store.ErrFenced) {
				t.Errorf("what the stopped owner tries then: %+v, %v, want it fenced", results, err)
			}
		})
	}
}

// Somebody who is no scheduler, or who does something, is not thrown out.
func TestACommitThatTakesLongIsNotThrownOut(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	old := claim(t, s, "s1")
	busy := session(t, dsn)
	execOn(t, busy, lockTheShard)
	done := make(chan error, 1)
	go func() {
		_, err := busy.Exec(t.Context(), "SELECT pg_sleep(2.5); COMMIT")
		done <- err
	}()
	young := claim(t, s, "s2")
	if err := <-done; err != nil {
		t.Errorf("the busy one was thrown out: %v", err)
	}
	if young.Compare(old) <= 0 {
		t.Errorf("epoch %v after %v", young, old)
	}
}

func TestAStrangersSessionIsLeftAlone(t *testing.T) {
	dsn := shared.DSN(t)
	config := at(dsn)
	config.BusyTimeout = 2500 * time.Millisecond
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	claim(t, s, "s1")
	stranger, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close(t.Context()) }()
	execOn(t, stranger, lockTheShard)
	if _, err := s.Claim(t.Context(), theShard(), "s2"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	execOn(t, stranger, "COMMIT")
	claim(t, s, "s2")
}

func TestARaisedGenerationWaitsForCommitsThatAreUnderWay(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	claim(t, s, "s1")
	writing := session(t, dsn)
	execOn(t, writing, lockTheShard)
	raised := make(chan error, 1)
	go func() {
		_, err := s.RaiseGeneration(t.Context())
		raised <- err
	}()
	untilWaiting(t, s)
	execOn(t, writing, "UPDATE shards SET batch = 1; COMMIT")
	if err := <-raised; err != nil {
		t.Fatal(err)
	}
	if applied, err := s.Fate(t.Context(), theShard(), job.Epoch{Generation: 1, N: 1}, 1); err != nil || !applied {
		t.Errorf("the commit that was under way: %v, %v", applied, err)
	}
}

// untilWaiting returns when somebody waits for a lock.
func untilWaiting(t *testing.T, s *Store) {
	t.Helper()
	eventually(t, "nobody waits for a lock", func() bool {
		var waiting int
		err := s.readers.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").Scan(&waiting)
		return err == nil && waiting > 0
	})
}

// eventually waits for a condition.
func eventually(t *testing.T, lacking string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if so() {
			return
		}
	}
	t.Fatal(lacking)
}
