package access

import (
	"context"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
)

// What controls a job goes to its owner. It is safe to repeat: its request id
// has one effect.

// CancelJob stops a job.
func (s *Server) CancelJob(ctx context.Context, req *accessv1.CancelJobRequest) (*accessv1.CancelJobResponse, error) {
	return fromOwner(ctx, s, req.GetJobId(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.CancelJobResponse, error) {
		resp, err := to.CancelJob(ctx, &schedulerv1.CancelJobRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// PauseJob stops releasing.
func (s *Server) PauseJob(ctx context.Context, req *accessv1.PauseJobRequest) (*accessv1.PauseJobResponse, error) {
	return fromOwner(ctx, s, req.GetJobId(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.PauseJobResponse, error) {
		resp, err := to.PauseJob(ctx, &schedulerv1.PauseJobRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// ResumeJob lets a paused job go on.
func (s *Server) ResumeJob(ctx context.Context, req *accessv1.ResumeJobRequest) (*accessv1.ResumeJobResponse, error) {
	return fromOwner(ctx, s, req.GetJobId(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.ResumeJobResponse, error) {
		resp, err := to.ResumeJob(ctx, &schedulerv1.ResumeJobRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}
