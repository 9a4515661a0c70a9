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
	"github.com/ccs-project/ccs/pkg/state/store/codec"
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
func (t *tx) applyJob(ctx context.Context, shard job.ShardID, by writtenBy, b *store.JobBatch, e *codec.Job) (m met, err error) {
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
func (t *tx) applyLists(ctx context.Context, seq int64, b *store.JobBatch, e *codec.Job) error {
	if err := t.release(ctx, seq, b.Persist.Released); err != nil {
		return err
	}
	if err := t.putTasks(ctx, seq, e.Tasks); err != nil {
		return err
	}
	for _, o := range e.Outputs {
		if err := t.exec(ctx, "INSERT INTO outputs (job, digest, codec, size, content) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			seq, o.Digest[:], o.Form, o.Size, o.Content); err != nil {
			return err
		}
	}
	for _, c := range e.Controls {
		if err := t.exec(ctx, "INSERT INTO controls (job, request, row) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row",
			seq, c.Request, c.Row); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) create(ctx context.Context, shard job.ShardID, by writtenBy, b *store.JobBatch, e *codec.Job) (seq int64, err error) {
	if err := t.exec(ctx, "INSERT INTO ids (id, pool, shard, digest, keep_until, by_generation, by_n, by_batch) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		b.ID[:], shard.Pool, shard.N, b.Create.Digest[:], codec.Nanos(b.Create.KeepUntil),
		by.epoch.Generation, by.epoch.N, by.number); err != nil {
		return 0, err
	}
	err = t.row(ctx, "INSERT INTO jobs (id, pool, shard, submitter, state, live, spec, row) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq",
		[]any{b.ID[:], shard.Pool, shard.N, e.Submitter, e.State, e.Live, e.Spec, e.Row}, &seq)
	if err != nil {
		return 0, err
	}
	return seq, t.exec(ctx, "INSERT INTO bodies (job, capsule, targets) VALUES (?, ?, ?)", seq, e.Capsule, e.Targets)
}

// find returns the job's number, and writes its row if that changed;
// sql.ErrNoRows: the shard has no such job.
func (t *tx) find(ctx context.Context, shard job.ShardID, b *store.JobBatch, e *codec.Job) (seq int64, err error) {
	if e.Row != nil {
		err = t.row(ctx, "UPDATE jobs SET state = ?, live = ?, row = ? WHERE id = ? AND pool = ? AND shard = ? RETURNING seq",
			[]any{e.State, e.Live, e.Row, b.ID[:], shard.Pool, shard.N}, &seq)
	} else {
		err = t.row(ctx, "SELECT seq FROM jobs WHERE id = ? AND pool = ? AND shard = ?", []any{b.ID[:], shard.Pool, shard.N}, &seq)
	}
	return seq, err
}

func (t *tx) putTasks(ctx context.Context, seq int64, rows []codec.Task) error {
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
		args = appendArgs(args[:0], seq, &rows[i])
		if _, err := st.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// appendArgs appends the values of putTasks, in its order. Numbers are int64,
// because database/sql takes the slow way (reflection) for any other kind.
func appendArgs(args []any, seq int64, e *codec.Task) []any {
	r, d := &e.Row.Report, &e.Row.Detail
	return append(args,
		seq, int64(e.Row.Ordinal), int64(r.State), e.Row.Revision, int64(r.Attempt), int64(r.Exit.Reason), int64(r.Exit.Code), int64(r.Exit.Signal),
		codec.Nanos(d.StartedAt), codec.Nanos(d.EndedAt), e.Refs, d.Signature, d.Message, d.Overdue,
		int64(e.Row.Lost), e.Row.Concluded)
}
