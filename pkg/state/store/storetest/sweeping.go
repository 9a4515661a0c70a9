package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func sweeping() []test {
	return []test{
		{"between two steps every job is there whole, or gone, whoever opens the store", func(r *rig) {
			o := r.claim(shard(), "s1")
			jobs := make([]store.JobBatch, 5)
			for i := range jobs {
				jobs[i] = doneJob(i, 1+3*i, noon)
				if i == 3 {
					jobs[i] = r.newJob(id(i), "standard", 7)
				}
				o.commit(jobs[i])
			}
			sweeper, before := r.sweeper(), len(jobs)
			policy := monthly(noon.Add(2 * month))
			policy.Limit = 1
			done := r.pass(sweeper, policy, func() {
				if err := r.Close(); err != nil {
					r.Fatal(err)
				}
				r.Store = r.open()
				there := 0
				for _, b := range jobs {
					if r.there(b) {
						there++
					}
				}
				if there > before {
					r.Error("a job has come back")
				}
				before = there
				r.same("the list", len(r.pages(store.JobQuery{}, store.MaxPage)), there)
			})
			r.same("jobs removed", done.Jobs, 4)
			r.same("a second pass", r.pass(sweeper, policy, nil), store.Swept{})
		}},
		{"a pass that somebody else begins anew finds what was left", func(r *rig) {
			b := doneJob(1, 50, noon)
			r.claim(shard(), "s1").commit(b)
			policy := monthly(noon.Add(2 * month))
			policy.Limit = 10
			first := r.sweep(r.sweeper(), policy)
			if first.Jobs != 1 || r.there(b) {
				r.Fatalf("%+v", first)
			}
			second := r.pass(r.sweeper(), policy, nil)
			if second.Jobs != 0 || first.Rows+second.Rows < 50 {
				r.Errorf("first %+v, then %+v: not all rows have gone", first, second)
			}
		}},
		{"late truth is written until retention ends, and changes nothing of when that is", func(r *rig) {
			o, sweeper, b := r.claim(shard(), "s1"), r.sweeper(), doneJob(1, 1, noon)
			b.Persist.Tasks[0] = Outcome(0, task.Unknown, 1)
			o.commit(b)
			r.pass(sweeper, monthly(noon.Add(month-1)), nil)
			row := doneRow(noon, 1)
			row.Revision = 2
			o.commit(store.JobBatch{ID: b.ID, Persist: job.Persist{Row: row, Tasks: []job.TaskRow{Outcome(0, task.Succeeded, 2)}}})
			if !r.there(b) {
				r.Error("it has gone too early")
			}
			r.goneAt(b, noon.Add(month))
		}},
		{"owners commit while another sweeps, and nothing is lost", func(r *rig) {
			const jobs = 40
			policy := monthly(noon.Add(2 * month))
			policy.Limit = 5
			var group sync.WaitGroup
			stop := make(chan struct{})
			mine := &rig{T: r.T, Store: r.open(), open: r.open}
			sweeper := mine.sweeper()
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						mine.pass(sweeper, policy, nil)
					}
				}
			})
			o := r.claim(shard(), "s1")
			for i := range jobs {
				b := doneJob(i, 3, noon)
				if i%2 == 0 {
					b = r.newJob(id(i), "standard", 3)
				}
				o.commit(b)
			}
			close(stop)
			group.Wait()
			r.pass(sweeper, policy, nil)
			r.same("live jobs", len(all(r, r.LoadShard(r.Context(), shard()))), jobs/2)
			r.same("jobs in the list", len(r.pages(store.JobQuery{}, store.MaxPage)), jobs/2)
		}},
		{"who has given up waiting does not sweep", func(r *rig) {
			b := doneJob(1, 1, noon)
			r.claim(shard(), "s1").commit(b)
			policy := monthly(noon.Add(2 * month))
			policy.Epoch = r.sweeper().epoch
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			if _, err := r.Sweep(ctx, policy); !errors.Is(err, context.Canceled) {
				r.Errorf("%v, want it canceled", err)
			}
			if !r.there(b) {
				r.Error("the job is gone")
			}
		}},
		{"the time of a step has no say in what is live", func(r *rig) {
			b := r.newJob(id(1), "standard", 1)
			r.claim(shard(), "s1").commit(b)
			policy := store.Sweep{Now: noon.Add(1000 * month), Age: time.Second, Bytes: 1, Least: time.Second, Limit: 1000}
			r.same("removed", r.pass(r.sweeper(), policy, nil), store.Swept{})
		}},
	}
}
