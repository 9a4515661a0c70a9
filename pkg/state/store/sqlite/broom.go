package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// broom is one step of a sweep, within its transaction.
type broom struct {
	*tx
	sweep *store.Sweep
	left  int // rows that may still go
	began time.Time
	done  store.Swept
}

// chunk is how many rows go between two looks at the clock.
const chunk = 50

// full reports whether the step has done enough.
func (b *broom) full() bool {
	late := b.sweep.Hold > 0 && time.Since(b.began) >= b.sweep.Hold
	return b.left <= 0 || late && b.done.Rows > 0
}

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

// pause notes that the pass goes on after a job, and not that it is over.
func (b *broom) pause(after int64) { b.done.Next = max(after, 1) }

// took notes what has gone.
func (b *broom) took(rows int) {
	b.left -= rows
	b.done.Rows += rows
}

// remove takes a job away from whoever asks, if it is still as it was when it was
// looked for, and begins to remove its rows.
func (b *broom) remove(ctx context.Context, v victim) error {
	n, err := b.count(ctx, "UPDATE jobs SET id = ?, state = 0, submitter = '', spec = x'', row = x'' WHERE seq = ? AND id = ? AND live = 0",
		tombID(v.seq), v.seq, v.id[:])
	if err != nil || n == 0 {
		return err
	}
	if err := b.exec(ctx, "UPDATE ids SET removed = ? WHERE id = ?", codec.Nanos(b.sweep.Now), v.id[:]); err != nil {
		return err
	}
	b.done.Jobs++
	b.took(1)
	return b.erase(ctx, v.seq)
}

// finish goes on with jobs of which some rows are left.
func (b *broom) finish(ctx context.Context) error {
	for !b.full() {
		var seq int64
		err := b.row(ctx, "SELECT seq FROM jobs WHERE state = 0 ORDER BY seq LIMIT 1", nil, &seq)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = b.erase(ctx, seq)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsOfJob are statements that remove so many rows of a job, the first in the
// order of the table, so that whole pages become free.
func rowsOfJob() [3]string {
	return [3]string{
		"DELETE FROM tasks WHERE job = ?1 AND ordinal <= (SELECT max(ordinal) FROM (SELECT ordinal FROM tasks WHERE job = ?1 ORDER BY ordinal LIMIT ?2))",
		"DELETE FROM controls WHERE job = ?1 AND request <= (SELECT max(request) FROM (SELECT request FROM controls WHERE job = ?1 ORDER BY request LIMIT ?2))",
		"DELETE FROM releases WHERE job = ?1 AND piece <= (SELECT max(piece) FROM (SELECT piece FROM releases WHERE job = ?1 ORDER BY piece LIMIT ?2))",
	}
}

// erase removes rows of a job, as many as may go; the job's own is the last.
func (b *broom) erase(ctx context.Context, seq int64) error {
	for _, query := range rowsOfJob() {
		for more := true; more; {
			if b.full() {
				return nil
			}
			n, err := b.count(ctx, query, seq, min(b.left, chunk))
			if err != nil {
				return err
			}
			b.took(n)
			more = n > 0
		}
	}
	if err := b.eraseOutputs(ctx, seq); err != nil || b.full() {
		return err
	}
	var size int
	err := b.row(ctx, "SELECT length(capsule) + length(targets) FROM bodies WHERE job = ?", []any{seq}, &size)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := b.exec(ctx, "DELETE FROM bodies WHERE job = ?", seq); err != nil {
		return err
	}
	b.took(store.Weight(size))
	return b.exec(ctx, "DELETE FROM jobs WHERE seq = ?", seq)
}

// eraseOutputs removes contents one by one: they differ in size.
func (b *broom) eraseOutputs(ctx context.Context, seq int64) error {
	for !b.full() {
		var digest []byte
		var size int
		err := b.row(ctx, "SELECT digest, length(content) FROM outputs WHERE job = ? LIMIT 1", []any{seq}, &digest, &size)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = b.exec(ctx, "DELETE FROM outputs WHERE job = ? AND digest = ?", seq, digest)
		}
		if err != nil {
			return err
		}
		b.took(store.Weight(size))
	}
	return nil
}

// forgetIDs forgets ids, and raises the horizon past them.
func (b *broom) forgetIDs(ctx context.Context) (more bool, err error) {
	horizon := b.horizon
	for !b.full() {
		var id job.ID
		var text []byte
		err := b.row(ctx, "SELECT id FROM ids WHERE removed > 0 AND removed <= ? AND keep_until <= ? ORDER BY removed LIMIT 1",
			[]any{codec.Nanos(b.sweep.Now.Add(-b.sweep.IDs)), codec.Nanos(b.sweep.Now)}, &text)
		if errors.Is(err, sql.ErrNoRows) {
			return false, b.raise(ctx, horizon)
		}
		if err == nil {
			err = b.exec(ctx, "DELETE FROM ids WHERE id = ?", text)
		}
		if err != nil {
			return false, err
		}
		copy(id[:], text)
		horizon = store.Horizon(horizon, id)
		b.done.IDs++
		b.took(1)
	}
	return true, b.raise(ctx, horizon)
}

// raise makes the horizon durable, if it has risen.
func (b *broom) raise(ctx context.Context, horizon time.Time) error {
	if !horizon.After(b.horizon) {
		return nil
	}
	return b.exec(ctx, "UPDATE meta SET horizon = ? WHERE id = 1", codec.Nanos(horizon))
}
