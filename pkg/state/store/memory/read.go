package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// find returns a job; the mutex is held.
func (s *Store) find(ctx context.Context, id job.ID) (*stored, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cannot read job %s: %w", id, err)
	}
	j := s.jobs[id]
	if j == nil {
		return nil, s.missing(id)
	}
	if s.damaged[id] {
		var bad store.DamagedError
		bad.Add(id, errInjected)
		return nil, &bad
	}
	return j, nil
}

func (s *Store) job(id job.ID, j *stored) store.Job {
	spec := cloneSpec(j.create.Spec)
	return store.Job{Identity: s.ids[id].Identity, Spec: spec, Row: j.row}
}

// GetJob returns a job.
func (s *Store) GetJob(ctx context.Context, id job.ID) (store.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(ctx, id)
	if err != nil {
		return store.Job{}, err
	}
	return s.job(id, j), nil
}

// LocateJob tells where an id is.
func (s *Store) LocateJob(_ context.Context, id job.ID) (store.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.ids[id]; !ok {
		return store.Identity{}, s.missing(id)
	}
	return s.identity(id), nil
}

// ListJobs returns a page of jobs, the newest first.
func (s *Store) ListJobs(_ context.Context, query store.JobQuery) ([]store.Job, string, error) {
	before, err := query.Before()
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var jobs []store.Job
	var bad store.DamagedError
	var rows int
	var last int64
	for _, id := range slices.Backward(s.order) {
		j := s.jobs[id]
		if j.seq >= before || query.State != 0 && j.row.State != query.State ||
			query.Submitter != "" && j.create.Spec.Submitter != query.Submitter || query.Unknown && !j.unknown() {
			continue
		}
		if rows++; rows > store.Page(query.Limit) {
			return jobs, query.Next(last), bad.OrNil()
		}
		last = j.seq
		if s.damaged[id] {
			bad.Add(id, errInjected)
			continue
		}
		jobs = append(jobs, s.job(id, j))
	}
	return jobs, "", bad.OrNil()
}

// unknown reports whether a task is UNKNOWN.
func (j *stored) unknown() bool {
	for _, row := range j.tasks {
		if row.Report.State == task.Unknown {
			return true
		}
	}
	return false
}

// LoadJob returns all of a job.
func (s *Store) LoadJob(ctx context.Context, id job.ID) (store.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(ctx, id)
	if err != nil {
		return store.Record{}, err
	}
	found := s.job(id, j)
	r := store.Record{Identity: found.Identity, Spec: found.Spec, Capsule: slices.Clone(j.create.Capsule), Targets: j.create.Targets}
	r.Row = j.row
	r.Released = slices.Sorted(maps.Keys(j.released))
	r.Tasks = j.rows(func(job.TaskRow) bool { return true })
	for _, id := range slices.Sorted(maps.Keys(j.controls)) {
		r.Controls = append(r.Controls, j.controls[id])
	}
	return r, nil
}

// LoadShard yields the live jobs of a shard.
func (s *Store) LoadShard(ctx context.Context, shard job.ShardID) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, id := range s.live(shard) {
			r, err := s.LoadJob(ctx, id)
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

func (s *Store) live(shard job.ShardID) (ids []job.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.order {
		if s.ids[id].Shard == shard && s.jobs[id].row.State != job.Done {
			ids = append(ids, id)
		}
	}
	return ids
}

// rows returns copies of the rows that match, by ordinal.
func (j *stored) rows(match func(job.TaskRow) bool) (rows []job.TaskRow) {
	for _, ordinal := range slices.Sorted(maps.Keys(j.tasks)) {
		if row := j.tasks[ordinal]; match(row) {
			rows = append(rows, cloneTask(row))
		}
	}
	return rows
}

// Tasks returns the rows of a job that match.
func (s *Store) Tasks(_ context.Context, id job.ID, query store.TaskQuery) ([]job.TaskRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil {
		return nil, nil
	}
	rows := j.rows(func(r job.TaskRow) bool {
		return r.Ordinal >= query.From && (query.To == 0 || r.Ordinal < query.To) &&
			(len(query.States) == 0 || slices.Contains(query.States, r.Report.State))
	})
	return rows[:min(len(rows), store.Page(query.Limit))], nil
}

// TasksSince yields the rows written after a revision.
func (s *Store) TasksSince(_ context.Context, id job.ID, revision uint64) iter.Seq2[job.TaskRow, error] {
	return func(yield func(job.TaskRow, error) bool) {
		for _, row := range s.tasksSince(id, revision) {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (s *Store) tasksSince(id job.ID, revision uint64) []job.TaskRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil {
		return nil
	}
	rows := j.rows(func(r job.TaskRow) bool { return r.Revision > revision })
	slices.SortStableFunc(rows, func(a, b job.TaskRow) int { return cmp.Compare(a.Revision, b.Revision) })
	return rows
}

// Output returns the content that a job's task wrote.
func (s *Store) Output(_ context.Context, id job.ID, digest [32]byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[id]; j != nil {
		if content, kept := j.outputs[digest]; kept {
			return append([]byte{}, content...), nil
		}
	} else if s.purged(id) {
		return nil, s.missing(id)
	}
	return nil, fmt.Errorf("output %x of job %s: %w", digest[:6], id, store.ErrNotFound)
}

// Hosts yields the hosts written after a revision.
func (s *Store) Hosts(_ context.Context, revision uint64) iter.Seq2[fleet.Host, error] {
	return func(yield func(fleet.Host, error) bool) {
		for _, h := range s.hostsSince(revision) {
			if !yield(h, nil) {
				return
			}
		}
	}
}

func (s *Store) hostsSince(revision uint64) (hosts []fleet.Host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := min(revision, uint64(len(s.hostOrder))); i < uint64(len(s.hostOrder)); i++ {
		if h := s.hosts[s.hostOrder[i]]; h.Revision == i+1 {
			hosts = append(hosts, cloneHost(h))
		}
	}
	return hosts
}
