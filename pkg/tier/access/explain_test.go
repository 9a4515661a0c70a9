package access_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

func (s *scheduler) ExplainTask(_ context.Context, req *schedulerv1.ExplainTaskRequest) (*schedulerv1.ExplainTaskResponse, error) {
	if err := s.called("ExplainTask", req.GetCaller().GetSpiffeId()); err != nil {
		return nil, err
	}
	return &schedulerv1.ExplainTaskResponse{Response: &accessv1.ExplainTaskResponse{
		Job: s.job(req.GetRequest().GetJobId()), Task: &typesv1.Task{HostId: req.GetRequest().GetHost()},
		Causes: []*typesv1.Cause{{Code: typesv1.CauseCode_CAUSE_CODE_RUNNING}},
	}}, nil
}

func TestTheOwnerOfAJobExplainsItsTasks(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		s1, s2 := &scheduler{}, &scheduler{fail: notOwner}
		r.scheduler("s2", "standard", s2, everyShard()...)
		r.scheduler("s1", "standard", s1)
		id := idOn(2).String()
		s2.fail = func(method string) error {
			if method != "ExplainTask" {
				return nil
			}
			r.owns("s1", "standard", 2) // it is found out by being refused
			return notOwner(method)
		}
		got, err := r.user.ExplainTask(t.Context(), &accessv1.ExplainTaskRequest{JobId: id, Host: "h1"})
		must(t, err)
		if got.GetJob().GetId() != jobNamed(id, "s1") || got.GetTask().GetHostId() != "h1" || len(got.GetCauses()) != 1 {
			t.Errorf("told was %v", got)
		}
		if s2.count("ExplainTask") != 1 || s1.callers[len(s1.callers)-1] != "spiffe://demo.ccs/user/ann" {
			t.Errorf("asked were s2 %v, s1 %v by %v", s2.calls, s1.calls, s1.callers)
		}
		_, err = r.user.ExplainTask(t.Context(), &accessv1.ExplainTaskRequest{JobId: "42", Host: "h1"})
		wantRefusal(t, err, codes.InvalidArgument, "42")
	})
}
