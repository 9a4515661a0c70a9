package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// taskColumns are what scanTask reads.
const taskColumns = `SELECT ordinal, state, revision, attempt, reason, code, signal, started, ended, outputs, signature, message, overdue, lost, concluded FROM tasks `

// ofJob selects by the id of the job.
const ofJob = "WHERE job = (SELECT seq FROM jobs WHERE id = ?) "

func scanTask(scan func(...any) error) (r job.TaskRow, err error) {
	var refs []byte
	var started, ended int64
	exit, d := &r.Report.Exit, &r.Detail
	if err := scan(&r.Ordinal, &r.Report.State, &r.Revision, &r.Report.Attempt, &exit.Reason, &exit.Code, &exit.Signal,
		&started, &ended, &refs, &d.Signature, &d.Message, &d.Overdue, &r.Lost, &r.Concluded); err != nil {
		return r, err
	}
	d.StartedAt, d.EndedAt = codec.FromNanos(started), codec.FromNanos(ended)
	d.Outputs, err = codec.DecodeRefs(refs)
	return r, codec.Damaged(err)
}

func (s *snapshot) tasks(ctx context.Context, query string, args ...any) (rows []job.TaskRow, err error) {
	err = s.each(ctx, query, args, func(scan func(...any) error) error {
		r, err := scanTask(scan)
		rows = append(rows, r)
		return err
	})
	return rows, err
}

// Tasks returns the rows of a job that match. Each state is a range of an index
// of its own; one query for several would read all rows of the job.
func (s *Store) Tasks(ctx context.Context, id job.ID, query store.TaskQuery) ([]job.TaskRow, error) {
	limit, to := store.Page(query.Limit), int64(query.To)
	if to == 0 {
		to = math.MaxUint32 + 1
	}
	var rows []job.TaskRow
	err := s.frozen(ctx, func(s *snapshot) (err error) {
		if len(query.States) == 0 {
			rows, err = s.tasks(ctx, taskColumns+ofJob+"AND ordinal >= ? AND ordinal < ? ORDER BY ordinal LIMIT ?", id[:], query.From, to, limit)
			return err
		}
		for _, state := range slices.Compact(slices.Sorted(slices.Values(query.States))) {
			some, err := s.tasks(ctx, taskColumns+ofJob+inState(state)+"AND ordinal >= ? AND ordinal < ? ORDER BY ordinal LIMIT ?",
				id[:], state, query.From, to, limit)
			if err != nil {
				return err
			}
			rows = append(rows, some...)
		}
		return nil
	})
	if err != nil {
		return nil, s.jobFailure(ctx, id, err)
	}
	slices.SortFunc(rows, func(a, b job.TaskRow) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return rows[:min(len(rows), limit)], nil
}

// inState selects one state, so that its index is used. SUCCEEDED is not in the
// index: it is what most rows say, so their order by ordinal finds it soon
// enough, and the index would make every commit of results dearer by a sixth.
func inState(state task.State) string {
	if state == task.Succeeded {
		return "AND state = ? "
	}
	return "AND state = ? AND state <> 1024 "
}

// TasksSince yields the rows written after a revision, a page at a time.
func (s *Store) TasksSince(ctx context.Context, id job.ID, revision uint64) iter.Seq2[job.TaskRow, error] {
	const query = taskColumns + ofJob + "AND (revision, ordinal) > (?, ?) ORDER BY revision, ordinal LIMIT ?"
	return store.Pages(job.TaskRow{Revision: revision, Ordinal: math.MaxUint32}, store.MaxPage, func(at job.TaskRow) ([]job.TaskRow, error) {
		page, err := s.now().tasks(ctx, query, id[:], at.Revision, at.Ordinal, store.MaxPage)
		if err != nil {
			return nil, s.jobFailure(ctx, id, err)
		}
		return page, nil
	})
}

// Output returns the content that a job's task wrote.
func (s *Store) Output(ctx context.Context, id job.ID, digest [32]byte) ([]byte, error) {
	var form int
	var size int64
	var content []byte
	err := s.now().row(ctx, "SELECT codec, size, content FROM outputs "+ofJob+"AND digest = ?", []any{id[:], digest[:]}, &form, &size, &content)
	if errors.Is(err, sql.ErrNoRows) {
		if err = s.missing(ctx, id); errors.Is(err, store.ErrPurged) {
			return nil, err
		}
		return nil, fmt.Errorf("output %x of job %s: %w", digest[:6], id, store.ErrNotFound)
	}
	if err != nil {
		return nil, s.jobFailure(ctx, id, err)
	}
	out, err := s.codec.Decompress(form, size, content)
	return out, codec.Damaged(err)
}
