package client_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
)

func (a *access) ExplainTask(_ context.Context, req *accessv1.ExplainTaskRequest) (*accessv1.ExplainTaskResponse, error) {
	since := timestamppb.New(time.Unix(1_700_000_000, 0))
	return &accessv1.ExplainTaskResponse{
		Job:  &typesv1.Job{Id: req.GetJobId(), State: typesv1.JobState_JOB_STATE_RUNNING},
		Task: &typesv1.Task{HostId: req.GetHost(), Result: &typesv1.TaskResult{Status: &typesv1.TaskStatus{State: typesv1.TaskState_TASK_STATE_PENDING}}},
		Causes: []*typesv1.Cause{
			{Code: typesv1.CauseCode_CAUSE_CODE_CONCURRENCY, Since: since, Until: timestamppb.New(since.AsTime().Add(time.Minute)), Text: "2 of at most 2."},
			{Code: typesv1.CauseCode_CAUSE_CODE_HOST_AWAY, Text: "Its host is away."},
			{Code: 99, Text: "Something new."},
		},
	}, a.next("ExplainTask")
}

func TestATaskExplainsItself(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["ExplainTask"] = []error{unavailable(), nil} // it is asked again
		got, err := r.Explain(t.Context(), "j", "h1")
		must(t, err)
		if got.Job.ID != "j" || got.Job.State != "RUNNING" || got.Task.Host != "h1" || got.Task.State != "PENDING" || len(got.Causes) != 3 {
			t.Fatalf("got %+v", got)
		}
		since := time.Unix(1_700_000_000, 0).UTC()
		want := client.Cause{Code: "concurrency", Since: since, Until: since.Add(time.Minute), Text: "2 of at most 2."}
		if got.Causes[0] != want {
			t.Errorf("got %+v, want %+v", got.Causes[0], want)
		}
		if c := got.Causes[1]; c.Code != "host_away" || !c.Since.IsZero() || !c.Until.IsZero() {
			t.Errorf("got %+v", c)
		}
		if c := got.Causes[2]; c.Code != "cause_99" || c.Text != "Something new." {
			t.Errorf("got %+v", c)
		}
	})
}

func TestWhatCannotBeExplainedSaysWhy(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["ExplainTask"] = []error{status.Error(codes.NotFound, "host h9 is not a target of job j")}
		got, err := r.Explain(t.Context(), "j", "h9")
		wantError(t, err, client.NotFound, "h9 is not a target")
		if len(got.Causes) != 0 || got.Job.ID != "" {
			t.Errorf("got %+v besides", got)
		}
	})
}
