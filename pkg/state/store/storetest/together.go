package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func together() []test {
	return []test{
		{"of many who claim at once each has an epoch of his own, and the last can write", func(r *rig) {
			const owners = 8
			epochs := make(chan job.Epoch, owners)
			var group sync.WaitGroup
			for range owners {
				s := r.open()
				group.Go(func() {
					epoch, err := s.Claim(r.Context(), shard(), "one of many")
					if err != nil {
						r.Error(err)
					}
					epochs <- epoch
				})
			}
			group.Wait()
			close(epochs)
			seen, last := map[job.Epoch]bool{}, job.Epoch{}
			for epoch := range epochs {
				if seen[epoch] {
					r.Errorf("epoch %v was given twice", epoch)
				}
				seen[epoch] = true
				if epoch.Compare(last) > 0 {
					last = epoch
				}
			}
			for epoch := range seen {
				err := r.commit(store.Batch{Shard: shard(), Epoch: epoch, Number: 1})[0].Err
				if (err == nil) != (epoch == last) {
					r.Errorf("epoch %v of at most %v: %v", epoch, last, err)
				}
			}
		}},
		{"owners of different shards commit at once and lose nothing", func(r *rig) {
			const owners, each = 4, 15
			var group sync.WaitGroup
			for n := range owners {
				mine := &rig{T: r.T, Store: r.open(), open: r.open}
				group.Go(func() {
					s := job.ShardID{Pool: "standard", N: uint16(n)}
					epoch, err := mine.Claim(r.Context(), s, "owner")
					for i := 0; err == nil && i < each; i++ {
						var results []store.Result
						results, err = mine.Commit(r.Context(), []store.Batch{{
							Shard: s, Epoch: epoch, Number: uint64(i + 1), Jobs: []store.JobBatch{mine.newJob(id(n*100+i), "standard", 10)},
						}})
						if err == nil {
							err = results[0].Err
						}
					}
					if err != nil {
						r.Error(err)
					}
				})
			}
			for range 20 { // readers do not disturb, and are not disturbed
				if _, _, err := r.ListJobs(r.Context(), store.JobQuery{}); err != nil {
					r.Error(err)
				}
			}
			group.Wait()
			for n := range owners {
				s := job.ShardID{Pool: "standard", N: uint16(n)}
				if got := len(all(r, r.LoadShard(r.Context(), s))); got != each {
					r.Errorf("shard %v has %d jobs, want %d", s, got, each)
				}
			}
		}},
		{"what one commits the other sees at once", func(r *rig) {
			other := r.open()
			o := r.claim(shard(), "s1")
			for n := range 20 {
				o.commit(r.newJob(id(n), "standard", 1))
				if _, err := other.GetJob(r.Context(), id(n)); err != nil {
					r.Errorf("job %d: %v", n, err)
				}
			}
		}},
		{"who has given up waiting is not served", func(r *rig) {
			o := r.claim(shard(), "s1")
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			if _, err := r.Commit(ctx, []store.Batch{o.batch(r.newJob(id(1), "standard", 1))}); !errors.Is(err, context.Canceled) {
				r.Errorf("commit: %v, want it canceled", err)
			}
			if _, err := r.Claim(ctx, shard(), "s2"); !errors.Is(err, context.Canceled) {
				r.Errorf("claim: %v, want it canceled", err)
			}
			if _, err := r.GetJob(ctx, id(1)); !errors.Is(err, context.Canceled) {
				r.Errorf("get: %v, want it canceled", err)
			}
			o.last--
			o.commit(r.newJob(id(1), "standard", 1))
		}},
		{"an empty commit is nothing", func(r *rig) {
			if results, err := r.Commit(r.Context(), nil); err != nil || len(results) != 0 {
				r.Errorf("%v, %v", results, err)
			}
		}},
	}
}
