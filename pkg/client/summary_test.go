package client_test

import (
	"reflect"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
)

func TestASummaryIsReadAsItIs(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["SummarizeJob"] = []error{unavailable()}
		r.access.summary = &accessv1.SummarizeJobResponse{
			Job:     &typesv1.Job{Id: "j"},
			Slowest: []*typesv1.Task{{HostId: "h1"}}, Silent: []*typesv1.Task{{HostId: "h2", Unreachable: true}}, SilentCount: 7,
			Groups: []*accessv1.ResultGroup{{
				Status:  &typesv1.TaskStatus{State: typesv1.TaskState_TASK_STATE_FAILED, Reason: typesv1.Reason_REASON_SIGNALED, ExitCode: 3, Signal: 9},
				Outputs: []*typesv1.OutputRef{{Stream: typesv1.Stream_STREAM_STDOUT, Digest: []byte{1}, Size: 5}, {Stream: typesv1.Stream_STREAM_STDERR, Cut: 2}},
				Count:   4, Hosts: []string{"h1", "h3"},
			}},
			GroupCount: 60,
		}
		got, err := r.Summarize(t.Context(), "j")
		must(t, err)
		if got.Job.ID != "j" || got.Slowest[0].Host != "h1" || !got.Silent[0].Unreachable || got.SilentCount != 7 || got.GroupCount != 60 {
			t.Errorf("got %+v", got)
		}
		want := []client.Group{{
			State: "FAILED", Reason: "signaled", ExitCode: 3, Signal: 9, Count: 4, Hosts: []string{"h1", "h3"},
			Stdout: client.OutputRef{Digest: "01", Size: 5}, Stderr: client.OutputRef{Cut: 2},
		}}
		if !reflect.DeepEqual(got.Groups, want) {
			t.Errorf("got  %+v\nwant %+v", got.Groups, want)
		}

		r.access.answers["SummarizeJob"] = []error{status.Error(codes.NotFound, "no such job")}
		_, err = r.Summarize(t.Context(), "j")
		wantError(t, err, client.NotFound, "no such job")
	})
}
