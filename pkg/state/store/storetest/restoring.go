package storetest

import (
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func restoring() []test {
	return []test{
		{"what was committed comes back to the last bit", func(r *rig) {
			o := r.claim(shard(), "s1")
			b := r.newJob(id(1), "standard", 40_000)
			b.Persist.Released = []uint32{0, 1, 39_999}
			o.commit(b)
			changed := &job.Row{
				State: job.Stopping, Wish: task.DesiredStop, Revision: 3, ControlRevision: 2, Conflicts: 1, DoneAt: later,
				Counts: job.CountsOf(func(yield func(task.State, int) bool) {
					_ = yield(task.Pending, 39_990) && yield(task.Dispatched, 7) && yield(task.Succeeded, 2) && yield(task.Failed, 1)
				}),
			}
			control := job.ControlRow{RequestID: "0123456789abcdef", ControlRevision: 2, KeepRunning: true, At: noon}
			o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{
				Row: changed, Released: []uint32{16_384, 16_383, 1, 7},
				Tasks:    []job.TaskRow{Outcome(16_384, task.Failed, 3), Outcome(0, task.Succeeded, 3), Outcome(8, task.Expired, 3), {Ordinal: 1, Revision: 3, Report: task.Report{Attempt: 2, State: task.Dispatched}}, Again(7, 3)},
				Controls: []job.ControlRow{control},
			}})
			o.commit(store.JobBatch{ID: id(1), Persist: job.Persist{Tasks: []job.TaskRow{Outcome(1, task.Succeeded, 4)}}})

			got := all(r, r.LoadShard(r.Context(), shard()))
			if len(got) != 1 {
				r.Fatalf("%d jobs, want 1", len(got))
			}
			r.same("identity", got[0].Identity, store.Identity{ID: id(1), Shard: shard(), Digest: b.Create.Digest})
			r.same("spec", got[0].Spec, b.Create.Spec)
			r.same("capsule", string(got[0].Capsule), string(b.Create.Capsule))
			r.same("targets", got[0].Targets, b.Create.Targets)
			r.same("row", got[0].Row, *changed)
			r.same("released", got[0].Released, []uint32{0, 1, 7, 16_383, 16_384, 39_999})
			r.same("tasks", got[0].Tasks, []job.TaskRow{Outcome(0, task.Succeeded, 3), Outcome(1, task.Succeeded, 4), Again(7, 3), Outcome(8, task.Expired, 3), Outcome(16_384, task.Failed, 3)})
			r.same("controls", got[0].Controls, []job.ControlRow{control})
			one, err := r.LoadJob(r.Context(), id(1))
			if err != nil {
				r.Fatal(err)
			}
			r.same("the job by itself", one, got[0])
		}},
		{"a shard is loaded without its done jobs, in the order of acceptance", func(r *rig) {
			o := r.claim(shard(), "s1")
			other := r.claim(job.ShardID{Pool: "standard", N: 8}, "s1")
			for _, n := range []int{5, 1, 4, 2, 3} {
				o.commit(r.newJob(id(n), "standard", 1))
			}
			other.commit(r.newJob(id(6), "standard", 1))
			o.commit(
				store.JobBatch{ID: id(4), Persist: job.Persist{Row: Row(job.Done, 2, 1)}},
				store.JobBatch{ID: id(2), Persist: job.Persist{Row: Row(job.Quarantined, 2, 1)}},
			)
			var got []job.ID
			for _, record := range all(r, r.LoadShard(r.Context(), shard())) {
				got = append(got, record.ID)
			}
			r.same("live jobs", got, []job.ID{id(5), id(1), id(2), id(3)})
		}},
		{"a loop over a shard may stop early", func(r *rig) {
			o := r.claim(shard(), "s1")
			o.commit(r.newJob(id(1), "standard", 1), r.newJob(id(2), "standard", 1))
			for record, err := range r.LoadShard(r.Context(), shard()) {
				if err != nil || record.ID != id(1) {
					r.Errorf("%v, %v, want job 1", record.ID, err)
				}
				break
			}
			o.commit()
		}},
		{"what was committed is there after it is closed and opened", func(r *rig) {
			o := r.claim(shard(), "s1")
			o.commit(r.newJob(id(1), "standard", 3))
			before := all(r, r.LoadShard(r.Context(), shard()))
			if err := r.Close(); err != nil {
				r.Fatal(err)
			}
			r.Store = r.open()
			r.same("the shard", all(r, r.LoadShard(r.Context(), shard())), before)
			o.commit() // the claim holds as well: owners are not sessions
		}},
	}
}
