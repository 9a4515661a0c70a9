package sqlite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// benchRows is the number of task results in one commit.
const benchRows = 10_000

// benchBatch has the rows of one commit, in the disorder in which hosts answer.
func benchBatch(shard job.ShardID, epoch job.Epoch, number int) store.Batch {
	b := storetest.NewJob(storetest.ID(number), shard.Pool, benchRows)
	for _, i := range rand.Perm(benchRows) {
		row := storetest.Outcome(uint32(i), task.Succeeded, 1)
		row.Detail.Signature, row.Detail.Message = make([]byte, 64), ""
		b.Persist.Tasks = append(b.Persist.Tasks, row)
	}
	return store.Batch{Shard: shard, Epoch: epoch, Number: uint64(number), Jobs: []store.JobBatch{b}}
}

// timer sums the wall and CPU time of the parts that are measured: on a machine
// that others use as well, the CPU time is what can be compared.
type timer struct{ wall, cpu time.Duration }

func (m *timer) measure(b *testing.B, fn func()) {
	b.Helper()
	began, cpu := time.Now(), cpuTime(b)
	fn()
	m.wall, m.cpu = m.wall+time.Since(began), m.cpu+cpuTime(b)-cpu
}

func (m *timer) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(m.wall.Microseconds())/1000/float64(b.N), "wall-ms/op")
	b.ReportMetric(float64(m.cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(0, "ns/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCommit10000Results measures the commit of 10,000 task results
// beside its floor: the same rows in one transaction of a table without any
// index, claim or check, in the same run.
func BenchmarkCommit10000Results(b *testing.B) {
	shard := job.ShardID{Pool: "standard", N: 1}
	b.Run("floor", func(b *testing.B) {
		w := open(b, filepath.Join(b.TempDir(), "floor.db")).writer
		if _, err := w.conn.ExecContext(b.Context(), `CREATE TABLE bare (seq INTEGER PRIMARY KEY, job, ordinal, state, revision, attempt, reason,
			code, signal, started, ended, outputs, signature, message, overdue)`); err != nil {
			b.Fatal(err)
		}
		var m timer
		number := 0
		for b.Loop() {
			number++
			rows := codec.Tasks(benchBatch(shard, job.Epoch{}, number).Jobs[0].Persist.Tasks)
			m.measure(b, func() {
				if err := w.write(b.Context(), "insert", func(ctx context.Context, t *tx) error {
					for i := range rows {
						if err := t.exec(ctx, "INSERT INTO bare VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", appendArgs(nil, int64(number), &rows[i])...); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			})
		}
		m.report(b)
	})
	b.Run("commit", func(b *testing.B) {
		s := open(b, filepath.Join(b.TempDir(), "ccs.db"))
		epoch, err := s.Claim(b.Context(), shard, "bench")
		if err != nil {
			b.Fatal(err)
		}
		var m timer
		number := 0
		for b.Loop() {
			number++
			batch := benchBatch(shard, epoch, number)
			m.measure(b, func() {
				results, err := s.Commit(b.Context(), []store.Batch{batch})
				if err != nil || results[0].Err != nil {
					b.Fatal(err, results)
				}
			})
		}
		m.report(b)
	})
}

// BenchmarkSmallJobs measures jobs of 10 targets, committed in groups: accepted
// and released in one commit, all results in the next.
func BenchmarkSmallJobs(b *testing.B) {
	for _, group := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "ccs.db"))
			shard := job.ShardID{Pool: "standard", N: 1}
			epoch, err := s.Claim(b.Context(), shard, "bench")
			if err != nil {
				b.Fatal(err)
			}
			number, jobs := uint64(0), 0
			commit := func(batch []store.JobBatch) {
				number++
				results, err := s.Commit(b.Context(), []store.Batch{{Shard: shard, Epoch: epoch, Number: number, Jobs: batch}})
				if err != nil || results[0].Err != nil {
					b.Fatal(err, results)
				}
			}
			for b.Loop() {
				first, second := make([]store.JobBatch, group), make([]store.JobBatch, group)
				for i := range group {
					jobs++
					first[i] = storetest.NewJob(storetest.ID(jobs), "standard", 10)
					second[i] = store.JobBatch{ID: first[i].ID, Persist: job.Persist{Row: storetest.Row(job.Done, 2, 10)}}
					for o := range uint32(10) {
						first[i].Persist.Released = append(first[i].Persist.Released, o)
						second[i].Persist.Tasks = append(second[i].Persist.Tasks, storetest.Outcome(o, task.Succeeded, 2))
					}
				}
				commit(first)
				commit(second)
			}
			b.ReportMetric(float64(jobs)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}
