package storetest

import (
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func owning() []test {
	return append(fencing(), numbering()...)
}

func fencing() []test {
	return []test{
		{"each claim has a greater epoch and fences the one before", func(r *rig) {
			old := r.claim(shard(), "s1")
			old.commit(r.newJob(id(1), "standard", 3))
			young := r.claim(shard(), "s2")
			if young.epoch.Compare(old.epoch) <= 0 {
				r.Errorf("epoch %v after %v", young.epoch, old.epoch)
			}
			release := store.JobBatch{ID: id(1), Persist: job.Persist{Released: []uint32{0}}}
			if result := r.commit(old.batch(release))[0]; !errors.Is(result.Err, store.ErrFenced) {
				r.Errorf("the old owner's batch: %v, want ErrFenced", result.Err)
			}
			if got := all(r, r.LoadShard(r.Context(), shard())); len(got) != 1 || len(got[0].Released) != 0 {
				r.Errorf("the fenced batch has left %+v", got)
			}
			young.commit(release)
		}},
		{"a fenced batch falls out and the others of the commit are applied", func(r *rig) {
			a, c := job.ShardID{Pool: "standard", N: 1}, job.ShardID{Pool: "standard", N: 3}
			first, fenced, third := r.claim(a, "s1"), r.claim(shard(), "s1"), r.claim(c, "s1")
			r.claim(shard(), "s2")
			results := r.commit(
				third.batch(r.newJob(id(3), "standard", 1)),
				fenced.batch(r.newJob(id(2), "standard", 1)),
				first.batch(r.newJob(id(1), "standard", 1)),
			)
			if results[0].Err != nil || !errors.Is(results[1].Err, store.ErrFenced) || results[2].Err != nil {
				r.Errorf("results %+v, want the second alone fenced", results)
			}
			for n, want := range map[int]error{1: nil, 2: store.ErrNotFound, 3: nil} {
				if _, err := r.GetJob(r.Context(), id(n)); !errors.Is(err, want) {
					r.Errorf("job %d: %v, want %v", n, err, want)
				}
			}
		}},
		{"a shard that nobody claimed takes nothing", func(r *rig) {
			for _, epoch := range []job.Epoch{{}, {Generation: 1, N: 1}, {Generation: 1}} {
				b := store.Batch{Shard: shard(), Epoch: epoch, Number: 1, Jobs: []store.JobBatch{r.newJob(id(1), "standard", 1)}}
				if result := r.commit(b)[0]; !errors.Is(result.Err, store.ErrFenced) {
					r.Errorf("epoch %v: %v, want ErrFenced", epoch, result.Err)
				}
			}
		}},
		{"a raised generation fences every owner until he claims again", func(r *rig) {
			o := r.claim(shard(), "s1")
			o.commit(r.newJob(id(1), "standard", 1))
			before := o.epoch
			generation, err := r.RaiseGeneration(r.Context())
			if err != nil || generation != before.Generation+1 {
				r.Fatalf("generation %d, %v after %d", generation, err, before.Generation)
			}
			if result := r.commit(o.batch())[0]; !errors.Is(result.Err, store.ErrFenced) {
				r.Errorf("a batch of the old generation: %v, want ErrFenced", result.Err)
			}
			o = r.claim(shard(), "s1")
			if o.epoch.Generation != generation || o.epoch.N != before.N+1 {
				r.Errorf("epoch %v, want generation %d and the next number", o.epoch, generation)
			}
			o.commit()
		}},
	}
}

func numbering() []test {
	return []test{
		{"a batch that is sent again is applied once", func(r *rig) {
			o := r.claim(shard(), "s1")
			create := o.batch(r.newJob(id(1), "standard", 3))
			r.commit(create)
			o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{Row: Row(job.Done, 2, 3)}})

			again := r.commit(create)[0]
			if again.Err != nil || !again.Again || len(again.Existing) != 0 {
				r.Errorf("result %+v, want it done before, and the job its own", again)
			}
			if got, err := r.GetJob(r.Context(), id(1)); err != nil || got.Row.State != job.Done {
				r.Errorf("the job is %v, %v: the old row came back", got.Row.State, err)
			}
		}},
		{"a batch that is sent again still says which of its jobs existed", func(r *rig) {
			o := r.claim(shard(), "s1")
			o.commit(r.newJob(id(1), "standard", 3))
			b := o.batch(r.newJob(id(1), "standard", 3), r.newJob(id(2), "standard", 3))
			for range 2 {
				if existing := r.commit(b)[0].Existing; len(existing) != 1 || existing[0].ID != id(1) {
					r.Errorf("existing is %+v, want job 1", existing)
				}
			}
		}},
		{"numbers have no gaps and begin at one", func(r *rig) {
			o := r.claim(shard(), "s1")
			for _, number := range []uint64{0, 2, 100} {
				b := store.Batch{Shard: shard(), Epoch: o.epoch, Number: number, Jobs: []store.JobBatch{r.newJob(id(1), "standard", 1)}}
				if result := r.commit(b)[0]; !errors.Is(result.Err, store.ErrBatch) {
					r.Errorf("number %d: %v, want ErrBatch", number, result.Err)
				}
			}
			o.commit(r.newJob(id(1), "standard", 1))
		}},
		{"two batches of one shard go in one commit, whatever their order", func(r *rig) {
			o := r.claim(shard(), "s1")
			first := o.batch(r.newJob(id(1), "standard", 3))
			second := o.batch(store.JobBatch{ID: id(1), Persist: job.Persist{Released: []uint32{2}}})
			for i, result := range r.commit(second, first) {
				if result.Err != nil {
					r.Errorf("batch %d: %v", i, result.Err)
				}
			}
		}},
		{"an impossible batch falls out alone and leaves nothing", func(r *rig) {
			good, bad := r.claim(job.ShardID{Pool: "standard", N: 9}, "s1"), r.claim(shard(), "s1")
			strange := r.newJob(id(4), "standard", 1)
			strange.Create.Spec.Pool = "critical"
			for what, jobs := range map[string][]store.JobBatch{
				"a job that is not there": {r.newJob(id(1), "standard", 1), {ID: id(2), Persist: job.Persist{Row: Row(job.Done, 2, 1)}}},
				"a job twice":             {r.newJob(id(1), "standard", 1), {ID: id(1)}},
				"no row":                  {{ID: id(1), Create: r.newJob(id(1), "standard", 1).Create}},
				"an ordinal too great":    {{ID: id(1), Persist: job.Persist{Released: []uint32{job.MaxTargets}}}},
				"another pool":            {r.newJob(id(1), "standard", 1), strange},
			} {
				b := store.Batch{Shard: shard(), Epoch: bad.epoch, Number: 1, Jobs: jobs}
				results := r.commit(b, good.batch())
				if !errors.Is(results[0].Err, store.ErrBatch) || results[1].Err != nil {
					r.Errorf("%s: %v and %v, want ErrBatch for the first alone", what, results[0].Err, results[1].Err)
				}
				if _, err := r.LocateJob(r.Context(), id(1)); !errors.Is(err, store.ErrNotFound) {
					r.Errorf("%s: the batch has left its first job behind: %v", what, err)
				}
			}
		}},
		{"a job of another shard cannot be written", func(r *rig) {
			r.claim(shard(), "s1").commit(r.newJob(id(1), "standard", 1))
			other := r.claim(job.ShardID{Pool: "standard", N: 8}, "s2")
			result := r.commit(other.batch(store.JobBatch{ID: id(1), Persist: job.Persist{Released: []uint32{0}}}))[0]
			if !errors.Is(result.Err, store.ErrBatch) {
				r.Errorf("%v, want ErrBatch", result.Err)
			}
		}},
		{"the fate of a batch is known, to a fenced owner too", func(r *rig) {
			old := r.claim(shard(), "s1")
			old.commit()
			fate := func(epoch job.Epoch, number uint64, want bool) {
				r.Helper()
				if applied, err := r.Fate(r.Context(), shard(), epoch, number); err != nil || applied != want {
					r.Errorf("batch %d of epoch %v: %v, %v, want %v", number, epoch, applied, err, want)
				}
			}
			fate(old.epoch, 1, true)
			fate(old.epoch, 2, false)
			young := r.claim(shard(), "s2")
			fate(old.epoch, 1, true)
			fate(old.epoch, 2, false)
			fate(young.epoch, 1, false)
			if _, err := r.Fate(r.Context(), shard(), job.Epoch{Generation: 7, N: 7}, 1); !errors.Is(err, store.ErrNotFound) {
				r.Errorf("a claim that never was: %v, want ErrNotFound", err)
			}
		}},
	}
}
