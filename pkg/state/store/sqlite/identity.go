package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// met is what stood in the way of a part of a batch.
type met struct {
	existing *store.ExistsError
	purged   bool
}

// note adds it to the result of the batch.
func (m met) note(r *store.Result, id job.ID) {
	switch {
	case m.existing != nil:
		r.Existing = append(r.Existing, m.existing)
	case m.purged:
		r.Purged = append(r.Purged, id)
	}
}

// metAgain is what a batch that was applied before meets now.
func (t *tx) metAgain(ctx context.Context, by writtenBy, b *store.JobBatch) (m met, err error) {
	if b.Create != nil {
		if m.existing, err = t.existing(ctx, b.ID, by); m.existing != nil || err != nil {
			return m, err
		}
	}
	m.purged, err = t.purged(ctx, b.ID)
	return m, err
}

// existing returns who holds an id; nil if nobody does, or if the batch named
// by except made it.
func (t *tx) existing(ctx context.Context, id job.ID, except writtenBy) (*store.ExistsError, error) {
	found := &store.ExistsError{Identity: store.Identity{ID: id}}
	var digest []byte
	var removed int64
	var by writtenBy
	err := t.row(ctx, "SELECT pool, shard, digest, removed, by_generation, by_n, by_batch FROM ids WHERE id = ?", []any{id[:]},
		&found.Shard.Pool, &found.Shard.N, &digest, &removed, &by.epoch.Generation, &by.epoch.N, &by.number)
	switch {
	case errors.Is(err, sql.ErrNoRows) && store.Beyond(id, t.horizon):
		return found, nil
	case errors.Is(err, sql.ErrNoRows) || err == nil && by == except:
		return nil, nil
	case err != nil:
		return nil, err
	}
	copy(found.Digest[:], digest)
	found.Removed = codec.FromNanos(removed)
	return found, nil
}

// purged reports whether retention has removed a job.
func (t *tx) purged(ctx context.Context, id job.ID) (bool, error) {
	var removed int64
	err := t.row(ctx, "SELECT removed FROM ids WHERE id = ?", []any{id[:]}, &removed)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Beyond(id, t.horizon), nil
	}
	return removed != 0, err
}

// LocateJob tells where an id is.
func (s *Store) LocateJob(ctx context.Context, id job.ID) (store.Identity, error) {
	found, err := s.now().identity(ctx, id)
	if err != nil {
		return store.Identity{}, s.jobFailure(ctx, id, err)
	}
	return found, nil
}

func (s *snapshot) identity(ctx context.Context, id job.ID) (store.Identity, error) {
	found := store.Identity{ID: id}
	var digest []byte
	var removed int64
	err := s.row(ctx, "SELECT pool, shard, digest, removed FROM ids WHERE id = ?", []any{id[:]}, &found.Shard.Pool, &found.Shard.N, &digest, &removed)
	copy(found.Digest[:], digest)
	found.Removed = codec.FromNanos(removed)
	return found, err
}

func (s *snapshot) horizon(ctx context.Context) (time.Time, error) {
	var horizon int64
	err := s.row(ctx, "SELECT horizon FROM meta WHERE id = 1", nil, &horizon)
	return codec.FromNanos(horizon), err
}

// missing says why a job is not there. The id is looked for before the horizon:
// they change places in one transaction.
func (s *Store) missing(ctx context.Context, id job.ID) error {
	known, err := s.now().identity(ctx, id)
	if err == nil {
		return missingJob(known, !known.Removed.IsZero())
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return failure("read job "+id.String(), err)
	}
	horizon, err := s.now().horizon(ctx)
	if err != nil {
		return failure("read the horizon", err)
	}
	return missingJob(store.Identity{ID: id}, store.Beyond(id, horizon))
}

func missingJob(known store.Identity, purged bool) error {
	if purged {
		return &store.PurgedError{Identity: known}
	}
	return fmt.Errorf("job %s: %w", known.ID, store.ErrNotFound)
}
