package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// The pace of pkg/tier/scheduler/retention: a step of so many rows, or as many as
// go in so long, and then a rest of three times as long as it took.
const (
	besideRows = 250
	besideHold = 5 * time.Millisecond
	besideRest = 3
)

// RunBeside times commits with and without a janitor beside them, in turns, in one
// run: it must not hold up those who commit. The store is empty.
func RunBeside(t *testing.T, s store.Store) {
	t.Helper()
	const rounds, each, old = 5, 60, 12
	r := &rig{T: t, Store: s}
	o := r.claim(shard(), "s1")
	for i := range old {
		b := NewJob(id(i), "standard", 1000)
		b.Persist.Row = Row(job.Done, 1, 1000)
		for ordinal := range uint32(1000) {
			b.Persist.Tasks = append(b.Persist.Tasks, Outcome(ordinal, task.Failed, 1))
			b.Persist.Released = append(b.Persist.Released, ordinal)
		}
		o.commit(b)
	}
	j := &besideJanitor{s: s, sweep: store.Sweep{
		Epoch: r.sweeper().epoch, Now: later.Add(48 * month), Age: time.Hour, IDs: time.Hour, Limit: besideRows, Hold: besideHold,
	}}
	var alone, beside []time.Duration
	for round := range rounds {
		first := 1000 * (round + 1)
		alone = append(alone, timeCommits(o, first, each)...)
		end := j.begin(t)
		beside = append(beside, timeCommits(o, first+each, each)...)
		end()
	}
	p99, p99Beside := Percentile(alone, 99), Percentile(beside, 99)
	t.Logf("p50 %v and p99 %v of %d commits alone, p50 %v and p99 %v beside a janitor that did %d steps and removed %d rows: ratio %.1f",
		Percentile(alone, 50), p99, len(alone), Percentile(beside, 50), p99Beside, j.steps, j.rows, float64(p99Beside)/float64(p99))
	if j.steps < rounds || j.rows < rounds*100 {
		t.Errorf("the janitor did %d steps and removed %d rows: it was not beside them", j.steps, j.rows)
	}
	if limit := 3*p99 + 5*time.Millisecond; p99Beside > limit {
		t.Errorf("the 99th percentile of commits is %v beside a janitor, %v alone, want at most %v", p99Beside, p99, limit)
	}
}

// Percentile is the value that p of 100 do not exceed; there is one at least.
func Percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)*p/100]
}

// timeCommits commits jobs of 20 targets, each with its outcomes.
func timeCommits(o *owner, first, n int) (took []time.Duration) {
	o.rig.Helper()
	for i := range n {
		b := NewJob(id(first+i), "standard", 20)
		for ordinal := range uint32(20) {
			b.Persist.Tasks = append(b.Persist.Tasks, Outcome(ordinal, task.Succeeded, 1))
		}
		began := time.Now()
		o.commit(b)
		took = append(took, time.Since(began))
	}
	return took
}

// besideJanitor sweeps at the pace of the real one.
type besideJanitor struct {
	s           store.Store
	sweep       store.Sweep
	steps, rows int // read when it does not run
}

// begin sweeps until end is called.
func (j *besideJanitor) begin(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			done, err := j.s.Sweep(ctx, j.sweep)
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			j.steps, j.rows, j.sweep.From = j.steps+1, j.rows+done.Rows, done.Next
			rest := time.NewTimer(besideRest * time.Since(began))
			select {
			case <-ctx.Done():
				rest.Stop()
			case <-rest.C:
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}
