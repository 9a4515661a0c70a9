package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// maxTries is how often a commit is tried that others keep colliding with. Each
// collision is with one that succeeded, so it is rarely more than one.
const maxTries = 10

// commit is a call of Commit: what is tried, perhaps more than once.
type commit struct {
	batches []store.Batch
	encoded []codec.Batch
	order   []int // by shard and number
	days    []day // of the jobs
	results []store.Result
}

// Commit applies the batches in one transaction, in the order of their shards.
func (s *Store) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	c := &commit{batches: batches, encoded: make([]codec.Batch, len(batches)), order: inOrder(batches), results: make([]store.Result, len(batches))}
	for i := range batches {
		c.encoded[i], c.results[i].Err = s.codec.Batch(&batches[i])
		for _, b := range batches[i].Jobs {
			c.days = append(c.days, dayOf(b.ID.Time()))
		}
	}
	for try := 1; ; try++ {
		err := s.attempt(ctx, c, c.order, true)
		switch {
		case err == nil:
			return c.results, nil
		case try == maxTries || ctx.Err() != nil:
			return nil, failure(ctx, "commit", err)
		case isCollision(err):
		case lacksPartition(err): // it was dropped after it had been seen
			s.days.forget()
		case isImpossible(err):
			if err := s.blame(ctx, c); err != nil {
				return nil, failure(ctx, "commit", err)
			}
		default:
			return nil, failure(ctx, "commit", err)
		}
	}
}

// blame finds the batch that cannot be applied: it is the last of the shortest
// row of batches, from the first on, that cannot. Nothing of it is committed.
// That is slow, and rare: what can be told from a batch alone was told before.
func (s *Store) blame(ctx context.Context, c *commit) error {
	for n := range c.order {
		err := s.attempt(ctx, c, c.order[:n+1], false)
		if isImpossible(err) && !isCollision(err) && !lacksPartition(err) {
			i := c.order[n]
			b := &c.batches[i]
			c.results[i] = store.Result{Err: fmt.Errorf("batch %d of shard %s: %w: %w", b.Number, b.Shard, store.ErrBatch, err)}
			return nil
		}
		if err != nil && !isCollision(err) && !lacksPartition(err) {
			return err
		}
	}
	return nil // it has passed: the next try tells
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

// attempt runs the transaction once, of the batches in order. It keeps their
// results, and the writes if keep is set.
func (s *Store) attempt(ctx context.Context, c *commit, order []int, keep bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.days.ensure(ctx, s.writers, time.Now(), slices.Clone(c.days)); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		f, err := t.find(ctx, c, order, s.schema)
		if err != nil {
			return err
		}
		w := newWrites(f)
		for _, i := range order {
			if !errors.Is(c.results[i].Err, store.ErrBatch) {
				c.results[i] = w.apply(i, &c.batches[i], &c.encoded[i])
			}
		}
		group := w.group(c.results)
		if group == nil {
			return nil
		}
		if !keep {
			return t.send(ctx, group)
		}
		return t.commit(ctx, group)
	})
}
