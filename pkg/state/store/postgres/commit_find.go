package postgres

import (
	"context"
	"fmt"

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
	claims     map[job.ShardID]claimed
	taken      map[job.ID]holder      // ids that the batches create, and that exist
	jobs       map[job.ID]job.ShardID // jobs that the batches change
	pieces     map[piece][]byte       // of releases that the batches add to
}

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
	var minReader int64
	var there bool
	group.Queue("SELECT generation, min_reader FROM meta").QueryRow(one(&there, &f.generation, &minReader))
	if len(a.taken) > 0 {
		f.queueTaken(group, a)
	}
	if len(a.jobs) > 0 {
		var id pgtype.UUID
		var in job.ShardID
		group.Queue("SELECT id, pool, shard FROM jobs WHERE id = ANY($1)", a.jobs).Query(each([]any{&id, &in.Pool, &in.N}, func() error {
			f.jobs[id.Bytes] = in
			return nil
		}))
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
	if err := t.send(ctx, group); err != nil {
		return nil, err
	}
	return f, checkReader(minReader, schema)
}

func (f *found) queueTaken(group *pgx.Batch, a asked) {
	var id pgtype.UUID
	var h holder
	var digest []byte
	group.Queue("SELECT id, pool, shard, digest, by_generation, by_n, by_batch FROM ids WHERE id = ANY($1)", a.taken).
		Query(each([]any{&id, &h.Shard.Pool, &h.Shard.N, &digest, &h.by.epoch.Generation, &h.by.epoch.N, &h.by.number}, func() error {
			h.ID = id.Bytes
			copy(h.Digest[:], digest)
			f.taken[h.ID] = h
			return nil
		}))
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
