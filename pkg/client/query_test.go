package client_test

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
)

func TestListsYieldAllPages(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.pages = 3
		jobs, err1 := collect(r.Jobs(t.Context(), client.JobFilter{State: "running", Submitter: "ann"}))
		tasks, err2 := collect(r.Tasks(t.Context(), "j", client.TaskFilter{States: []string{"FAILED", "lost"}, Host: "h1"}))
		hosts, err3 := collect(r.Hosts(t.Context(), "app=web"))
		must(t, errors.Join(err1, err2, err3))
		if len(jobs) != 3 || jobs[2].ID != "j2" || len(tasks) != 3 || tasks[2].Host != "h2" || len(hosts) != 3 || hosts[2].ID != "h2" {
			t.Errorf("got %v, %v, %v", jobs, tasks, hosts)
		}
		for i, req := range r.access.lists {
			token := ""
			if i%3 > 0 {
				token = fmt.Sprintf("page-%d", i%3)
			}
			switch req := req.(type) {
			case *accessv1.ListJobsRequest:
				if req.GetState() != typesv1.JobState_JOB_STATE_RUNNING || req.GetSubmitter() != "ann" || req.GetPageToken() != token {
					t.Errorf("asked %v", req)
				}
			case *accessv1.ListTasksRequest:
				if fmt.Sprint(req.GetStates()) != "[TASK_STATE_FAILED TASK_STATE_LOST]" || req.GetHost() != "h1" || req.GetPageToken() != token {
					t.Errorf("asked %v", req)
				}
			case *accessv1.ListHostsRequest:
				if req.GetSelector() != "app=web" || req.GetPageToken() != token {
					t.Errorf("asked %v", req)
				}
			}
		}
	})
}

func TestAListStopsWhereTheCallerDoes(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.pages = 100
		n := 0
		for _, err := range r.Hosts(t.Context(), "") {
			must(t, err)
			if n++; n == 2 {
				break
			}
		}
		if len(r.access.lists) != 2 {
			t.Errorf("%d pages were asked for", len(r.access.lists))
		}
	})
}

func TestAPageIsAskedForAgainAndARefusalEndsTheList(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.pages = 2
		r.access.answers["ListHosts"] = []error{nil, unavailable()}
		hosts, err := collect(r.Hosts(t.Context(), ""))
		must(t, err)
		if len(hosts) != 2 {
			t.Errorf("got %v", hosts)
		}
		r.access.answers["ListHosts"] = []error{nil, status.Error(codes.InvalidArgument, "the page token does not belong to this list")}
		hosts, err = collect(r.Hosts(t.Context(), ""))
		wantError(t, err, client.Invalid, "page token")
		if len(hosts) != 1 {
			t.Errorf("got %v", hosts)
		}
	})
}

func TestAFilterThatNamesNoStateSaysWhichThereAre(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		_, err := collect(r.Jobs(t.Context(), client.JobFilter{State: "SUCCEEDED"}))
		wantError(t, err, client.Invalid, `there is no state "SUCCEEDED": give one of RUNNING, PAUSED, STOPPING, DONE, QUARANTINED`)
		_, err = collect(r.Tasks(t.Context(), "j", client.TaskFilter{States: []string{"unspecified"}}))
		wantError(t, err, client.Invalid, "give one of PENDING, DISPATCHED,")
		if len(r.access.lists) != 0 {
			t.Error("the servers were asked")
		}
	})
}

func TestOneJobAndOneHost(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["GetJob"] = []error{unavailable()}
		r.access.answers["GetHost"] = []error{unavailable()}
		j, err := r.Job(t.Context(), "j7")
		must(t, err)
		h, err := r.Host(t.Context(), "h7")
		must(t, err)
		if j.ID != "j7" || h.ID != "h7" {
			t.Errorf("got %v, %v", j, h)
		}
		r.access.answers["GetJob"] = []error{status.Error(codes.NotFound, "no such job")}
		_, err = r.Job(t.Context(), "j8")
		wantError(t, err, client.NotFound, "no such job")
	})
}

func TestACancelIsRepeatedUnderOneRequestID(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		r.access.answers["CancelJob"] = []error{unavailable(), unavailable()}
		j, err := r.Cancel(t.Context(), "j", client.Cancel{KeepRunning: true, ExpectedControlRevision: 4})
		must(t, err)
		if len(r.access.cancels) != 3 || j.State != "STOPPING" {
			t.Fatalf("it was asked %d times: %v", len(r.access.cancels), j)
		}
		for _, c := range r.access.cancels {
			if c.GetRequestId() != r.access.cancels[0].GetRequestId() || len(c.GetRequestId()) < 16 || !c.GetKeepRunning() || c.GetExpectedControlRevision() != 4 {
				t.Errorf("asked %v", c)
			}
		}
		_, err = r.Cancel(t.Context(), "j", client.Cancel{RequestID: "my-own-request-id"})
		must(t, err)
		if got := r.access.cancels[3].GetRequestId(); got != "my-own-request-id" {
			t.Errorf("the caller's own id became %q", got)
		}
	})
}
