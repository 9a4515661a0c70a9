package scheduler

import (
	"context"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// CancelJob answers when the cancel is durable.
func (s *Scheduler) CancelJob(ctx context.Context, req *schedulerv1.CancelJobRequest) (*schedulerv1.CancelJobResponse, error) {
	asked := req.GetRequest()
	j, err := s.control(ctx, asked.GetJobId(), job.Cancel{
		RequestID: asked.GetRequestId(), Expected: asked.GetExpectedControlRevision(), KeepRunning: asked.GetKeepRunning(),
	})
	if err != nil {
		return nil, err
	}
	return &schedulerv1.CancelJobResponse{Response: &accessv1.CancelJobResponse{Job: j}}, nil
}

// PauseJob answers when the pause is durable.
func (s *Scheduler) PauseJob(ctx context.Context, req *schedulerv1.PauseJobRequest) (*schedulerv1.PauseJobResponse, error) {
	asked := req.GetRequest()
	j, err := s.control(ctx, asked.GetJobId(), job.Pause{
		RequestID: asked.GetRequestId(), Expected: asked.GetExpectedControlRevision(),
	})
	if err != nil {
		return nil, err
	}
	return &schedulerv1.PauseJobResponse{Response: &accessv1.PauseJobResponse{Job: j}}, nil
}

// ResumeJob answers when the resume is durable.
func (s *Scheduler) ResumeJob(ctx context.Context, req *schedulerv1.ResumeJobRequest) (*schedulerv1.ResumeJobResponse, error) {
	asked := req.GetRequest()
	j, err := s.control(ctx, asked.GetJobId(), job.Resume{
		RequestID: asked.GetRequestId(), Expected: asked.GetExpectedControlRevision(),
		Until: wire.ResumeFromProto(asked.GetUntil()), Targets: asked.GetTargets(),
	})
	if err != nil {
		return nil, err
	}
	return &schedulerv1.ResumeJobResponse{Response: &accessv1.ResumeJobResponse{Job: j}}, nil
}

// control applies a user's request to a job, as the owner of its shard.
func (s *Scheduler) control(ctx context.Context, text string, request job.Event) (*typesv1.Job, error) {
	id, err := parseID(text)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	got, err := s.shardOf(id).Control(ctx, id, request)
	if err != nil {
		return nil, s.of(id, err)
	}
	return jobToProto(got.Spec, got.Row), nil
}
