package storetest

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func digestOf(content []byte) [32]byte { return sha256.Sum256(content) }

func removing() []test {
	return []test{
		{"a job goes when it was done long enough ago, and no other does", func(r *rig) {
			o, now := r.claim(shard(), "s1"), noon.Add(10*month)
			jobs := map[string]store.JobBatch{
				"old":         doneJob(1, 3, now.Add(-month)),
				"young":       doneJob(2, 3, now.Add(-month+time.Second)),
				"running":     r.newJob(id(3), "standard", 3),
				"paused":      r.newJob(id(4), "standard", 3),
				"stopping":    r.newJob(id(5), "standard", 3),
				"quarantined": r.newJob(id(6), "standard", 3),
				"older":       doneJob(7, 3, now.Add(-2*month)),
			}
			for name, state := range map[string]job.State{"paused": job.Paused, "stopping": job.Stopping, "quarantined": job.Quarantined} {
				jobs[name].Persist.Row.State = state
			}
			for _, name := range []string{"old", "running", "paused", "stopping", "quarantined", "older", "young"} {
				o.commit(jobs[name])
			}
			done := r.pass(r.sweeper(), monthly(now), nil)
			r.same("jobs removed", done.Jobs, 2)
			for name, b := range jobs {
				if want := name != "old" && name != "older"; r.there(b) != want {
					r.Errorf("the %s job is there: %v, want %v", name, !want, want)
				}
			}
			r.same("the list", r.pages(store.JobQuery{}, store.MaxPage), []job.ID{id(2), id(6), id(5), id(4), id(3)})
			r.same("the list of those done", r.pages(store.JobQuery{State: job.Done}, store.MaxPage), []job.ID{id(2)})
			r.same("the list of a user", len(r.pages(store.JobQuery{Submitter: "ann"}, store.MaxPage)), 5)
			r.same("live jobs", len(all(r, r.LoadShard(r.Context(), shard()))), 4)
		}},
		{"a job that nobody ages is kept for ever", func(r *rig) {
			b := doneJob(1, 2, noon)
			r.claim(shard(), "s1").commit(b)
			done := r.pass(r.sweeper(), store.Sweep{Now: noon.Add(100 * month), Limit: 10}, nil)
			if done.Jobs != 0 || !r.there(b) {
				r.Errorf("%+v", done)
			}
		}},
		{"a task that may still change does not keep its job for ever", func(r *rig) {
			b := doneJob(1, 2, noon)
			b.Persist.Tasks[1] = Outcome(1, task.Unknown, 1)
			r.claim(shard(), "s1").commit(b)
			if o := r.sweeper(); r.pass(o, monthly(noon.Add(month-1)), nil).Jobs != 0 || r.pass(o, monthly(noon.Add(month)), nil).Jobs != 1 {
				r.Error("it did not go when its age had come, and then alone")
			}
		}},
		{"as long as the store holds too much those accepted first go, down to what it may hold", func(r *rig) {
			o, sweeper := r.claim(shard(), "s1"), r.sweeper()
			jobs := make([]store.JobBatch, 12)
			for i := range jobs {
				jobs[i] = doneJob(i, 5, noon.Add(time.Duration(i)*time.Minute))
				jobs[i].Outputs = append(jobs[i].Outputs, bulk(i))
				o.commit(jobs[i])
			}
			now := noon.Add(time.Hour)
			probe := r.sweep(sweeper, store.Sweep{Now: now, Limit: 1})
			policy := store.Sweep{Now: now, Bytes: probe.Bytes / 2, Least: 52 * time.Minute, Limit: 4}
			first := 0
			r.pass(sweeper, policy, func() {
				gone := 0
				for _, b := range jobs {
					if !r.there(b) {
						gone++
					}
				}
				for i, b := range jobs[:gone] {
					if r.there(b) {
						r.Fatalf("job %d was accepted before one that is gone, and is there", i)
					}
				}
				first = gone
			})
			left := r.sweep(sweeper, store.Sweep{Now: now, Limit: 1}).Bytes
			// The ninth was done 52 minutes ago.
			if first < 4 || first > 9 || first < 9 && left > policy.Bytes {
				r.Errorf("%d of 12 jobs went, and the store holds %d bytes of %d", first, left, policy.Bytes)
			}
			policy.Bytes = 1
			r.pass(sweeper, policy, nil)
			for i, b := range jobs {
				if want := i > 8; r.there(b) != want {
					r.Errorf("job %d is there: %v, want %v: it was done %s ago", i, !want, want, now.Sub(b.Persist.Row.DoneAt))
				}
			}
		}},
		{"who has been fenced removes nothing", func(r *rig) {
			b := doneJob(1, 2, noon)
			r.claim(shard(), "s1").commit(b)
			never, other := &owner{rig: r}, r.claim(shard(), "s1")
			old := r.sweeper()
			r.sweeper()
			raised := r.sweeper()
			if _, err := r.RaiseGeneration(r.Context()); err != nil {
				r.Fatal(err)
			}
			for name, o := range map[string]*owner{"nobody": never, "another shard's owner": other, "an owner before": old, "one of another generation": raised} {
				s := monthly(noon.Add(10 * month))
				s.Epoch = o.epoch
				if done, err := r.Sweep(r.Context(), s); !errors.Is(err, store.ErrFenced) || done != (store.Swept{}) {
					r.Errorf("%s: %+v, %v, want ErrFenced", name, done, err)
				}
			}
			if !r.there(b) {
				r.Error("the job is gone")
			}
			r.same("removed by the owner", r.pass(r.sweeper(), monthly(noon.Add(10*month)), nil).Jobs, 1)
		}},
	}
}

// bulk is content that weighs something, and does not compress.
func bulk(n int) store.Output {
	content := make([]byte, 64<<10)
	seed := sha256.Sum256([]byte{byte(n)})
	for i := 0; i < len(content); i += len(seed) {
		copy(content[i:], seed[:])
		seed = sha256.Sum256(seed[:])
	}
	return store.Output{Digest: digestOf(content), Content: content}
}
