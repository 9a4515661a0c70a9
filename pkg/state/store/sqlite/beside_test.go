package sqlite

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/storetest"
)

// The pace of pkg/tier/scheduler/retention: a step of so many rows, or as many as
// go in so long, and then a rest of three times as long as it took.
const (
	besideRows = 250
	besideHold = 5 * time.Millisecond
	besideRest = 3
)

// TestAJanitorDoesNotHoldUpThoseWhoCommit times commits with and without a
// janitor beside them, in turns, in one run.
func TestAJanitorDoesNotHoldUpThoseWhoCommit(t *testing.T) {
	const rounds, each = 5, 60
	s := open(t, filepath.Join(t.TempDir(), "ccs.db"))
	o := claim(t, s)
	for i := range 12 {
		o.commit(t, finished(i, 1000, 0))
	}
	j := &janitor{s: s, sweep: sweeps(t, s, besideRows)}
	j.sweep.Hold = besideHold
	var alone, beside []time.Duration
	for round := range rounds {
		first := 1000 * (round + 1)
		alone = append(alone, timeCommits(t, o, first, each)...)
		end := j.begin(t)
		beside = append(beside, timeCommits(t, o, first+each, each)...)
		end()
	}
	p99, p99Beside := percentile(alone, 99), percentile(beside, 99)
	t.Logf("p50 %v and p99 %v of %d commits alone, p50 %v and p99 %v beside a janitor that did %d steps and removed %d rows: ratio %.1f",
		percentile(alone, 50), p99, len(alone), percentile(beside, 50), p99Beside, j.steps, j.rows, float64(p99Beside)/float64(p99))
	if j.steps < rounds || j.rows < rounds*chunk {
		t.Errorf("the janitor did %d steps and removed %d rows: it was not beside them", j.steps, j.rows)
	}
	if limit := 3*p99 + 5*time.Millisecond; p99Beside > limit {
		t.Errorf("the 99th percentile of commits is %v beside a janitor, %v alone, want at most %v", p99Beside, p99, limit)
	}
}

func percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)*p/100]
}

// timeCommits commits jobs of 20 targets, each with its outcomes.
func timeCommits(t *testing.T, o *owner, first, n int) (took []time.Duration) {
	t.Helper()
	for i := range n {
		b := storetest.NewJob(storetest.ID(first+i), "standard", 20)
		for ordinal := range uint32(20) {
			b.Persist.Tasks = append(b.Persist.Tasks, storetest.Outcome(ordinal, task.Succeeded, 1))
		}
		b.Persist.Row = storetest.Row(job.Running, 1, 20)
		began := time.Now()
		o.commit(t, b)
		took = append(took, time.Since(began))
	}
	return took
}

// janitor sweeps at the pace of the real one.
type janitor struct {
	s           *Store
	sweep       store.Sweep
	steps, rows int
}

// begin sweeps until end is called.
func (j *janitor) begin(t *testing.T) (end func()) {
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
			case <-rest.C:
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}
