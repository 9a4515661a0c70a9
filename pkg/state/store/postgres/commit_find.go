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

// found is what the first round trip of a commit has locked and read: all that
// the verdict on its batches depends on.
type found struct {
	generation uint64
	minReader  int64
	horizon    time.Time
	claims     map[job.ShardID]claimed
	taken      map[job.ID]holder      // ids that exist, of those that the batches create or miss
	jobs       map[job.ID]job.ShardID // jobs that the batches change
	pieces     map[piece][]byte       // of releases that the batches add to
}

// piece is one of a job's bitmap of releases.
type piece struct {
	job job.ID
	n   uint32
}

// asked are the keys of found.
type asked struct {
	pools  []string
	shards []int32
	taken  []pgtype.UUID
	jobs   []pgtype.UUID
	pieces []int32 // of any of jobs
}

func (c *commit) asks(order []int) (a asked) {
	pieces := map[int32]bool{}
	for n, i := range order {
		b := &c.batches[i]
		if n == 0 || c.batches[order[n-1]].Shard != b.Shard {
			a.pools, a.shards = append(a.pools, b.Shard.Pool), append(a.shards, int32(b.Shard.N))
		}
		for j := range b.Jobs {
			if b.Jobs[j].Create != nil {
				a.taken = append(a.taken, uuid(b.Jobs[j].ID))
				continue
			}
			a.jobs = append(a.jobs, uuid(b.Jobs[j].ID))
			for _, ordinal := range b.Jobs[j].Persist.Released {
				if n := int32(ordinal / codec.Piece); !pieces[n] {
					pieces[n] = true
					a.pieces = append(a.pieces, n)
				}
			}
		}
	}
	return a
}

// find begins the transaction: it locks the rows of the shards, in their order,
// and reads the rest after that.
func (t *tx) find(ctx context.Context, c *commit, order []int, schema int64) (*found, error) {
	a := c.asks(order)
	f := &found{claims: map[job.ShardID]claimed{}, taken: map[job.ID]holder{}, jobs: map[job.ID]job.ShardID{}, pieces: map[piece][]byte{}}
	group := begin()
	var shard job.ShardID
	var claim claimed
	group.Queue(`SELECT pool, shard, generation, n, batch FROM unnest($1::text[], $2::int[]) AS asked (pool, shard) JOIN shards USING (pool, shard)
		ORDER BY pool, shard FOR UPDATE OF shards`, a.pools, a.shards).
		Query(each([]any{&shard.Pool, &shard.N, &claim.epoch.Generation, &claim.epoch.N, &claim.batch}, func() error {
			f.claims[shard] = claim
			return nil
		}))
	if len(a.taken) > 0 {
		f.queueHolders(group, a.taken)
	}
	if len(a.jobs) > 0 {
		f.queueJobs(group, a.jobs)
	}
	if len(a.pieces) > 0 {
		var id pgtype.UUID
		var n uint32
		var bits []byte
		group.Queue("SELECT job, piece, bits FROM releases WHERE job = ANY($1) AND piece = ANY($2)", a.jobs, a.pieces).
			Query(each([]any{&id, &n, &bits}, func() error {
				f.pieces[piece{id.Bytes, n}] = bits
				return nil
			}))
	}
	f.queueMeta(group)
	if err := t.send(ctx, group); err != nil {
		return nil, err
	}
	if err := checkReader(f.minReader, schema); err != nil {
		return nil, err
	}
	return f, t.findMissing(ctx, f, a)
}

// findMissing reads what is known of jobs that are not there, and that the commit
// does not create: rarely any. It comes after the jobs, as what takes a job away
// does.
func (t *tx) findMissing(ctx context.Context, f *found, a asked) error {
	created := map[job.ID]bool{}
	for _, id := range a.taken {
		created[id.Bytes] = true
	}
	var missing []pgtype.UUID
	for _, id := range a.jobs {
		if _, there := f.jobs[id.Bytes]; !there && !created[id.Bytes] {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	group := &pgx.Batch{}
	f.queueHolders(group, missing)
	f.queueMeta(group)
	return t.send(ctx, group)
}

// queueMeta reads the row of the store. It comes after the ids: they give way to
// the horizon in one transaction.
func (f *found) queueMeta(group *pgx.Batch) {
	var there bool
	group.Queue("SELECT generation, min_reader, horizon FROM meta").QueryRow(func(row pgx.Row) error {
		var horizon int64
		err := one(&there, &f.generation, &f.minReader, &horizon)(row)
		f.horizon = codec.FromNanos(horizon)
		return err
	})
}

// queueJobs reads which of the jobs there are. One that is done could be removed
// before the commit ends, so it is locked; one that lives nobody removes.
func (f *found) queueJobs(group *pgx.Batch, jobs []pgtype.UUID) {
	var id pgtype.UUID
	var in job.ShardID
	for _, text := range []string{
		"SELECT id, pool, shard FROM jobs WHERE id = ANY($1) AND live",
		"SELECT id, pool, shard FROM jobs WHERE id = ANY($1) AND NOT live FOR KEY SHARE",
	} {
		group.Queue(text, jobs).Query(each([]any{&id, &in.Pool, &in.N}, func() error {
			f.jobs[id.Bytes] = in
			return nil
		}))
	}
}

// verdict compares a batch with the row of its shard. again: it was applied
// before. An error is one on the batch.
func (f *found) verdict(b *store.Batch) (again bool, err error) {
	c := f.claims[b.Shard]
	switch {
	case c.epoch != b.Epoch || b.Epoch.Generation != f.generation || b.Epoch == job.Epoch{}:
		return false, fmt.Errorf("batch %d of shard %s came under claim %d of generation %d, the store is at claim %d of generation %d: %w",
			b.Number, b.Shard, b.Epoch.N, b.Epoch.Generation, c.epoch.N, f.generation, store.ErrFenced)
	case b.Number == 0 || b.Number > c.batch+1:
		return false, fmt.Errorf("batch %d of shard %s comes after batch %d: %w: numbers have no gaps", b.Number, b.Shard, c.batch, store.ErrBatch)
	}
	return b.Number <= c.batch, nil
}

func uuid(id job.ID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }
