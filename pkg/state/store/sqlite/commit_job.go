package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// writtenBy marks an id with the batch that made it, so that the same batch,
// sent again after a lost reply, knows its own jobs from those it met.
type writtenBy struct {
	epoch  job.Epoch
	number uint64
}

// isImpossible reports whether the error is the batch's fault, not the store's.
func isImpossible(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return errors.Is(err, store.ErrBatch)
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_TOOBIG, lib.SQLITE_MISMATCH, lib.SQLITE_RANGE:
		return true
	}
	return false
}

// applyJob writes what changed in one job, or nothing if its id was taken or
// retention has removed it.
func (t *tx) applyJob(ctx context.Context, shard job.ShardID, by writtenBy, b *store.JobBatch, e *encodedJob) (m met, err error) {
	var seq int64
	if b.Create != nil {
		if m.existing, err = t.existing(ctx, b.ID, writtenBy{}); m.existing != nil || err != nil {
			return m, err
		}
		seq, err = t.create(ctx, shard, by, b, e)
	} else if seq, err = t.find(ctx, shard, b, e); errors.Is(err, sql.ErrNoRows) {
		if m.purged, err = t.purged(ctx, b.ID); m.purged || err != nil {
			return m, err
		}
		err = fmt.Errorf("%w: job %s is not in shard %s", store.ErrBatch, b.ID, shard)
	}
	if err != nil {
		return m, err
	}
	return m, t.applyLists(ctx, seq, b, e)
}

// applyLists writes what belongs to a job.
func (t *tx) applyLists(ctx context.Context, seq int64, b *store.JobBatch, e *encodedJob) error {
	if err := t.release(ctx, seq, b.Persist.Released); err != nil {
		return err
	}
	if err := t.putTasks(ctx, seq, e.tasks); err != nil {
		return err
	}
	for _, o := range e.outputs {
		if err := t.exec(ctx, "INSERT INTO outputs (job, digest, codec, size, content) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			seq, o.digest[:], o.codec, o.size, o.content); err != nil {
			return err
		}
	}
	for _, c := range e.controls {
		if err := t.exec(ctx, "INSERT INTO controls (job, request, row) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row",
			seq, c.request, c.row); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) create(ctx context.Context, shard job.ShardID, by writtenBy, b *store.JobBatch, e *encodedJob) (seq int64, err error) {
	if err := t.exec(ctx, "INSERT INTO ids (id, pool, shard, digest, keep_until, by_generation, by_n, by_batch) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		b.ID[:], shard.Pool, shard.N, b.Create.Digest[:], nanos(b.Create.KeepUntil),
		by.epoch.Generation, by.epoch.N, by.number); err != nil {
		return 0, err
	}
	err = t.row(ctx, "INSERT INTO jobs (id, pool, shard, submitter, state, live, spec, row) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
		[]any{b.ID[:], shard.Pool, shard.N, e.submitter, e.state, e.live, e.spec, e.row}, &seq)
	if err != nil {
		return 0, err
	}
	return seq, t.exec(ctx, "INSERT INTO bodies (job, capsule, targets) VALUES (?, ?, ?)", seq, e.capsule, e.targets)
}

// find returns the job's number, and writes its row if that changed;
// sql.ErrNoRows: the shard has no such job.
func (t *tx) find(ctx context.Context, shard job.ShardID, b *store.JobBatch, e *encodedJob) (seq int64, err error) {
	if e.row != nil {
		err = t.row(ctx, "UPDATE jobs SET state = ?, live = ?, row = ? WHERE id = ? AND pool = ? AND shard = ? RETURNING seq",
			[]any{e.state, e.live, e.row, b.ID[:], shard.Pool, shard.N}, &seq)
	} else {
		err = t.row(ctx, "SELECT seq FROM jobs WHERE id = ? AND pool = ? AND shard = ?", []any{b.ID[:], shard.Pool, shard.N}, &seq)
	}
	return seq, err
}

func (t *tx) putTasks(ctx context.Context, seq int64, rows []encodedTask) error {
	const query = `INSERT INTO tasks (job, ordinal, state, revision, attempt, reason, code, signal, started, ended, outputs, signature, message, overdue, lost, concluded)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET state = excluded.state, revision = excluded.revision, attempt = excluded.attempt,
			reason = excluded.reason, code = excluded.code, signal = excluded.signal, started = excluded.started, ended = excluded.ended,
			outputs = excluded.outputs, signature = excluded.signature, message = excluded.message, overdue = excluded.overdue,
			lost = excluded.lost, concluded = excluded.concluded`
	st, err := t.prepared(ctx, query)
	if err != nil {
		return err
	}
	args := make([]any, 0, 16)
	for i := range rows {
		args = rows[i].appendArgs(args[:0], seq)
		if _, err := st.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
