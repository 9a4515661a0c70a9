package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// taskColumns are what queueTaskRows reads.
const taskColumns = `SELECT ordinal, state, revision, attempt, reason, code, signal, started, ended, outputs, signature, message, overdue, lost, concluded FROM tasks `

// ofJob selects the rows of a job that is there: of one that retention has removed
// some may be left.
const ofJob = "WHERE job = $1 AND EXISTS (SELECT FROM jobs WHERE id = $1)"

// queueTaskRows appends the rows of a query to list; what does not fit goes to
// fault.
func queueTaskRows(group *pgx.Batch, list *[]job.TaskRow, fault func(error), query string, args ...any) {
	var r job.TaskRow
	var started, ended int64
	var refs, message []byte
	exit, d := &r.Report.Exit, &r.Detail
	into := []any{
		&r.Ordinal, &r.Report.State, &r.Revision, &r.Report.Attempt, &exit.Reason, &exit.Code, &exit.Signal,
		&started, &ended, &refs, &d.Signature, &message, &d.Overdue, &r.Lost, &r.Concluded,
	}
	group.Queue(query, args...).Query(each(into, func() (err error) {
		d.StartedAt, d.EndedAt, d.Message = codec.FromNanos(started), codec.FromNanos(ended), string(message)
		d.Outputs, err = codec.DecodeRefs(refs)
		*list = append(*list, r)
		fault(codec.Damaged(err))
		return nil
	}))
}

// Tasks returns the rows of a job that match. Each state is a range of an index
// of its own; one query for several would read all rows of the job.
func (s *Store) Tasks(ctx context.Context, id job.ID, query store.TaskQuery) ([]job.TaskRow, error) {
	limit, to := store.Page(query.Limit), int64(query.To)
	if to == 0 {
		to = math.MaxInt32
	}
	var rows []job.TaskRow
	var bad error
	fault := func(err error) { bad = errors.Join(bad, err) }
	group := frozen()
	if len(query.States) == 0 {
		queueTaskRows(group, &rows, fault, taskColumns+ofJob+" AND ordinal >= $2 AND ordinal < $3 ORDER BY ordinal LIMIT $4",
			uuid(id), int64(query.From), to, limit)
	}
	for _, state := range slices.Compact(slices.Sorted(slices.Values(query.States))) {
		queueTaskRows(group, &rows, fault, taskColumns+ofJob+inState(state)+"AND ordinal >= $3 AND ordinal < $4 ORDER BY ordinal LIMIT $5",
			uuid(id), int32(state), int64(query.From), to, limit)
	}
	if err := errors.Join(s.read(ctx, thaw(group)), bad); err != nil {
		return nil, s.jobFailure(ctx, id, err)
	}
	slices.SortFunc(rows, func(a, b job.TaskRow) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return rows[:min(len(rows), limit)], nil
}

// inState selects one state, so that its index is used. SUCCEEDED is not in the
// index: it is what most rows say, so their order by ordinal finds it soon
// enough, and the index would make every commit of results dearer.
func inState(state task.State) string {
	if state == task.Succeeded {
		return " AND state = $2 "
	}
	return " AND state = $2 AND state <> 1024 "
}

// TasksSince yields the rows written after a revision, a page at a time.
func (s *Store) TasksSince(ctx context.Context, id job.ID, revision uint64) iter.Seq2[job.TaskRow, error] {
	const query = taskColumns + ofJob + " AND (revision, ordinal) > ($2, $3) ORDER BY revision, ordinal LIMIT $4"
	return store.Pages(job.TaskRow{Revision: revision, Ordinal: math.MaxInt32}, store.MaxPage, func(at job.TaskRow) (page []job.TaskRow, err error) {
		var bad error
		group := &pgx.Batch{}
		queueTaskRows(group, &page, func(err error) { bad = errors.Join(bad, err) }, query, uuid(id), int64(at.Revision), int32(at.Ordinal), store.MaxPage)
		if err := errors.Join(s.read(ctx, group), bad); err != nil {
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
	var found, there bool
	group := &pgx.Batch{}
	group.Queue("SELECT form, size, content FROM outputs "+ofJob+" AND digest = $2", uuid(id), digest[:]).QueryRow(one(&found, &form, &size, &content))
	group.Queue("SELECT FROM jobs WHERE id = $1", uuid(id)).QueryRow(one(&there))
	err := s.read(ctx, group)
	if err == nil && !there {
		err = store.ErrNotFound
	}
	if err == nil && !found {
		return nil, fmt.Errorf("output %x of job %s: %w", digest[:6], id, store.ErrNotFound)
	}
	var out []byte
	if err == nil {
		out, err = s.codec.Decompress(form, size, content)
		err = codec.Damaged(err)
	}
	if err != nil {
		return nil, s.jobFailure(ctx, id, err)
	}
	return out, nil
}
