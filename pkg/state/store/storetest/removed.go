package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// goneAt removes a job that was done at noon, at a time, and returns who did it.
func (r *rig) goneAt(b store.JobBatch, now time.Time) *owner {
	r.Helper()
	o := r.sweeper()
	if done := r.pass(o, monthly(now), nil); done.Jobs != 1 || done.IDs != 0 || r.there(b) {
		r.Fatalf("%+v, want the job gone and its id kept", done)
	}
	return o
}

func removed() []test {
	return []test{
		{"of a job that was removed it is known when, and where its id is", func(r *rig) {
			b := doneJob(1, 2, noon)
			r.claim(shard(), "s1").commit(b)
			now := noon.Add(2 * month)
			r.goneAt(b, now)
			want := store.Identity{ID: b.ID, Shard: shard(), Digest: b.Create.Digest, Removed: now}
			at, err := r.LocateJob(r.Context(), b.ID)
			if err != nil {
				r.Fatal(err)
			}
			r.same("where it is", at, want)
			_, err = r.GetJob(r.Context(), b.ID)
			var purged *store.PurgedError
			if !errors.As(err, &purged) || !strings.Contains(err.Error(), "removed by retention on 2026-04-30T12:00:00Z") {
				r.Fatalf("%v, want the day", err)
			}
			r.same("what the error says", purged.Identity, want)
		}},
		{"an id cannot be used again, neither before nor after it is forgotten", func(r *rig) {
			o, b := r.claim(shard(), "s1"), doneJob(100, 2, noon)
			o.commit(b)
			now := noon.Add(2 * month)
			sweeper := r.goneAt(b, now)
			again := func(when string, digest [32]byte, removed time.Time) {
				r.Helper()
				same, fresh := r.newJob(b.ID, "standard", 2), r.newJob(id(200), "standard", 1)
				existing := o.commit(same, fresh).Existing
				if len(existing) == 0 || existing[0].ID != b.ID || existing[0].Digest != digest || !existing[0].Removed.Equal(removed) {
					r.Errorf("%s: existing is %+v, want the job that was removed", when, existing)
				}
				r.gone(b)
				if _, err := r.GetJob(r.Context(), id(200)); err != nil {
					r.Errorf("%s: the other job of the batch: %v", when, err)
				}
			}
			again("while it is known", b.Create.Digest, now)
			r.same("ids forgotten too early", r.pass(sweeper, monthly(now.Add(week-1)), nil).IDs, 0)
			r.same("ids forgotten", r.pass(sweeper, monthly(now.Add(week)), nil).IDs, 1)
			again("after it was forgotten", [32]byte{}, time.Time{})
			_, err := r.LocateJob(r.Context(), b.ID)
			var purged *store.PurgedError
			if !errors.As(err, &purged) || !purged.Removed.IsZero() || !strings.Contains(err.Error(), "removed by retention") {
				r.Errorf("where it was: %v, want that it was removed", err)
			}
		}},
		{"an id is kept as long as somebody may submit it again", func(r *rig) {
			b := doneJob(1, 2, noon)
			b.Create.KeepUntil = noon.Add(3 * month)
			r.claim(shard(), "s1").commit(b)
			o := r.goneAt(b, noon.Add(month))
			r.same("forgotten before it may be", r.pass(o, monthly(b.Create.KeepUntil.Add(-1)), nil).IDs, 0)
			r.same("forgotten when it may be", r.pass(o, monthly(b.Create.KeepUntil), nil).IDs, 1)
		}},
		{"the horizon hides no job that lives, and no id of a later time", func(r *rig) {
			o := r.claim(shard(), "s1")
			live, b := r.newJob(id(1), "standard", 2), doneJob(2, 2, noon)
			o.commit(live, b)
			r.pass(r.goneAt(b, noon.Add(2*month)), monthly(noon.Add(3*month)), nil)
			if !r.there(live) {
				r.Error("a live job of an earlier time is gone")
			}
			r.same("live jobs", len(all(r, r.LoadShard(r.Context(), shard()))), 1)
			if existing := o.commit(live).Existing; len(existing) != 1 || !existing[0].Removed.IsZero() {
				r.Errorf("the live job again: %+v, want it to exist", existing)
			}
			o.commit(store.JobBatch{ID: live.ID, Persist: job.Persist{Row: Row(job.Done, 2, 2)}})
			if _, err := r.GetJob(r.Context(), id(3)); !errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrPurged) {
				r.Errorf("a job that never was: %v, want only that it is not found", err)
			}
			r.same("a job of a later time", len(o.commit(r.newJob(id(3), "standard", 1)).Existing), 0)
		}},
		{"what is written to a job that was removed is left out, and the rest is applied", func(r *rig) {
			o, b := r.claim(shard(), "s1"), doneJob(1, 2, noon)
			b.Persist.Tasks[1] = Outcome(1, task.Unknown, 1)
			other := r.newJob(id(2), "standard", 2)
			o.commit(b, other)
			sweeper := r.goneAt(b, noon.Add(2*month))
			late := func() store.Batch {
				row := doneRow(noon, 2)
				row.Revision = 2
				return o.batch(
					store.JobBatch{ID: b.ID, Persist: job.Persist{Row: row, Tasks: []job.TaskRow{Outcome(1, task.Failed, 2)}}, Outputs: []store.Output{bulk(1)}},
					store.JobBatch{ID: other.ID, Persist: job.Persist{Released: []uint32{1}}})
			}
			for range 2 { // while its id is known, and when it is forgotten
				batch := late()
				for _, again := range []bool{false, true} {
					result := r.commit(batch)[0]
					if result.Err != nil || result.Again != again || len(result.Purged) != 1 || result.Purged[0] != b.ID {
						r.Errorf("result %+v, want job 1 left out", result)
					}
				}
				r.gone(b)
				r.pass(sweeper, monthly(noon.Add(4*month)), nil)
			}
			if rec, err := r.LoadJob(r.Context(), other.ID); err != nil || len(rec.Released) != 1 {
				r.Errorf("the other job has %v released, %v", rec.Released, err)
			}
		}},
	}
}
