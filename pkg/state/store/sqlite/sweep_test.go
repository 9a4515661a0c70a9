package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// sweeps keeps nothing that is done: its policy is in the far future.
func sweeps(tb testing.TB, s *Store, limit int) store.Sweep {
	tb.Helper()
	epoch, err := s.Claim(tb.Context(), store.HostTable(), "janitor")
	if err != nil {
		tb.Fatal(err)
	}
	return store.Sweep{
		Epoch: epoch, Now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Age: time.Hour, IDs: time.Hour, Limit: limit,
	}
}

// sweepAll does a pass and calls after with every step.
func sweepAll(tb testing.TB, s *Store, sw store.Sweep, after func(store.Swept)) {
	tb.Helper()
	for {
		done, err := s.Sweep(tb.Context(), sw)
		if err != nil {
			tb.Fatal(err)
		}
		after(done)
		if sw.From = done.Next; done.Next == 0 {
			return
		}
	}
}

// owner writes to one shard.
type owner struct {
	s      *Store
	shard  job.ShardID
	epoch  job.Epoch
	number uint64
}

func claim(tb testing.TB, s *Store) *owner {
	tb.Helper()
	o := &owner{s: s, shard: job.ShardID{Pool: "standard", N: 1}}
	var err error
	if o.epoch, err = s.Claim(tb.Context(), o.shard, "s1"); err != nil {
		tb.Fatal(err)
	}
	return o
}

func (o *owner) commit(tb testing.TB, jobs ...store.JobBatch) {
	tb.Helper()
	o.number++
	results, err := o.s.Commit(tb.Context(), []store.Batch{{Shard: o.shard, Epoch: o.epoch, Number: o.number, Jobs: jobs}})
	if err != nil || results[0].Err != nil {
		tb.Fatal(err, results)
	}
}

// finished is a job that is done, with n outcomes and outputs of so many bytes.
func finished(number, n, outputs int) store.JobBatch {
	b := storetest.NewJob(storetest.ID(number), "standard", n)
	b.Persist.Row = storetest.Row(job.Done, 1, n)
	for i := range uint32(n) {
		b.Persist.Tasks = append(b.Persist.Tasks, storetest.Outcome(i, task.Failed, 1))
		b.Persist.Released = append(b.Persist.Released, i)
	}
	for i := range outputs / len(noise(0, 0)) {
		content := noise(number, i)
		b.Outputs = append(b.Outputs, store.Output{Digest: sha256.Sum256(content), Content: content})
	}
	return b
}

// noise is content of 8 KiB that does not compress.
func noise(a, b int) []byte {
	out := make([]byte, 0, 8<<10)
	for i := 0; len(out) < cap(out); i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", a, b, i))
		out = append(out, sum[:]...)
	}
	return out
}

func TestAGreatJobGoesInShortSteps(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	o := claim(t, s)
	o.commit(t, finished(1, 2000, 1<<20))
	o.commit(t, finished(2, 10, 0))
	steps, jobs := 0, 0
	sweepAll(t, s, sweeps(t, s, 200), func(done store.Swept) {
		steps++
		jobs += done.Jobs
		if done.Rows > 210 {
			t.Errorf("a step removed %d rows, want about 200", done.Rows)
		}
	})
	if jobs != 2 || steps < 2100/200 {
		t.Errorf("%d jobs went in %d steps", jobs, steps)
	}
	forgetIDs(t, s)
	checkEmpty(t, s)
}

// forgetIDs sweeps once more, when the ids may go as well.
func forgetIDs(t *testing.T, s *Store) {
	t.Helper()
	sw := sweeps(t, s, 1000)
	sw.Now = sw.Now.Add(sw.IDs)
	sweepAll(t, s, sw, func(store.Swept) {})
}

// checkEmpty fails if a row of any job is left.
func checkEmpty(t *testing.T, s *Store) {
	t.Helper()
	for _, table := range []string{"jobs", "bodies", "releases", "tasks", "outputs", "controls", "ids"} {
		if n := text(t, s, "SELECT count(*) FROM "+table); n[0] != "0" {
			t.Errorf("%s rows are left in %s", n[0], table)
		}
	}
	checkIntegrity(t, s)
}

func TestTheFileStopsGrowingWhenAsMuchGoesAsComes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	s := open(t, path)
	o, sw := claim(t, s), sweeps(t, s, 500)
	atFirst, err := s.now().bytes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var settled int64
	for round := range 8 {
		for i := range 3 {
			o.commit(t, finished(100*round+i, 200, 128<<10))
		}
		sweepAll(t, s, sw, func(store.Swept) {})
		pages := bytesOf(t, s, "SELECT page_count * 4096 FROM pragma_page_count")
		if round == 2 {
			settled = pages
		}
		if wal := fileSize(t, path+"-wal"); wal > 32<<20 {
			t.Errorf("round %d: the WAL has %d MiB: it is not written back while a janitor works", round, wal>>20)
		}
		if round > 2 && pages > settled+settled/20 {
			t.Errorf("round %d: the file has grown from %d to %d KiB, and nothing is in it", round, settled>>10, pages>>10)
		}
	}
	used, err := s.now().bytes(t.Context())
	if err != nil || used > 2*atFirst {
		t.Errorf("%d KiB are used of %d, %v, and nothing is in it", used>>10, settled>>10, err)
	}
}

func bytesOf(t *testing.T, s *Store, query string) (n int64) {
	t.Helper()
	if err := s.readers.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestAFileOfTheSchemaBeforeRetentionIsSweptToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	if err := makePrivate(path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{schemaV1, "CREATE TABLE schema_version (version INTEGER NOT NULL)", "INSERT INTO schema_version VALUES (1)"} {
		if _, err := db.ExecContext(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	// As the release before wrote it.
	b := finished(1, 3, 16<<10)
	e := encodedJob(t, &b)
	for _, row := range []struct {
		query string
		args  []any
	}{
		{"INSERT INTO ids VALUES (?, 'standard', 1, ?, ?, 1, 1, 1)", []any{b.ID[:], b.Create.Digest[:], codec.Nanos(b.Create.KeepUntil)}},
		{"INSERT INTO jobs VALUES (1, ?, 'standard', 1, 'ann', 4, 0, ?, ?)", []any{b.ID[:], e.Spec, e.Row}},
		{"INSERT INTO bodies VALUES (1, ?, ?)", []any{e.Capsule, e.Targets}},
		{"INSERT INTO outputs VALUES (1, ?, 0, ?, ?)", []any{e.Outputs[0].Digest[:], e.Outputs[0].Size, b.Outputs[0].Content}},
	} {
		if _, err := db.ExecContext(t.Context(), row.query, row.args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if got, err := s.LoadJob(t.Context(), b.ID); err != nil || got.Targets.Len() != 3 || !got.Removed.IsZero() {
		t.Fatalf("%+v, %v", got.Identity, err)
	}
	if got, err := s.Output(t.Context(), b.ID, e.Outputs[0].Digest); err != nil || len(got) != len(b.Outputs[0].Content) {
		t.Errorf("its output: %d bytes, %v", len(got), err)
	}
	sweepAll(t, s, sweeps(t, s, 10), func(store.Swept) {})
	checkGone(t, s, b.ID)
}

func encodedJob(t *testing.T, b *store.JobBatch) codec.Job {
	t.Helper()
	c, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Job(b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checkGone fails unless the store says that the job was removed.
func checkGone(t *testing.T, s *Store, id job.ID) {
	t.Helper()
	if _, err := s.GetJob(t.Context(), id); !errors.Is(err, store.ErrPurged) {
		t.Errorf("job %s: %v, want that it was removed", id, err)
	}
}

func TestAJobThatCannotBeDecodedGoesToo(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	o := claim(t, s)
	for i := range 3 {
		o.commit(t, finished(i, 2, 0))
	}
	bad := [2]job.ID{storetest.ID(0), storetest.ID(1)}
	s.change(t, "UPDATE jobs SET row = 'x' WHERE id = ?", bad[0][:])
	s.change(t, "UPDATE jobs SET spec = x'ff' WHERE id = ?", bad[1][:])
	policy := sweeps(t, s, 100)
	early := policy
	early.Now = storetest.NewJob(bad[0], "standard", 1).Create.KeepUntil.Add(policy.Age - 1)
	sweepAll(t, s, early, func(done store.Swept) {
		if done.Jobs != 0 {
			t.Errorf("%+v: it is not known that they were done so long ago", done)
		}
	})
	sweepAll(t, s, policy, func(store.Swept) {})
	for _, id := range bad {
		checkGone(t, s, id)
	}
}

func TestAStepThatFailsLeavesNothingHalf(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	b := finished(1, 300, 64<<10)
	claim(t, s).commit(t, b)
	sw := sweeps(t, s, 50)
	// The third statement of the step finds its table gone.
	s.change(t, "ALTER TABLE tasks RENAME TO elsewhere")
	if done, err := s.Sweep(t.Context(), sw); err == nil || done != (store.Swept{}) {
		t.Fatalf("%+v, %v, want it to fail", done, err)
	}
	s.change(t, "ALTER TABLE elsewhere RENAME TO tasks")
	if got, err := s.LoadJob(t.Context(), b.ID); err != nil || len(got.Tasks) != 300 {
		t.Fatalf("%d tasks, %v, want the job whole", len(got.Tasks), err)
	}
	sweepAll(t, s, sw, func(store.Swept) {})
	forgetIDs(t, s)
	checkEmpty(t, s)
}

// A reader that is slow must not make a step wait, nor see half of a job.
func TestAReaderOnOneMomentSeesTheWholeJobWhileItGoes(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	b := finished(1, 300, 64<<10)
	claim(t, s).commit(t, b)
	sw := sweeps(t, s, 50)
	err := s.frozen(t.Context(), func(at *snapshot) error {
		seq, _, err := at.job(t.Context(), b.ID)
		if err != nil {
			return err
		}
		sweepAll(t, s, sw, func(store.Swept) {})
		var r store.Record
		if err := at.loadLists(t.Context(), seq, &r); err != nil {
			return err
		}
		if len(r.Tasks) != 300 || r.Targets.Len() != 300 {
			t.Errorf("%d tasks, %d targets", len(r.Tasks), r.Targets.Len())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checkGone(t, s, b.ID)
}

func TestNothingIsSweptInAFileThatWasMovedAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ccs.db")
	s := open(t, path)
	claim(t, s).commit(t, finished(1, 3, 0))
	sw := sweeps(t, s, 50)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sweep(t.Context(), sw); !errors.Is(err, store.ErrMoved) {
		t.Errorf("%v, want ErrMoved", err)
	}
}

func TestAStepOnASlowDiskEndsWhenItsTimeIsOver(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	claim(t, s).commit(t, finished(1, 2000, 0))
	sw := sweeps(t, s, 1_000_000)
	sw.Hold = 1 // nanosecond: whatever a disk does, it is over at the first look
	steps := 0
	sweepAll(t, s, sw, func(done store.Swept) {
		steps++
		if done.Rows == 0 && done.Next != 0 || done.Rows > chunk+1 {
			t.Errorf("a step removed %d rows, want some, and no more than go between two looks at the clock", done.Rows)
		}
	})
	if steps < 2000/chunk {
		t.Errorf("%d steps", steps)
	}
	forgetIDs(t, s)
	checkEmpty(t, s)
}
