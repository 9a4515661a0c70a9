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
	sweep          *store.Sweep
	left           int // rows that may still go
	began          time.Time
	horizon, risen time.Time     // before the step and after it
	erased         map[day]int64 // bytes, about
	done           store.Swept
}

// chunk is how many rows go between two looks at the clock: a millisecond's work.
const chunk = 100

// full reports whether the step has done enough.
func (b *broom) full() bool {
	late := b.sweep.Hold > 0 && time.Since(b.began) >= b.sweep.Hold
	return b.left <= 0 || late && b.done.Rows > 0
}

// took notes what has gone.
func (b *broom) took(rows int) {
	b.left -= rows
	b.done.Rows += rows
}

// pause notes that the pass goes on after a job, and not that it is over.
func (b *broom) pause(after int64) { b.done.Next = max(after, 1) }

// step removes first what an earlier step has begun, then jobs, then ids.
func (b *broom) step(ctx context.Context, found removable) error {
	if err := b.finish(ctx); err != nil {
		return err
	}
	at := b.sweep.From
	for _, v := range found.jobs {
		if b.full() {
			b.pause(at)
			return nil
		}
		if err := b.remove(ctx, v); err != nil {
			return err
		}
		at = v.seq
	}
	if b.full() || !found.end {
		b.pause(max(at, found.looked))
		return nil
	}
	more, err := b.forgetIDs(ctx)
	if more {
		b.pause(found.looked)
	}
	return err
}

// remove takes a job away from whoever asks, if it is still done and no commit
// has locked it, and begins to remove its rows.
func (b *broom) remove(ctx context.Context, v victim) error {
	group := &pgx.Batch{}
	var gone bool
	group.Queue(`WITH gone AS (DELETE FROM jobs WHERE seq = (SELECT seq FROM jobs WHERE seq = $1 AND id = $2 AND NOT live FOR UPDATE SKIP LOCKED) RETURNING id),
		noted AS (INSERT INTO removals SELECT id FROM gone)
		UPDATE ids SET removed = $3 FROM gone WHERE ids.id = gone.id RETURNING true`, v.seq, uuid(v.id), codec.Nanos(b.sweep.Now)).
		QueryRow(one(&gone, &gone))
	first := queueErase(group, v.id, min(b.left-1, chunk))
	if err := b.send(ctx, group); err != nil || !gone {
		return err
	}
	b.done.Jobs++
	b.took(1)
	b.note(v.id, first)
	return b.erase(ctx, v.id, first)
}

// finish goes on with jobs of which some rows are left.
func (b *broom) finish(ctx context.Context) error {
	for !b.full() {
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
	for !last.whole && !b.full() {
		group := &pgx.Batch{}
		last = queueErase(group, id, min(b.left, chunk))
		if err := b.send(ctx, group); err != nil {
			return err
		}
		b.note(id, last)
	}
	return nil
}

// note counts what went of a job.
func (b *broom) note(id job.ID, e *erasure) {
	b.took(e.rows)
	b.erased[dayOf(id.Time())] += e.bytes
}

// forgetIDs forgets ids, and raises the horizon past them.
func (b *broom) forgetIDs(ctx context.Context) (more bool, err error) {
	for !b.full() {
		most := min(b.left, chunk)
		var id pgtype.UUID
		n := 0
		group := &pgx.Batch{}
		group.Queue(`DELETE FROM ids WHERE id = ANY(ARRAY(
			SELECT id FROM ids WHERE removed > 0 AND removed <= $1 AND keep_until <= $2 ORDER BY removed LIMIT $3)) RETURNING id`,
			codec.Nanos(b.sweep.Now.Add(-b.sweep.IDs)), codec.Nanos(b.sweep.Now), most).
			Query(each([]any{&id}, func() error {
				b.risen = store.Horizon(b.risen, id.Bytes)
				n++
				return nil
			}))
		if err := b.send(ctx, group); err != nil {
			return false, err
		}
		b.done.IDs += n
		b.took(n)
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
