package scheduler

import (
	"context"
	"errors"
	"fmt"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/shard"
	"github.com/ccs-project/ccs/pkg/wire"
)

// jobToProto is a job for users; every target is in one of its counts.
func jobToProto(spec job.Spec, row job.Row) *typesv1.Job {
	return wire.JobToProto(spec, targetCount(row), row)
}

// targetCount is how many targets a job has.
func targetCount(row job.Row) (targets int) {
	for _, n := range row.Counts.All() {
		targets += n
	}
	return targets
}

func parseID(text string) (job.ID, error) {
	id, err := job.ParseID(text)
	if err != nil {
		return id, fmt.Errorf("job id %.80q: %w", text, err)
	}
	return id, nil
}

// look is a job as its shard has it, or if it is done, or set aside, the store.
func (s *Scheduler) look(ctx context.Context, id job.ID) (shard.Accepted, error) {
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	var got shard.Accepted
	err := s.shardOf(id).Peek(ctx, id, func(m *job.Machine) { got = shard.Accepted{Spec: m.Spec(), Row: m.Row()} })
	if !errors.Is(err, shard.ErrNoJob) && !errors.Is(err, job.ErrQuarantined) {
		return got, s.of(id, err)
	}
	stored, err := s.store.GetJob(ctx, id)
	switch {
	case err != nil:
		return shard.Accepted{}, s.of(id, err)
	case stored.Shard != s.shardOf(id).ID():
		return shard.Accepted{}, &wire.NotOwnerError{Shard: stored.Shard}
	}
	return shard.Accepted{Spec: stored.Spec, Row: stored.Row}, nil
}

// GetJob answers as the owner of the job's shard.
func (s *Scheduler) GetJob(ctx context.Context, req *schedulerv1.GetJobRequest) (*schedulerv1.GetJobResponse, error) {
	id, err := parseID(req.GetRequest().GetJobId())
	if err != nil {
		return nil, err
	}
	got, err := s.look(ctx, id)
	if err != nil {
		return nil, err
	}
	return &schedulerv1.GetJobResponse{Response: &accessv1.GetJobResponse{Job: jobToProto(got.Spec, got.Row)}}, nil
}

// ListJobs answers from the store, as any scheduler can. Of jobs that run it
// shows what is durable: how far hosts have come only their owners know.
func (s *Scheduler) ListJobs(ctx context.Context, req *schedulerv1.ListJobsRequest) (*schedulerv1.ListJobsResponse, error) {
	asked := req.GetRequest()
	limit, err := pageSize(asked.GetPageSize())
	if err != nil {
		return nil, err
	}
	jobs, next, err := s.store.ListJobs(ctx, store.JobQuery{
		State: wire.JobStateFromProto(asked.GetState()), Submitter: asked.GetSubmitter(), Token: asked.GetPageToken(), Limit: limit,
	})
	if errors.Is(err, store.ErrDamaged) {
		s.log.ErrorContext(ctx, "jobs cannot be decoded and are left out of a list", "error", err)
	} else if err != nil {
		return nil, err
	}
	out := &accessv1.ListJobsResponse{NextPageToken: next}
	for i := range jobs {
		out.Jobs = append(out.Jobs, jobToProto(jobs[i].Spec, jobs[i].Row))
	}
	return &schedulerv1.ListJobsResponse{Response: out}, nil
}

// defaultPage is how many entries a page has if nobody says.
const defaultPage = 100

func pageSize(asked uint32) (int, error) {
	switch {
	case asked == 0:
		return defaultPage, nil
	case asked > store.MaxPage:
		return 0, fmt.Errorf("%w: a page of %d; ask for 1 to %d, or 0 for %d", wire.ErrInvalid, asked, store.MaxPage, defaultPage)
	}
	return int(asked), nil
}

// LocateJob says which pool holds a job.
func (s *Scheduler) LocateJob(ctx context.Context, req *schedulerv1.LocateJobRequest) (*schedulerv1.LocateJobResponse, error) {
	id, err := parseID(req.GetJobId())
	if err != nil {
		return nil, err
	}
	known, err := s.store.LocateJob(ctx, id)
	if err != nil {
		return nil, err
	}
	return &schedulerv1.LocateJobResponse{Pool: known.Shard.Pool}, nil
}
