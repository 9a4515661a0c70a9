package postgres

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// sweeps keeps nothing that is done: its policy is in the far future.
func sweeps(t *testing.T, s *Store, limit int) store.Sweep {
	t.Helper()
	epoch, err := s.Claim(t.Context(), store.HostTable(), "janitor")
	if err != nil {
		t.Fatal(err)
	}
	return store.Sweep{Epoch: epoch, Now: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Age: time.Hour, IDs: time.Hour, Limit: limit}
}

// sweepAll does a pass and calls after with every step.
func sweepAll(t *testing.T, s *Store, sw store.Sweep, after func(store.Swept)) {
	t.Helper()
	for {
		done, err := s.Sweep(t.Context(), sw)
		if err != nil {
			t.Fatal(err)
		}
		after(done)
		if sw.From = done.Next; done.Next == 0 {
			return
		}
	}
}

func nothing(store.Swept) {}

// finished makes a job one that is done, with n outcomes and some outputs of
// 8 KiB that do not compress.
func finished(b store.JobBatch, n, outputs int) store.JobBatch {
	b.Create.Targets = storetest.NewJob(b.ID, "standard", n).Create.Targets
	b.Persist.Row = storetest.Row(job.Done, 1, n)
	b.Persist.Tasks, b.Outputs = nil, nil
	for i := range uint32(n) {
		b.Persist.Tasks = append(b.Persist.Tasks, storetest.Outcome(i, task.Failed, 1))
		b.Persist.Released = append(b.Persist.Released, i)
	}
	for i := range outputs {
		content := make([]byte, 0, 8<<10)
		for k := 0; len(content) < cap(content); k++ {
			sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", b.ID, i, k))
			content = append(content, sum[:]...)
		}
		b.Outputs = append(b.Outputs, store.Output{Digest: sha256.Sum256(content), Content: content})
	}
	return b
}

func count(t *testing.T, s *Store, query string) (n int64) {
	t.Helper()
	if err := s.readers.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// checkEmpty forgets the ids as well, and fails if a row of any job is left.
func checkEmpty(t *testing.T, s *Store, sw store.Sweep) {
	t.Helper()
	sw.Now = sw.Now.Add(sw.IDs)
	sweepAll(t, s, sw, nothing)
	for _, table := range []string{"jobs", "bodies", "releases", "tasks", "outputs", "controls", "ids", "removals"} {
		if n := count(t, s, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

func TestAGreatJobGoesInShortSteps(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	epoch := claim(t, s, "s1")
	mustCommit(t, s, aBatch(epoch, 1, finished(aJob(1), 2000, 128), finished(aJob(2), 10, 0)))
	sw := sweeps(t, s, 250)
	steps, jobs, rows := 0, 0, 0
	sweepAll(t, s, sw, func(done store.Swept) {
		steps, jobs, rows = steps+1, jobs+done.Jobs, rows+done.Rows
		if done.Rows > sw.Limit+5 {
			t.Errorf("a step removed %d rows, want about %d", done.Rows, sw.Limit)
		}
	})
	// 2 jobs, 2010 tasks, 128 outputs, 2 bodies, 2 pieces of releases, and the
	// weight of 2000 targets.
	if jobs != 2 || rows < 2144 || rows > 2150 || steps < rows/sw.Limit {
		t.Errorf("%d jobs, %d rows went in %d steps", jobs, rows, steps)
	}
	checkEmpty(t, s, sw)
}

func TestAStepOnASlowServerEndsWhenItsTimeIsOver(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, finished(aJob(1), 1000, 4)))
	sw := sweeps(t, s, 1_000_000)
	sw.Hold = 1 // nanosecond: whatever a server does, it is over at the first look
	steps := 0
	sweepAll(t, s, sw, func(done store.Swept) {
		steps++
		if done.Rows == 0 && done.Next != 0 || done.Rows > chunk+2 {
			t.Errorf("a step removed %d rows, want some, and no more than go between two looks at the clock", done.Rows)
		}
	})
	if steps < 1000/chunk {
		t.Errorf("%d steps", steps)
	}
	checkEmpty(t, s, sw)
}

// Late truth comes while the janitor looks: the job is written whole, or it was
// removed before; never rows of a job that is gone.
func TestAJobThatACommitHasLockedIsLeftForTheNextPass(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, finished(aJob(1), 3, 1), finished(aJob(2), 3, 1)))
	sw := sweeps(t, s, 1000)
	committing := session(t, dsn)
	execOn(t, committing, "BEGIN; SELECT FROM jobs WHERE id = '"+storetest.ID(1).String()+"' AND NOT live FOR KEY SHARE")
	jobs := 0
	sweepAll(t, s, sw, func(done store.Swept) { jobs += done.Jobs })
	if _, err := s.LoadJob(t.Context(), storetest.ID(1)); err != nil || jobs != 1 {
		t.Errorf("%d jobs went, and the one that is being written: %v", jobs, err)
	}
	execOn(t, committing, "COMMIT")
	sweepAll(t, s, sw, nothing)
	checkEmpty(t, s, sw)
}

// A commit that finds a job being removed waits, and then leaves it out.
func TestACommitWaitsForTheStepThatTakesItsJob(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	epoch := claim(t, s, "s1")
	mustCommit(t, s, aBatch(epoch, 1, finished(aJob(1), 3, 1)))
	removing := session(t, dsn)
	id := storetest.ID(1).String()
	execOn(t, removing, "BEGIN; DELETE FROM jobs WHERE id = '"+id+"'; UPDATE ids SET removed = 1 WHERE id = '"+id+"'; INSERT INTO removals VALUES ('"+id+"')")
	late := store.JobBatch{ID: storetest.ID(1), Persist: job.Persist{Tasks: []job.TaskRow{storetest.Outcome(1, task.Succeeded, 2)}}}
	type answer struct {
		results []store.Result
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		results, err := s.Commit(t.Context(), []store.Batch{aBatch(epoch, 2, late)})
		answers <- answer{results, err}
	}()
	untilWaiting(t, s)
	execOn(t, removing, "COMMIT")
	a := <-answers
	if a.err != nil || a.results[0].Err != nil || len(a.results[0].Purged) != 1 {
		t.Fatalf("%+v, %v, want the job left out", a.results, a.err)
	}
	sw := sweeps(t, s, 1000)
	sweepAll(t, s, sw, nothing)
	checkEmpty(t, s, sw)
}

func TestAJobThatCannotBeDecodedGoesToo(t *testing.T) {
	s := openAt(t, shared.DSN(t))
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, finished(aJob(1), 2, 0), finished(aJob(2), 2, 0)))
	s.change(t, `UPDATE jobs SET row = '"x"' WHERE id = $1`, storetest.ID(1))
	s.change(t, `UPDATE jobs SET spec = '5' WHERE id = $1`, storetest.ID(2))
	sw := sweeps(t, s, 100)
	early := sw
	early.Now = aJob(1).Create.KeepUntil.Add(sw.Age - 1)
	sweepAll(t, s, early, func(done store.Swept) {
		if done.Jobs > 1 { // the other row says when it was done
			t.Errorf("%+v: it is not known that both were done so long ago", done)
		}
	})
	sweepAll(t, s, sw, nothing)
	for n := 1; n <= 2; n++ {
		if _, err := s.GetJob(t.Context(), storetest.ID(n)); !errors.Is(err, store.ErrPurged) {
			t.Errorf("job %d: %v, want that it was removed", n, err)
		}
	}
}

func TestAStepThatFailsLeavesNothingHalf(t *testing.T) {
	dsn := shared.DSN(t)
	s := openAt(t, dsn)
	mustCommit(t, s, aBatch(claim(t, s, "s1"), 1, finished(aJob(1), 300, 8)))
	sw := sweeps(t, s, 50)
	onDatabase(t, dsn, "ALTER TABLE erased RENAME TO elsewhere") // the last statement of a step
	held := count(t, s, "SELECT count(*) FROM tasks")
	if done, err := s.Sweep(t.Context(), sw); err == nil || done != (store.Swept{}) {
		t.Fatalf("%+v, %v, want it to fail", done, err)
	}
	onDatabase(t, dsn, "ALTER TABLE elsewhere RENAME TO erased")
	if got, err := s.LoadJob(t.Context(), storetest.ID(1)); err != nil || int64(len(got.Tasks)) != held {
		t.Fatalf("%d tasks, %v, want the job whole", len(got.Tasks), err)
	}
	sweepAll(t, s, sw, nothing)
	checkEmpty(t, s, sw)
}
