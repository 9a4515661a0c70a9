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
	store.Step
}

// chunk is how many rows go between two looks at the clock.
const chunk = 50

// Remove takes a job away from whoever asks, if it is still as it was when it was
// looked for, and begins to remove its rows.
func (b *broom) Remove(ctx context.Context, v store.Victim) error {
	n, err := b.count(ctx, "UPDATE jobs SET id = ?, state = 0, submitter = '', spec = x'', row = x'' WHERE seq = ? AND id = ? AND live = 0",
		tombID(v.Seq), v.Seq, v.ID[:])
	if err != nil || n == 0 {
		return err
	}
	if err := b.exec(ctx, "UPDATE ids SET removed = ? WHERE id = ?", codec.Nanos(b.Sweep.Now), v.ID[:]); err != nil {
		return err
	}
	b.Done.Jobs++
	b.Took(1)
	return b.erase(ctx, v.Seq)
}

// Finish goes on with jobs of which some rows are left.
func (b *broom) Finish(ctx context.Context) error {
	for !b.Full() {
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
			if b.Full() {
				return nil
			}
			n, err := b.count(ctx, query, seq, min(b.Left(), chunk))
			if err != nil {
				return err
			}
			b.Took(n)
			more = n > 0
		}
	}
	if err := b.eraseOutputs(ctx, seq); err != nil || b.Full() {
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
	b.Took(store.Weight(size))
	return b.exec(ctx, "DELETE FROM jobs WHERE seq = ?", seq)
}

// eraseOutputs removes contents one by one: they differ in size.
func (b *broom) eraseOutputs(ctx context.Context, seq int64) error {
	for !b.Full() {
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
		b.Took(store.Weight(size))
	}
	return nil
}

// ForgetIDs forgets ids, and raises the horizon past them.
func (b *broom) ForgetIDs(ctx context.Context) (more bool, err error) {
	horizon := b.horizon
	for !b.Full() {
		var id job.ID
		var text []byte
		err := b.row(ctx, "SELECT id FROM ids WHERE removed > 0 AND removed <= ? AND keep_until <= ? ORDER BY removed LIMIT 1",
			[]any{codec.Nanos(b.Sweep.Now.Add(-b.Sweep.IDs)), codec.Nanos(b.Sweep.Now)}, &text)
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
		b.Done.IDs++
		b.Took(1)
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
