package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// jobColumns are what jobRow.into takes.
const jobColumns = "SELECT seq, id, pool, shard, digest, spec, row FROM jobs "

// unknownJobs goes the other way, from the few tasks that are UNKNOWN (448, as
// the index has it) to their jobs: from the jobs it would be one look-up for
// each that there ever was.
const unknownJobs = "WITH unknown AS MATERIALIZED (SELECT DISTINCT job FROM tasks WHERE state = 448) " + jobColumns + "JOIN unknown ON unknown.job = jobs.id "

// jobRow is a row of jobs as it is stored.
type jobRow struct {
	seq               int64
	id                pgtype.UUID
	shard             job.ShardID
	digest, spec, row []byte
}

func (r *jobRow) into() []any {
	return []any{&r.seq, &r.id, &r.shard.Pool, &r.shard.N, &r.digest, &r.spec, &r.row}
}

// decode returns the job; whatever of it does not fit, its id is right.
func (r *jobRow) decode() (j store.Job, err error) {
	j.ID, j.Shard = r.id.Bytes, r.shard
	copy(j.Digest[:], r.digest)
	if j.Spec, err = codec.DecodeSpec(j.ID, j.Shard.Pool, r.spec); err == nil {
		j.Row, err = codec.DecodeRow(r.row)
	}
	return j, codec.Damaged(err)
}

// jobFailure says which job could not be read, and why it is not there, if so.
func (s *Store) jobFailure(ctx context.Context, id job.ID, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return s.missing(ctx, id)
	}
	if errors.Is(err, store.ErrDamaged) {
		var bad store.DamagedError
		bad.Add(id, err)
		return &bad
	}
	return failure(ctx, "read job "+id.String(), err)
}

// queueJob reads the row of a job.
func queueJob(group *pgx.Batch, id job.ID, found *bool, row *jobRow) {
	group.Queue(jobColumns+"WHERE id = $1", uuid(id)).QueryRow(one(found, row.into()...))
}

// GetJob returns a job.
func (s *Store) GetJob(ctx context.Context, id job.ID) (j store.Job, err error) {
	var row jobRow
	var found bool
	group := &pgx.Batch{}
	queueJob(group, id, &found, &row)
	if err = s.read(ctx, group); err == nil && !found {
		err = store.ErrNotFound
	}
	if err == nil {
		j, err = row.decode()
	}
	if err != nil {
		return store.Job{}, s.jobFailure(ctx, id, err)
	}
	return j, nil
}

// ListJobs returns a page of jobs, the newest first.
func (s *Store) ListJobs(ctx context.Context, query store.JobQuery) ([]store.Job, string, error) {
	before, err := query.Before()
	if err != nil {
		return nil, "", err
	}
	limit := store.Page(query.Limit)
	text, args := jobColumns, []any{before}
	if query.Unknown {
		text = unknownJobs
	}
	text += "WHERE seq < $1"
	with := func(condition string, arg any) {
		args = append(args, arg)
		text += condition + "$" + strconv.Itoa(len(args))
	}
	if query.State != 0 {
		if query.State != job.Done {
			text += " AND state <> 4" // so that its index is used
		}
		with(" AND state = ", int32(query.State))
	}
	if query.Submitter != "" {
		with(" AND submitter = ", query.Submitter)
	}
	with(" ORDER BY seq DESC LIMIT ", limit+1)

	var jobs []store.Job
	var bad store.DamagedError
	var row jobRow
	var rows int
	var last, more int64
	group := &pgx.Batch{}
	group.Queue(text, args...).Query(each(row.into(), func() error {
		if rows++; rows > limit {
			more = last
			return nil
		}
		last = row.seq
		j, err := row.decode()
		if err != nil {
			bad.Add(j.ID, err)
			return nil
		}
		jobs = append(jobs, j)
		return nil
	}))
	if err := s.read(ctx, group); err != nil {
		return nil, "", failure(ctx, "list jobs", err)
	}
	return jobs, query.Next(more), bad.OrNil()
}
