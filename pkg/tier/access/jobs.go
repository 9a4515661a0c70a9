package access

import (
	"context"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
)

// GetJob asks the owner.
func (s *Server) GetJob(ctx context.Context, req *accessv1.GetJobRequest) (out *accessv1.GetJobResponse, err error) {
	id, err := parseID(req.GetJobId())
	if err != nil {
		return nil, err
	}
	err = s.toOwner(ctx, id, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		resp, err := to.GetJob(ctx, &schedulerv1.GetJobRequest{Caller: who, Request: req})
		out = resp.GetResponse()
		return err
	})
	return out, err
}

// ListTasks asks the owner, who alone knows the live states.
func (s *Server) ListTasks(ctx context.Context, req *accessv1.ListTasksRequest) (out *accessv1.ListTasksResponse, err error) {
	id, err := parseID(req.GetJobId())
	if err != nil {
		return nil, err
	}
	err = s.toOwner(ctx, id, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		resp, err := to.ListTasks(ctx, &schedulerv1.ListTasksRequest{Caller: who, Request: req})
		out = resp.GetResponse()
		return err
	})
	return out, err
}

// ListJobs asks any scheduler.
func (s *Server) ListJobs(ctx context.Context, req *accessv1.ListJobsRequest) (out *accessv1.ListJobsResponse, err error) {
	err = s.toAny(ctx, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		resp, err := to.ListJobs(ctx, &schedulerv1.ListJobsRequest{Caller: who, Request: req})
		out = resp.GetResponse()
		return err
	})
	return out, err
}

// ListHosts asks any scheduler.
func (s *Server) ListHosts(ctx context.Context, req *accessv1.ListHostsRequest) (out *accessv1.ListHostsResponse, err error) {
	err = s.toAny(ctx, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		resp, err := to.ListHosts(ctx, &schedulerv1.ListHostsRequest{Caller: who, Request: req})
		out = resp.GetResponse()
		return err
	})
	return out, err
}

// GetHost asks any scheduler.
func (s *Server) GetHost(ctx context.Context, req *accessv1.GetHostRequest) (out *accessv1.GetHostResponse, err error) {
	err = s.toAny(ctx, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		resp, err := to.GetHost(ctx, &schedulerv1.GetHostRequest{Caller: who, Request: req})
		out = resp.GetResponse()
		return err
	})
	return out, err
}
