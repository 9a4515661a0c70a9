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

// Sweep looks for what may go while others write. To remove it, it locks the row
// of the host table, which fences it, and rows of jobs that are done and that no
// commit has locked (SKIP LOCKED): only who writes hosts, or late truth into one
// of those jobs, waits for a step. The last step of a pass drops the partitions of
// a day that is empty.
func (s *Store) Sweep(ctx context.Context, sw store.Sweep) (store.Swept, error) {
	done, err := s.sweep(ctx, &sw)
	if err != nil {
		return store.Swept{}, failure(ctx, "sweep", err)
	}
	return done, nil
}

func (s *Store) sweep(ctx context.Context, sw *store.Sweep) (done store.Swept, err error) {
	bytes, err := s.size.now(ctx, s, sw.From == 0)
	if err != nil {
		return done, err
	}
	found, err := s.removable(ctx, sw, sw.Over(bytes))
	if err != nil {
		return done, err
	}
	b := &broom{Step: store.NewStep(sw), erased: map[day]int64{}}
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		b.tx = t
		if err := b.begin(ctx, s.schema); err != nil {
			return err
		}
		if err := b.Run(ctx, found, b); err != nil {
			return err
		}
		return b.end(ctx)
	})
	if err != nil {
		return done, err
	}
	s.size.shrink(b.erased)
	if b.Done.Next == 0 {
		err = s.dropEmptyDay(ctx, sw)
	}
	b.Done.Bytes = bytes
	return b.Done, err
}

// begin begins the transaction, and is the verdict on who sweeps.
func (b *broom) begin(ctx context.Context, schema int64) error {
	var c claimed
	var claimed bool
	f := &found{}
	host := store.HostTable()
	group := begin()
	group.Queue("SELECT generation, n FROM shards WHERE pool = $1 AND shard = $2 FOR UPDATE", host.Pool, int32(host.N)).
		QueryRow(one(&claimed, &c.epoch.Generation, &c.epoch.N))
	f.queueMeta(group)
	if err := b.send(ctx, group); err != nil {
		return err
	}
	b.Step = store.NewStep(b.Sweep) // its time begins when it holds others up
	b.horizon, b.risen = f.horizon, f.horizon
	if epoch := b.Sweep.Epoch; c.epoch != epoch || epoch.Generation != f.generation || epoch == (job.Epoch{}) {
		return fmt.Errorf("claim %d of generation %d, the store is at claim %d of generation %d: %w",
			epoch.N, epoch.Generation, c.epoch.N, f.generation, store.ErrFenced)
	}
	return checkReader(f.minReader, schema)
}

// removablePage is how many jobs are looked at in one query.
const removablePage = 256

// removable looks for jobs in the order of their acceptance.
func (s *Store) removable(ctx context.Context, sw *store.Sweep, over bool) (found store.Removable, err error) {
	const query = `SELECT jobs.seq, jobs.id, jobs.spec, jobs.row, ids.keep_until FROM jobs JOIN ids ON ids.id = jobs.id
		WHERE jobs.seq > $1 AND NOT jobs.live ORDER BY jobs.seq LIMIT $2`
	found.Looked = sw.From
	var v store.Victim
	var id pgtype.UUID
	var spec, row []byte
	var keepUntil int64
	for rows := removablePage; rows == removablePage && !found.End && len(found.Jobs) < sw.Limit; {
		rows = 0
		group := &pgx.Batch{}
		group.Queue(query, found.Looked, removablePage).Query(each([]any{&v.Seq, &id, &spec, &row, &keepUntil}, func() error {
			rows++
			if found.End = found.End || sw.Young(codec.AcceptedAt(spec), over); found.End {
				return nil
			}
			v.ID, found.Looked = id.Bytes, v.Seq
			if sw.Removes(codec.DoneAt(row, codec.FromNanos(keepUntil)), over) {
				found.Jobs = append(found.Jobs, v)
			}
			return nil
		}))
		if err := s.read(ctx, group); err != nil {
			return found, err
		}
		found.End = found.End || rows < removablePage
	}
	return found, nil
}
