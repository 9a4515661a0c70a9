package access_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
)

func (s *scheduler) SummarizeJob(_ context.Context, req *schedulerv1.SummarizeJobRequest) (*schedulerv1.SummarizeJobResponse, error) {
	if err := s.called("SummarizeJob", req.GetCaller().GetSpiffeId()); err != nil {
		return nil, err
	}
	return &schedulerv1.SummarizeJobResponse{Response: &accessv1.SummarizeJobResponse{Job: s.job(req.GetRequest().GetJobId()), GroupCount: 7}}, nil
}

func TestTheOwnerOfAJobSummarizesIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s1, s2 := &scheduler{}, &scheduler{}
		r.scheduler("s1", "standard", s1, 0, 1)
		r.scheduler("s2", "standard", s2, 2, 3)
		id := idOn(2).String()
		got, err := r.user.SummarizeJob(t.Context(), &accessv1.SummarizeJobRequest{JobId: id})
		must(t, err)
		if got.GetJob().GetId() != jobNamed(id, "s2") || got.GetGroupCount() != 7 || s2.callers[len(s2.callers)-1] != "spiffe://demo.ccs/user/ann" {
			t.Errorf("told was %v, asked by %v", got, s2.callers)
		}
		_, err = r.user.SummarizeJob(t.Context(), &accessv1.SummarizeJobRequest{JobId: "42"})
		wantRefusal(t, err, codes.InvalidArgument, "42")
	})
}
