package cctest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// StoreAway makes the job store unreachable for all.
func (c *Cluster) StoreAway() { c.storeAway.Store(true) }

// StoreBack makes the job store reachable again.
func (c *Cluster) StoreBack() { c.storeAway.Store(false) }

// Backup keeps what the store holds now; what it returns restores that under the
// schedulers that run, and raises the generation, as an operator does.
func (c *Cluster) Backup() (restore func()) {
	put := c.store.Backup()
	return func() {
		c.t.Helper()
		put()
		_, err := c.store.RaiseGeneration(c.ctx)
		must(c.t, err)
	}
}

// gatedStore is the store as one scheduler process sees it. After the death of
// the process, and while the store is away, nothing gets through.
type gatedStore struct {
	store.Store
	gate   *gate
	away   *atomic.Bool
	tamper *func(*store.Record) // what somebody who has the store makes of a job; nil: nobody has
}

var errStoreAway = errors.New("the test has taken it away")

func (s gatedStore) check() error {
	if s.gate.check() != nil {
		return fmt.Errorf("the process is dead: %w", store.ErrUnavailable)
	}
	if s.away.Load() {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, errStoreAway)
	}
	return nil
}

func (s gatedStore) Claim(ctx context.Context, shard job.ShardID, owner string) (job.Epoch, error) {
	if err := s.check(); err != nil {
		return job.Epoch{}, err
	}
	return s.Store.Claim(ctx, shard, owner)
}

func (s gatedStore) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Store.Commit(ctx, batches)
}

func (s gatedStore) Sweep(ctx context.Context, sw store.Sweep) (store.Swept, error) {
	if err := s.check(); err != nil {
		return store.Swept{}, err
	}
	return s.Store.Sweep(ctx, sw)
}

func (s gatedStore) LoadShard(ctx context.Context, shard job.ShardID) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range gated(s, s.Store.LoadShard(ctx, shard)) {
			if tamper := *s.tamper; tamper != nil && err == nil {
				tamper(&r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// gated is a sequence that has only an error while nothing gets through.
func gated[T any](s gatedStore, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	if err := s.check(); err != nil {
		return func(yield func(T, error) bool) {
			var none T
			yield(none, err)
		}
	}
	return all
}

func (s gatedStore) GetJob(ctx context.Context, id job.ID) (store.Job, error) {
	if err := s.check(); err != nil {
		return store.Job{}, err
	}
	return s.Store.GetJob(ctx, id)
}

func (s gatedStore) LoadJob(ctx context.Context, id job.ID) (store.Record, error) {
	if err := s.check(); err != nil {
		return store.Record{}, err
	}
	return s.Store.LoadJob(ctx, id)
}

func (s gatedStore) LocateJob(ctx context.Context, id job.ID) (store.Identity, error) {
	if err := s.check(); err != nil {
		return store.Identity{}, err
	}
	return s.Store.LocateJob(ctx, id)
}

func (s gatedStore) ListJobs(ctx context.Context, query store.JobQuery) ([]store.Job, string, error) {
	if err := s.check(); err != nil {
		return nil, "", err
	}
	return s.Store.ListJobs(ctx, query)
}

func (s gatedStore) Tasks(ctx context.Context, id job.ID, query store.TaskQuery) ([]job.TaskRow, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Store.Tasks(ctx, id, query)
}

func (s gatedStore) TasksSince(ctx context.Context, id job.ID, revision uint64) iter.Seq2[job.TaskRow, error] {
	return gated(s, s.Store.TasksSince(ctx, id, revision))
}

func (s gatedStore) Output(ctx context.Context, id job.ID, digest [32]byte) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Store.Output(ctx, id, digest)
}

func (s gatedStore) Hosts(ctx context.Context, revision uint64) iter.Seq2[fleet.Host, error] {
	return gated(s, s.Store.Hosts(ctx, revision))
}
