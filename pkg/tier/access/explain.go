package access

import (
	"context"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
)

// ExplainTask asks the owner, who alone knows why a task is where it is.
func (s *Server) ExplainTask(ctx context.Context, req *accessv1.ExplainTaskRequest) (out *accessv1.ExplainTaskResponse, err error) {
	id, err := parseID(req.GetJobId())
	if err != nil {
		return nil, err
	}
	err = s.toOwner(ctx, id, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		resp, err := to.ExplainTask(ctx, &schedulerv1.ExplainTaskRequest{Caller: who, Request: req})
		out = resp.GetResponse()
		return err
	})
	return out, err
}
