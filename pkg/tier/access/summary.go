package access

import (
	"context"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
)

// SummarizeJob asks the owner, who alone knows how far hosts have come.
func (s *Server) SummarizeJob(ctx context.Context, req *accessv1.SummarizeJobRequest) (out *accessv1.SummarizeJobResponse, err error) {
	id, err := parseID(req.GetJobId())
	if err != nil {
		return nil, err
	}
	err = s.toOwner(ctx, id, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		resp, err := to.SummarizeJob(ctx, &schedulerv1.SummarizeJobRequest{Caller: who, Request: req})
		out = resp.GetResponse()
		return err
	})
	return out, err
}
