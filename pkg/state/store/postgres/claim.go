package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// pastClaims is how many superseded claims of a shard answer Fate. An owner
// asks within seconds of its commit; sixteen take-overs later nobody does.
const pastClaims = 16

// claimed is the row of a shard.
type claimed struct {
	epoch job.Epoch
	batch uint64 // the number that was applied last
}

// Claim mints the next epoch of a shard.
func (s *Store) Claim(ctx context.Context, shard job.ShardID, owner string) (epoch job.Epoch, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		group := begin()
		group.Queue("INSERT INTO shards (pool, shard, generation, n, owner, batch) VALUES ($1, $2, 0, 0, '', 0) ON CONFLICT DO NOTHING", shard.Pool, int32(shard.N))
		var before claimed
		var found bool
		group.Queue("SELECT generation, n, batch FROM shards WHERE pool = $1 AND shard = $2 FOR UPDATE", shard.Pool, int32(shard.N)).
			QueryRow(one(&found, &before.epoch.Generation, &before.epoch.N, &before.batch))
		group.Queue("SELECT generation FROM meta").QueryRow(one(&found, &epoch.Generation))
		if err := s.evicting(ctx, t, func() error { return t.send(ctx, group) }); err != nil {
			return err
		}
		epoch.N = before.epoch.N + 1
		group = &pgx.Batch{}
		if before.epoch != (job.Epoch{}) {
			group.Queue(`INSERT INTO past_claims SELECT * FROM shards WHERE pool = $1 AND shard = $2`, shard.Pool, int32(shard.N))
			group.Queue("DELETE FROM past_claims WHERE pool = $1 AND shard = $2 AND n + $3 < $4", shard.Pool, int32(shard.N), int64(pastClaims), int64(epoch.N))
		}
		group.Queue("UPDATE shards SET generation = $3, n = $4, owner = $5, batch = 0 WHERE pool = $1 AND shard = $2",
			shard.Pool, int32(shard.N), int64(epoch.Generation), int64(epoch.N), owner)
		return t.commit(ctx, group)
	})
	if err != nil {
		return job.Epoch{}, failure(ctx, "claim shard "+shard.String(), err)
	}
	return epoch, nil
}

// RaiseGeneration fences every owner. It waits for the commits that are under
// way; whoever locks a shard after it reads the new generation.
func (s *Store) RaiseGeneration(ctx context.Context) (generation uint64, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		group := begin()
		group.Queue("SELECT FROM shards ORDER BY pool, shard FOR UPDATE")
		if err := s.evicting(ctx, t, func() error { return t.send(ctx, group) }); err != nil {
			return err
		}
		group = &pgx.Batch{}
		var found bool
		group.Queue("UPDATE meta SET generation = generation + 1 RETURNING generation").QueryRow(one(&found, &generation))
		return t.commit(ctx, group)
	})
	return generation, failure(ctx, "raise the generation", err)
}

// Fate reads back whether a batch was applied. It waits until the shard's row is
// not locked: what has sent its COMMIT, and has lost only the answer, is seen.
func (s *Store) Fate(ctx context.Context, shard job.ShardID, epoch job.Epoch, number uint64) (bool, error) {
	var last uint64
	var found, past bool
	what := fmt.Sprintf("tell the fate of batch %d of shard %s", number, shard)
	err := s.write(ctx, func(ctx context.Context, t *tx) error {
		key := []any{shard.Pool, int32(shard.N), int64(epoch.Generation), int64(epoch.N)}
		const ofClaim = " WHERE pool = $1 AND shard = $2 AND generation = $3 AND n = $4"
		group := begin()
		group.Queue("SELECT FROM shards WHERE pool = $1 AND shard = $2 FOR SHARE", key[:2]...)
		group.Queue("SELECT batch FROM shards"+ofClaim, key...).QueryRow(one(&found, &last))
		group.Queue("SELECT batch FROM past_claims"+ofClaim, key...).QueryRow(one(&past, &last))
		return s.evicting(ctx, t, func() error { return t.send(ctx, group) })
	})
	if err != nil {
		return false, failure(ctx, what, err)
	}
	if !found && !past {
		return false, fmt.Errorf("cannot %s: claim %d of generation %d: %w", what, epoch.N, epoch.Generation, store.ErrNotFound)
	}
	return number <= last, nil
}
