package access

import (
	"context"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
)

// GetJob asks the owner.
func (s *Server) GetJob(ctx context.Context, req *accessv1.GetJobRequest) (*accessv1.GetJobResponse, error) {
	return fromOwner(ctx, s, req.GetJobId(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.GetJobResponse, error) {
		resp, err := to.GetJob(ctx, &schedulerv1.GetJobRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// ListTasks asks the owner, who alone knows the live states.
func (s *Server) ListTasks(ctx context.Context, req *accessv1.ListTasksRequest) (*accessv1.ListTasksResponse, error) {
	return fromOwner(ctx, s, req.GetJobId(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.ListTasksResponse, error) {
		resp, err := to.ListTasks(ctx, &schedulerv1.ListTasksRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// ExplainTask asks the owner, who alone knows why a task is where it is.
func (s *Server) ExplainTask(ctx context.Context, req *accessv1.ExplainTaskRequest) (*accessv1.ExplainTaskResponse, error) {
	return fromOwner(ctx, s, req.GetJobId(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.ExplainTaskResponse, error) {
		resp, err := to.ExplainTask(ctx, &schedulerv1.ExplainTaskRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// SummarizeJob asks the owner, who alone knows how far hosts have come.
func (s *Server) SummarizeJob(ctx context.Context, req *accessv1.SummarizeJobRequest) (*accessv1.SummarizeJobResponse, error) {
	return fromOwner(ctx, s, req.GetJobId(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.SummarizeJobResponse, error) {
		resp, err := to.SummarizeJob(ctx, &schedulerv1.SummarizeJobRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// ListJobs asks any scheduler.
func (s *Server) ListJobs(ctx context.Context, req *accessv1.ListJobsRequest) (*accessv1.ListJobsResponse, error) {
	return fromAny(ctx, s, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.ListJobsResponse, error) {
		resp, err := to.ListJobs(ctx, &schedulerv1.ListJobsRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// ListHosts asks any scheduler.
func (s *Server) ListHosts(ctx context.Context, req *accessv1.ListHostsRequest) (*accessv1.ListHostsResponse, error) {
	return fromAny(ctx, s, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.ListHostsResponse, error) {
		resp, err := to.ListHosts(ctx, &schedulerv1.ListHostsRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}

// GetHost asks any scheduler.
func (s *Server) GetHost(ctx context.Context, req *accessv1.GetHostRequest) (*accessv1.GetHostResponse, error) {
	return fromAny(ctx, s, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) (*accessv1.GetHostResponse, error) {
		resp, err := to.GetHost(ctx, &schedulerv1.GetHostRequest{Caller: who, Request: req})
		return resp.GetResponse(), err
	})
}
