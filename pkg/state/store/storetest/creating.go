package storetest

import (
	"crypto/sha256"
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func creating() []test {
	return []test{
		{"a job that was accepted can be read", func(r *rig) {
			b := r.newJob(id(1), "standard", 3)
			r.claim(shard(), "s1").commit(b)

			got, err := r.GetJob(r.Context(), id(1))
			if err != nil {
				r.Fatal(err)
			}
			r.same("identity", got.Identity, store.Identity{ID: id(1), Shard: shard(), Digest: b.Create.Digest})
			r.same("spec", got.Spec, b.Create.Spec)
			r.same("row", got.Row, *b.Persist.Row)
		}},
		{"the same job again is told from another body by its digest", func(r *rig) {
			o := r.claim(shard(), "s1")
			first := r.newJob(id(1), "standard", 3)
			o.commit(first)

			same := r.newJob(id(1), "standard", 3)
			other := r.newJob(id(1), "standard", 5)
			other.Create.Digest = sha256.Sum256([]byte("another body"))
			for _, again := range []store.JobBatch{same, other} {
				existing := o.commit(again).Existing
				if len(existing) != 1 || existing[0].ID != id(1) || existing[0].Digest != first.Create.Digest || existing[0].Shard != shard() {
					r.Errorf("existing is %+v, want the job that was accepted first", existing)
				}
				if len(existing) == 1 && !errors.Is(existing[0], store.ErrExists) {
					r.Errorf("%v is no ErrExists", existing[0])
				}
			}
			record, err := r.LoadJob(r.Context(), id(1))
			if err != nil || record.Targets.Len() != 3 {
				r.Errorf("the job has changed: %v, %v", record.Targets, err)
			}
		}},
		{"an id is unique across pools and nothing of the second job is written", func(r *rig) {
			critical := job.ShardID{Pool: "critical", N: 1}
			first, second := r.claim(shard(), "s1"), r.claim(critical, "s2")
			first.commit(r.newJob(id(1), "standard", 3))

			taken, fresh := r.newJob(id(1), "critical", 3), r.newJob(id(2), "critical", 3)
			taken.Persist.Released = []uint32{0, 1}
			taken.Outputs = []store.Output{{Digest: [32]byte{1}, Content: []byte("x")}}
			result := second.commit(taken, fresh)
			if len(result.Existing) != 1 || result.Existing[0].Shard != shard() {
				r.Errorf("existing is %+v, want the job in pool standard", result.Existing)
			}
			record, err := r.LoadJob(r.Context(), id(1))
			if err != nil || len(record.Released) != 0 {
				r.Errorf("released are %v, %v, want none", record.Released, err)
			}
			if _, err := r.Output(r.Context(), id(1), [32]byte{1}); !errors.Is(err, store.ErrNotFound) {
				r.Errorf("the output of the second job: %v, want ErrNotFound", err)
			}
			if at, err := r.LocateJob(r.Context(), id(2)); err != nil || at.Shard != critical {
				r.Errorf("the other job of the batch is in %v, %v, want %v", at.Shard, err, critical)
			}
		}},
		{"of two that create one id at once the first wins", func(r *rig) {
			a, b := r.claim(job.ShardID{Pool: "a"}, "s1"), r.claim(job.ShardID{Pool: "b"}, "s2")
			results := r.commit(a.batch(r.newJob(id(1), "a", 1)), b.batch(r.newJob(id(1), "b", 1)))
			if len(results[0].Existing)+len(results[1].Existing) != 1 {
				r.Errorf("existing are %+v and %+v, want one in all", results[0].Existing, results[1].Existing)
			}
		}},
		{"a job that is not there is not found", func(r *rig) {
			_, get := r.GetJob(r.Context(), id(9))
			_, load := r.LoadJob(r.Context(), id(9))
			_, locate := r.LocateJob(r.Context(), id(9))
			_, output := r.Output(r.Context(), id(9), [32]byte{})
			for what, err := range map[string]error{"get": get, "load": load, "locate": locate, "output": output} {
				if !errors.Is(err, store.ErrNotFound) {
					r.Errorf("%s: %v, want ErrNotFound", what, err)
				}
			}
			if rows, err := r.Tasks(r.Context(), id(9), store.TaskQuery{}); err != nil || len(rows) != 0 {
				r.Errorf("tasks: %v, %v, want none", rows, err)
			}
		}},
		{"an empty capsule and a buffer that is used again do no harm", func(r *rig) {
			b := r.newJob(id(1), "standard", 1)
			b.Create.Capsule = nil
			second := r.newJob(id(2), "standard", 1)
			r.claim(shard(), "s1").commit(b, second)
			clear(second.Create.Capsule)
			second.Create.Spec.Rollout.PauseAfter[0] = 99
			got, err := r.LoadJob(r.Context(), id(2))
			if err != nil || string(got.Capsule) != "capsule of "+id(2).String() || got.Spec.Rollout.PauseAfter[0] != 1 {
				r.Errorf("got %q, %v, %v, want what was committed", got.Capsule, got.Spec.Rollout.PauseAfter, err)
			}
		}},
	}
}
