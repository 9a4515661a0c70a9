package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// Commit applies the batches in one transaction, in the order of their shards.
// A batch that proves impossible half way takes the transaction with it; it is
// then marked and the rest is done again: that is rare, while a savepoint would
// cost every batch of every commit.
func (s *Store) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	results := make([]store.Result, len(batches))
	encoded := make([]codec.Batch, len(batches))
	for i := range batches {
		encoded[i], results[i].Err = s.codec.Batch(&batches[i])
	}
	order := inOrder(batches)
	for {
		impossible := -1
		err := s.writer.write(ctx, "commit", func(ctx context.Context, t *tx) error {
			for _, i := range order {
				if errors.Is(results[i].Err, store.ErrBatch) {
					continue
				}
				var err error
				if results[i], err = t.apply(ctx, &batches[i], &encoded[i]); err != nil {
					if isImpossible(err) {
						impossible = i
					}
					return err
				}
			}
			return nil
		})
		if err == nil {
			return results, nil
		}
		if impossible < 0 {
			return nil, err
		}
		b := &batches[impossible]
		results[impossible] = store.Result{Err: fmt.Errorf("batch %d of shard %s: %w: %w", b.Number, b.Shard, store.ErrBatch, err)}
	}
}

// inOrder returns the indices of the batches by shard, and the batches of one
// shard by number: every process locks rows in the same order.
func inOrder(batches []store.Batch) []int {
	order := make([]int, len(batches))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := &batches[a], &batches[b]
		return cmp.Or(cmp.Compare(x.Shard.Pool, y.Shard.Pool), cmp.Compare(x.Shard.N, y.Shard.N), cmp.Compare(x.Number, y.Number))
	})
	return order
}

// apply checks the claim and writes one batch. A result with an error means
// that nothing was written; an error ends the transaction.
func (t *tx) apply(ctx context.Context, b *store.Batch, e *codec.Batch) (r store.Result, err error) {
	again, refused, err := t.check(ctx, b)
	if err != nil || refused != nil {
		return store.Result{Err: refused}, err
	}
	by := writtenBy{b.Epoch, b.Number}
	for i := range b.Jobs {
		jb := &b.Jobs[i]
		var met met
		if again {
			met, err = t.metAgain(ctx, by, jb)
		} else {
			met, err = t.applyJob(ctx, b.Shard, by, jb, &e.Jobs[i])
		}
		if err != nil {
			return r, err
		}
		met.note(&r, jb.ID)
	}
	if again {
		r.Again = true
		return r, nil
	}
	if r.HostRevision, err = t.applyHosts(ctx, e.Hosts); err != nil {
		return r, err
	}
	return r, t.exec(ctx, "UPDATE shards SET batch = ? WHERE pool = ? AND shard = ?", b.Number, b.Shard.Pool, b.Shard.N)
}

// check compares the batch with the row of its shard. refused is the verdict
// on the batch; err is a failure of the store.
func (t *tx) check(ctx context.Context, b *store.Batch) (again bool, refused, err error) {
	generation, err := t.generation(ctx)
	if err != nil {
		return false, nil, err
	}
	c, err := t.claim(ctx, b.Shard)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, nil, err
	}
	switch {
	case (c.epoch != b.Epoch || b.Epoch.Generation != generation || b.Epoch == job.Epoch{}) && !planted.Bug("stale epoch accepted"):
		return false, fmt.Errorf("batch %d of shard %s came under claim %d of generation %d, the store is at claim %d of generation %d: %w",
			b.Number, b.Shard, b.Epoch.N, b.Epoch.Generation, c.epoch.N, generation, store.ErrFenced), nil
	case b.Number == 0 || b.Number > c.batch+1:
		return false, fmt.Errorf("batch %d of shard %s comes after batch %d: %w: numbers have no gaps", b.Number, b.Shard, c.batch, store.ErrBatch), nil
	}
	return b.Number <= c.batch && !planted.Bug("a batch said again counts as new"), nil, nil
}
