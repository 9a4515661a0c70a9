package storetest

import (
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// operating is what an operator does beside schedulers.
func operating() []test {
	return []test{
		{"a generation is raised above every one that was in force", func(r *rig) {
			for _, step := range []struct{ above, want uint64 }{{0, 2}, {0, 3}, {2, 4}, {9, 10}, {9, 11}} {
				if got, err := store.RaiseAbove(r.Context(), r, step.above); err != nil || got != step.want {
					r.Errorf("above %d it is %d, want %d (%v)", step.above, got, step.want, err)
				}
			}
			if got, err := store.RaiseAbove(r.Context(), r, 1_000_000); err == nil || got != 12 {
				r.Errorf("far above everything it is %d (%v)", got, err)
			}
		}},
		{"what a job did to its owners is durable, and a reinstated job goes on", func(r *rig) {
			o := r.claim(shard(), "s1")
			o.commit(r.newJob(id(1), "standard", 3))
			running := Row(job.Running, 2, 1)
			running.Trial = job.Trial{Crashes: 1, Deaths: 1, Unproven: true, Why: "it crashed its shard"}
			aside := running.PutAside("it crashed its shard again")
			for _, row := range []*job.Row{running, &aside} {
				o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{Row: row}})
				got, err := r.GetJob(r.Context(), id(1))
				if err != nil {
					r.Fatal(err)
				}
				r.same("row", got.Row, *row)
			}
			want, _ := aside.Reinstated()
			got, err := store.Reinstate(r.Context(), r.open(), id(1), "an operator")
			if err != nil {
				r.Fatal(err)
			}
			r.same("what is said of it", got.Row, want)
			r.same("what is stored", all(r, r.LoadShard(r.Context(), shard()))[0].Row, want)
			r.refused("a batch of the owner before", r.commit(o.batch(store.JobBatch{ID: id(1), Persist: job.Persist{Row: &aside}}))[0].Err, store.ErrFenced)
		}},
		{"only a job that is quarantined is reinstated, and no owner is fenced for another", func(r *rig) {
			o := r.claim(shard(), "s1")
			o.commit(r.newJob(id(1), "standard", 3))
			_, err := store.Reinstate(r.Context(), r, id(1), "an operator")
			r.refused("one that runs", err, store.ErrNotQuarantined)
			_, err = store.Reinstate(r.Context(), r, id(2), "an operator")
			r.refused("one that is not there", err, store.ErrNotFound)
			o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{Row: Row(job.Running, 2, 1)}})
		}},
	}
}

// refused checks an error.
func (r *rig) refused(what string, err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Errorf("%s: %v, want %v", what, err, want)
	}
}
