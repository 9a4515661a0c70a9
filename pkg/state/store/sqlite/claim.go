package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// pastClaims is how many superseded claims of a shard answer Fate. An owner
// asks within seconds of its commit; sixteen take-overs later nobody does.
const pastClaims = 16

// Claim mints the next epoch of a shard.
func (s *Store) Claim(ctx context.Context, shard job.ShardID, owner string) (job.Epoch, error) {
	var epoch job.Epoch
	err := s.writer.write(ctx, "claim shard "+shard.String(), func(ctx context.Context, t *tx) error {
		var err error
		if epoch.Generation, err = t.generation(ctx); err != nil {
			return err
		}
		before, err := t.claim(ctx, shard)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		epoch.N = before.epoch.N + 1
		planted.Do("a claim does not raise the epoch", func() { epoch.N = max(before.epoch.N, 1) })
		if err := t.archive(ctx, shard, epoch.N); err != nil {
			return err
		}
		return t.exec(ctx, `INSERT INTO shards (pool, shard, generation, n, owner, batch) VALUES (?, ?, ?, ?, ?, 0)
			ON CONFLICT DO UPDATE SET generation = excluded.generation, n = excluded.n, owner = excluded.owner, batch = 0`,
			shard.Pool, shard.N, epoch.Generation, epoch.N, owner)
	})
	if err != nil {
		return job.Epoch{}, err
	}
	return epoch, nil
}

// archive keeps the claim that is about to be superseded by claim n.
func (t *tx) archive(ctx context.Context, shard job.ShardID, n uint64) error {
	if err := t.exec(ctx, `INSERT OR REPLACE INTO past_claims (pool, shard, generation, n, owner, batch)
		SELECT pool, shard, generation, n, owner, batch FROM shards WHERE pool = ? AND shard = ?`, shard.Pool, shard.N); err != nil {
		return err
	}
	return t.exec(ctx, "DELETE FROM past_claims WHERE pool = ? AND shard = ? AND n + ? < ?", shard.Pool, shard.N, pastClaims, n)
}

// RaiseGeneration fences every owner.
func (s *Store) RaiseGeneration(ctx context.Context) (uint64, error) {
	var generation uint64
	err := s.writer.write(ctx, "raise the generation", func(ctx context.Context, t *tx) error {
		if err := t.exec(ctx, "UPDATE meta SET generation = generation + 1 WHERE id = 1"); err != nil {
			return err
		}
		var err error
		generation, err = t.generation(ctx)
		return err
	})
	return generation, err
}

// Fate reads back whether a batch was applied.
func (s *Store) Fate(ctx context.Context, shard job.ShardID, epoch job.Epoch, number uint64) (bool, error) {
	const query = `SELECT batch FROM shards WHERE pool = ?1 AND shard = ?2 AND generation = ?3 AND n = ?4
		UNION ALL SELECT batch FROM past_claims WHERE pool = ?1 AND shard = ?2 AND generation = ?3 AND n = ?4`
	st, err := s.read(ctx, query)
	if err != nil {
		return false, err
	}
	var last uint64
	err = st.QueryRowContext(ctx, shard.Pool, shard.N, epoch.Generation, epoch.N).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("cannot tell the fate of batch %d of shard %s: claim %d of generation %d: %w",
			number, shard, epoch.N, epoch.Generation, store.ErrNotFound)
	}
	if err != nil {
		return false, failure("tell the fate of a batch", err)
	}
	return number <= last, nil
}

// claimed is the row of a shard.
type claimed struct {
	epoch job.Epoch
	batch uint64 // the number that was applied last
}

// claim reads the row of a shard, which the transaction has locked; sql.ErrNoRows
// if nobody ever claimed it.
func (t *tx) claim(ctx context.Context, shard job.ShardID) (c claimed, err error) {
	err = t.row(ctx, "SELECT generation, n, batch FROM shards WHERE pool = ? AND shard = ?", []any{shard.Pool, shard.N},
		&c.epoch.Generation, &c.epoch.N, &c.batch)
	return c, err
}

// generation reads the row of the store, and notes the horizon, which is in it.
func (t *tx) generation(ctx context.Context) (g uint64, err error) {
	var horizon int64
	err = t.row(ctx, "SELECT generation, horizon FROM meta WHERE id = 1", nil, &g, &horizon)
	t.horizon = codec.FromNanos(horizon)
	return g, err
}
