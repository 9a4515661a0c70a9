package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"iter"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/codec"
)

// jobColumns are what scanJob reads.
const jobColumns = "SELECT jobs.seq, jobs.id, jobs.pool, jobs.shard, ids.digest, jobs.spec, jobs.row FROM jobs JOIN ids ON ids.id = jobs.id "

func scanJob(scan func(...any) error) (seq int64, j store.Job, err error) {
	var id, digest, spec, row []byte
	err = scan(&seq, &id, &j.Shard.Pool, &j.Shard.N, &digest, &spec, &row)
	copy(j.ID[:], id) // whatever else does not fit
	copy(j.Digest[:], digest)
	if err != nil {
		return seq, j, err
	}
	if j.Spec, err = codec.DecodeSpec(j.ID, j.Shard.Pool, spec); err == nil {
		j.Row, err = codec.DecodeRow(row)
	}
	return seq, j, codec.Damaged(err)
}

// jobFailure says which job could not be read, and if it is not there, why.
func (s *Store) jobFailure(ctx context.Context, id job.ID, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return s.missing(ctx, id)
	}
	if errors.Is(err, store.ErrDamaged) {
		var bad store.DamagedError
		bad.Add(id, err)
		return &bad
	}
	return failure("read job "+id.String(), err)
}

// GetJob returns a job.
func (s *Store) GetJob(ctx context.Context, id job.ID) (store.Job, error) {
	_, j, err := s.now().job(ctx, id)
	if err != nil {
		return store.Job{}, s.jobFailure(ctx, id, err)
	}
	return j, nil
}

func (s *snapshot) job(ctx context.Context, id job.ID) (seq int64, j store.Job, err error) {
	found := false
	err = s.each(ctx, jobColumns+"WHERE jobs.id = ?", []any{id[:]}, func(scan func(...any) error) error {
		found = true
		seq, j, err = scanJob(scan)
		return err
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return seq, j, err
}

// ListJobs returns a page of jobs, the newest first.
func (s *Store) ListJobs(ctx context.Context, query store.JobQuery) ([]store.Job, string, error) {
	before, err := query.Before()
	if err != nil {
		return nil, "", err
	}
	text, args := jobColumns+"WHERE jobs.seq < ?", []any{before}
	if query.State != 0 {
		text, args = text+" AND jobs.state = ?", append(args, query.State)
	}
	if query.Submitter != "" {
		text, args = text+" AND jobs.submitter = ?", append(args, query.Submitter)
	}
	if query.Unknown {
		text += " AND jobs.seq IN (SELECT job FROM tasks WHERE state = 448)" // as the index has it
	}
	limit := store.Page(query.Limit)
	var jobs []store.Job
	var bad store.DamagedError
	var rows int
	var last, more int64
	err = s.now().each(ctx, text+" ORDER BY jobs.seq DESC LIMIT ?", append(args, limit+1), func(scan func(...any) error) error {
		if rows++; rows > limit {
			more = last
			return nil
		}
		seq, j, err := scanJob(scan)
		last = seq
		if errors.Is(err, store.ErrDamaged) {
			bad.Add(j.ID, err)
			return nil
		}
		jobs = append(jobs, j)
		return err
	})
	if err != nil {
		return nil, "", failure("list jobs", err)
	}
	return jobs, query.Next(more), bad.OrNil()
}

// LoadJob returns all of a job, from one moment.
func (s *Store) LoadJob(ctx context.Context, id job.ID) (r store.Record, err error) {
	err = s.frozen(ctx, func(s *snapshot) error {
		seq, j, err := s.job(ctx, id)
		if err != nil {
			return err
		}
		r.Identity, r.Spec, r.Row = j.Identity, j.Spec, j.Row
		return s.loadLists(ctx, seq, &r)
	})
	if err != nil {
		return store.Record{}, s.jobFailure(ctx, id, err)
	}
	return r, nil
}

func (s *snapshot) loadLists(ctx context.Context, seq int64, r *store.Record) error {
	var targets []byte
	err := s.row(ctx, "SELECT capsule, targets FROM bodies WHERE job = ?", []any{seq}, &r.Capsule, &targets)
	if errors.Is(err, sql.ErrNoRows) {
		err = codec.Damaged(errors.New("its capsule and targets are missing"))
	}
	if err != nil {
		return err
	}
	if r.Targets, err = codec.DecodeTargets(targets); err != nil {
		return codec.Damaged(err)
	}
	if r.Released, err = s.released(ctx, seq); err != nil {
		return err
	}
	if r.Tasks, err = s.tasks(ctx, taskColumns+"WHERE job = ? ORDER BY ordinal", seq); err != nil {
		return err
	}
	return s.each(ctx, "SELECT row FROM controls WHERE job = ? ORDER BY request", []any{seq}, func(scan func(...any) error) error {
		var b []byte
		var c job.ControlRow
		if err := scan(&b); err != nil {
			return err
		}
		if err := codec.FromJSON("a control request", b, &c); err != nil {
			return codec.Damaged(err)
		}
		r.Controls = append(r.Controls, c)
		return nil
	})
}

// LoadShard yields the live jobs of a shard. Only their ids are read at once.
func (s *Store) LoadShard(ctx context.Context, shard job.ShardID) iter.Seq2[store.Record, error] {
	const query = "SELECT id FROM jobs WHERE pool = ? AND shard = ? AND live = 1 ORDER BY seq"
	return func(yield func(store.Record, error) bool) {
		var ids []job.ID
		err := s.now().each(ctx, query, []any{shard.Pool, shard.N}, func(scan func(...any) error) error {
			var id []byte
			err := scan(&id)
			if err == nil {
				ids = append(ids, job.ID{})
				copy(ids[len(ids)-1][:], id)
			}
			return err
		})
		if err != nil {
			yield(store.Record{}, failure("load shard "+shard.String(), err))
			return
		}
		for _, id := range ids {
			r, err := s.LoadJob(ctx, id)
			if errors.Is(err, store.ErrNotFound) { // its id was found a moment ago
				var bad store.DamagedError
				bad.Add(id, err)
				err = &bad
			}
			bad := errors.Is(err, store.ErrDamaged)
			if bad {
				r.Identity = store.Identity{ID: id, Shard: shard}
			}
			if !yield(r, err) || err != nil && !bad {
				return
			}
		}
	}
}
