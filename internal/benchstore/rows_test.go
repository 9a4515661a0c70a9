package benchstore

import (
	"math/rand/v2"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// jobID is that of job n of a round.
func jobID(round, n int) job.ID { return storetest.ID(round*1_000 + n) }

// results are what hosts have said of a job: in disorder, each signed, and with
// outputs that are named.
func results(tasks int) []job.TaskRow {
	rows := make([]job.TaskRow, 0, tasks)
	for _, i := range rand.Perm(tasks) {
		row := storetest.Outcome(uint32(i), task.Succeeded, 2)
		row.Detail.Signature, row.Detail.Message = make([]byte, 64), ""
		rows = append(rows, row)
	}
	return rows
}

// packed are the same rows as the floors write them: ready, and sorted.
func packed(round int, s shape) (ids []job.ID, rows [][]codec.Task) {
	for n := range s.jobs {
		ids, rows = append(ids, jobID(round, n)), append(rows, codec.Tasks(results(s.tasks)))
	}
	return ids, rows
}

// ends are the rows of the jobs of a round, as a store keeps them: pending, and
// when all is done.
func ends(tb testing.TB, round int, s shape) (ids []job.ID, pending, done [][]byte) {
	tb.Helper()
	for n := range s.jobs {
		ids = append(ids, jobID(round, n))
		pending = append(pending, encoded(tb, storetest.Row(job.Running, 1, s.tasks)))
		done = append(done, encoded(tb, storetest.Row(job.Done, 2, s.tasks)))
	}
	return ids, pending, done
}

func encoded(tb testing.TB, row *job.Row) []byte {
	tb.Helper()
	text, err := codec.ToJSON("row", row)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// storeContender is a store, whichever it is: what is measured is the commit of
// results and of the rows of their jobs.
func storeContender(tb testing.TB, s store.Store, count func(tb testing.TB) int) contender {
	tb.Helper()
	shard := job.ShardID{Pool: "standard", N: 1}
	epoch, err := s.Claim(tb.Context(), shard, "bench")
	if err != nil {
		tb.Fatal(err)
	}
	number := uint64(0)
	commit := func(jobs []store.JobBatch) error {
		number++
		got, err := s.Commit(tb.Context(), []store.Batch{{Shard: shard, Epoch: epoch, Number: number, Jobs: jobs}})
		if err != nil {
			return err
		}
		return got[0].Err
	}
	return contender{"the store", func(tb testing.TB, round int, sh shape) func() error {
		tb.Helper()
		first, second := make([]store.JobBatch, sh.jobs), make([]store.JobBatch, sh.jobs)
		for n := range sh.jobs {
			first[n] = storetest.NewJob(jobID(round, n), "standard", sh.tasks)
			second[n] = store.JobBatch{ID: first[n].ID, Persist: job.Persist{Row: storetest.Row(job.Done, 2, sh.tasks), Tasks: results(sh.tasks)}}
			for o := range uint32(sh.tasks) {
				first[n].Persist.Released = append(first[n].Persist.Released, o)
			}
		}
		if err := commit(first); err != nil {
			tb.Fatal(err)
		}
		return func() error { return commit(second) }
	}, count}
}
