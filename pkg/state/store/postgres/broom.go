package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// broom is one step of a sweep, within its transaction.
type broom struct {
	*tx
	store.Step
	horizon, risen time.Time     // before the step and after it
	erased         map[day]int64 // bytes, about
}

// chunk is how many rows go between two looks at the clock: a millisecond's work.
const chunk = 100

// Remove takes a job away from whoever asks, if it is still done and no commit
// has locked it, and begins to remove its rows.
func (b *broom) Remove(ctx context.Context, v store.Victim) error {
	group := &pgx.Batch{}
	var gone bool
	group.Queue(`WITH gone AS (DELETE FROM jobs WHERE seq = (SELECT seq FROM jobs WHERE seq = $1 AND id = $2 AND NOT live FOR UPDATE SKIP LOCKED) RETURNING id),
		noted AS (INSERT INTO removals SELECT id FROM gone)
		UPDATE ids SET removed = $3 FROM gone WHERE ids.id = gone.id RETURNING true`, v.Seq, uuid(v.ID), codec.Nanos(b.Sweep.Now)).
		QueryRow(one(&gone, &gone))
	first := queueErase(group, v.ID, min(b.Left()-1, chunk))
	if err := b.send(ctx, group); err != nil || !gone {
		return err
	}
	b.Done.Jobs++
	b.Took(1)
	b.note(v.ID, first)
	return b.erase(ctx, v.ID, first)
}

// Finish goes on with jobs of which some rows are left.
func (b *broom) Finish(ctx context.Context) error {
	for !b.Full() {
		var id pgtype.UUID
		var found bool
		group := &pgx.Batch{}
		group.Queue("SELECT job FROM removals ORDER BY job LIMIT 1").QueryRow(one(&found, &id))
		if err := b.send(ctx, group); err != nil || !found {
			return err
		}
		if err := b.erase(ctx, id.Bytes, &erasure{}); err != nil {
			return err
		}
	}
	return nil
}

// erase removes rows of a job, as many as may go, after what went last.
func (b *broom) erase(ctx context.Context, id job.ID, last *erasure) error {
	for !last.whole && !b.Full() {
		group := &pgx.Batch{}
		last = queueErase(group, id, min(b.Left(), chunk))
		if err := b.send(ctx, group); err != nil {
			return err
		}
		b.note(id, last)
	}
	return nil
}

// note counts what went of a job.
func (b *broom) note(id job.ID, e *erasure) {
	b.Took(e.rows)
	b.erased[dayOf(id.Time())] += e.bytes
}

// ForgetIDs forgets ids, and raises the horizon past them.
func (b *broom) ForgetIDs(ctx context.Context) (more bool, err error) {
	for !b.Full() {
		most := min(b.Left(), chunk)
		var id pgtype.UUID
		n := 0
		group := &pgx.Batch{}
		group.Queue(`DELETE FROM ids WHERE id = ANY(ARRAY(
			SELECT id FROM ids WHERE removed > 0 AND removed <= $1 AND keep_until <= $2 ORDER BY removed LIMIT $3)) RETURNING id`,
			codec.Nanos(b.Sweep.Now.Add(-b.Sweep.IDs)), codec.Nanos(b.Sweep.Now), most).
			Query(each([]any{&id}, func() error {
				b.risen = store.Horizon(b.risen, id.Bytes)
				n++
				return nil
			}))
		if err := b.send(ctx, group); err != nil {
			return false, err
		}
		b.Done.IDs += n
		b.Took(n)
		if n < most {
			return false, nil
		}
	}
	return true, nil
}

// end makes the step durable.
func (b *broom) end(ctx context.Context) error {
	group := &pgx.Batch{}
	if b.risen.After(b.horizon) {
		group.Queue("UPDATE meta SET horizon = $1", codec.Nanos(b.risen))
	}
	for d, bytes := range b.erased {
		group.Queue("INSERT INTO erased VALUES ($1, $2) ON CONFLICT (day) DO UPDATE SET bytes = erased.bytes + excluded.bytes", d.suffix(), bytes)
	}
	return b.commit(ctx, group)
}
