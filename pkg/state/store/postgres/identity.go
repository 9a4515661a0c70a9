package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// holder is who holds an id, and the batch that made it: the same batch, sent
// again after a lost reply, knows its own jobs from those it met.
type holder struct {
	store.Identity
	by writtenBy
}

type writtenBy struct {
	epoch  job.Epoch
	number uint64
}

// queueHolders reads who holds ids into f.taken.
func (f *found) queueHolders(group *pgx.Batch, ids []pgtype.UUID) {
	var id pgtype.UUID
	var h holder
	var digest []byte
	var removed int64
	group.Queue("SELECT id, pool, shard, digest, removed, by_generation, by_n, by_batch FROM ids WHERE id = ANY($1)", ids).
		Query(each([]any{&id, &h.Shard.Pool, &h.Shard.N, &digest, &removed, &h.by.epoch.Generation, &h.by.epoch.N, &h.by.number}, func() error {
			h.ID, h.Removed = id.Bytes, codec.FromNanos(removed)
			copy(h.Digest[:], digest)
			f.taken[h.ID] = h
			return nil
		}))
}

// existing returns who holds an id; nil if nobody does, or if the batch named by
// except made it.
func (f *found) existing(id job.ID, except writtenBy) *store.ExistsError {
	held, taken := f.taken[id]
	switch {
	case !taken && store.Beyond(id, f.horizon):
		return &store.ExistsError{Identity: store.Identity{ID: id}}
	case !taken || held.by == except:
		return nil
	}
	return &store.ExistsError{Identity: held.Identity}
}

// purged reports whether retention has removed a job.
func (f *found) purged(id job.ID) bool {
	if _, there := f.jobs[id]; there {
		return false
	}
	held, known := f.taken[id]
	return known && !held.Removed.IsZero() || !known && store.Beyond(id, f.horizon)
}

// LocateJob tells where an id is.
func (s *Store) LocateJob(ctx context.Context, id job.ID) (store.Identity, error) {
	at, found, horizon, err := s.identity(ctx, id)
	switch {
	case err != nil:
		return store.Identity{}, s.jobFailure(ctx, id, err)
	case !found:
		return store.Identity{}, missingJob(at, store.Beyond(id, horizon))
	}
	return at, nil
}

// identity reads what is known of an id. The id is looked for before the horizon:
// they change places in one transaction.
func (s *Store) identity(ctx context.Context, id job.ID) (at store.Identity, found bool, horizon time.Time, err error) {
	at.ID = id
	var digest []byte
	var removed, nanos int64
	var there bool
	group := &pgx.Batch{}
	group.Queue("SELECT pool, shard, digest, removed FROM ids WHERE id = $1", uuid(id)).
		QueryRow(one(&found, &at.Shard.Pool, &at.Shard.N, &digest, &removed))
	group.Queue("SELECT horizon FROM meta").QueryRow(one(&there, &nanos))
	err = s.read(ctx, group)
	copy(at.Digest[:], digest)
	at.Removed = codec.FromNanos(removed)
	return at, found, codec.FromNanos(nanos), err
}

// missing says why a job is not there.
func (s *Store) missing(ctx context.Context, id job.ID) error {
	at, found, horizon, err := s.identity(ctx, id)
	if err != nil {
		return failure(ctx, "read job "+id.String(), err)
	}
	return missingJob(at, !at.Removed.IsZero() || !found && store.Beyond(id, horizon))
}

func missingJob(known store.Identity, purged bool) error {
	if purged {
		return &store.PurgedError{Identity: known}
	}
	return fmt.Errorf("job %s: %w", known.ID, store.ErrNotFound)
}
