package client_test

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

const parentID = "0190a6f0-0000-7000-8000-000000000000"

func TestARolloutArrivesAsItWasRequested(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		request := uptime()
		request.Concurrency = client.Amount{Count: 5}
		request.Order = client.SpreadRooms
		request.Batches = []client.Amount{{Count: 1}, {Percent: 25}}
		request.PauseAfter, request.PauseAfterBatches = []uint32{1, 50}, []uint32{1, 2}
		request.WaitOffline = time.Minute
		request.MaxFailures, request.OnFailure = &client.Budget{Percent: 5}, client.AbortOnFailure
		request.Tolerated = []string{"failed", "UNKNOWN"}
		_, err := r.Run(t.Context(), request)
		must(t, err)
		got := wire.RolloutFromProto(r.access.submitted[0].header.GetRollout())
		want := job.Rollout{
			Concurrency: job.Amount{Count: 5}, Order: job.SpreadRooms, Batches: []job.Amount{{Count: 1}, {Percent: 25}},
			PauseAfter: []uint32{1, 50}, PauseBatches: []uint32{1, 2}, WaitOffline: time.Minute,
			MaxFailures: job.Budget{Limited: true, Percent: 5}, FailureAction: job.AbortOnFailure,
			Tolerated: []task.State{task.Failed, task.Unknown}, Deadline: got.Deadline,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestABudgetOfNothingIsNotNoBudget(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		for _, x := range []struct {
			budget *client.Budget
			want   job.Budget
		}{
			{nil, job.Budget{}},
			{&client.Budget{}, job.Budget{Limited: true}},
			{&client.Budget{Count: 3}, job.Budget{Limited: true, Count: 3}},
		} {
			r.access.submitted = nil
			request := uptime()
			request.MaxFailures = x.budget
			_, err := r.Run(t.Context(), request)
			must(t, err)
			if got := wire.RolloutFromProto(r.access.submitted[0].header.GetRollout()).MaxFailures; got != x.want {
				t.Errorf("%v arrived as %+v", x.budget, got)
			}
		}
	})
}

func TestARolloutThatContradictsItselfIsNotSigned(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		targets := mustResolve(t, r)
		for says, change := range map[string]func(*client.Request){
			"rollout.concurrency":          func(q *client.Request) { q.Concurrency = client.Amount{Count: 1, Percent: 1} },
			"size 2":                       func(q *client.Request) { q.Batches = []client.Amount{{Count: 1}, {}} },
			"give them ascending":          func(q *client.Request) { q.PauseAfter = []uint32{5, 5} },
			"there are no batches":         func(q *client.Request) { q.PauseAfterBatches = []uint32{1} },
			"rollout.max_failures":         func(q *client.Request) { q.MaxFailures = &client.Budget{Count: 1, Percent: 1} },
			"no failure budget that could": func(q *client.Request) { q.OnFailure = client.AbortOnFailure },
			"no failure budget that count": func(q *client.Request) { q.Tolerated = []string{"FAILED"} },
			"together with FAILED":         func(q *client.Request) { q.MaxFailures, q.Tolerated = &client.Budget{}, []string{"UNKNOWN"} },
			`there is no state "broken"`:   func(q *client.Request) { q.MaxFailures, q.Tolerated = &client.Budget{}, []string{"broken"} },
			"is never bad":                 func(q *client.Request) { q.MaxFailures, q.Tolerated = &client.Budget{}, []string{"SUCCEEDED"} },
			"order 7":                      func(q *client.Request) { q.Order = 7 },
			"failure action 7":             func(q *client.Request) { q.MaxFailures, q.OnFailure = &client.Budget{}, 7 },
			"a batch waits":                func(q *client.Request) { q.Batches, q.WaitOffline = []client.Amount{{Count: 1}}, -1 },
			"attempts must be":             func(q *client.Request) { q.Command.Attempts = 101 },
			"attempts of 2 or more":        func(q *client.Request) { q.RerunUntil = time.Hour },
			"rerun-until 48h0m0s":          func(q *client.Request) { q.Command.Attempts, q.RerunUntil = 2, 48*time.Hour },
			"a ping is not rerun":          func(q *client.Request) { q.Command = client.Command{Ping: true, Attempts: 2} },
			"the job to retry":             func(q *client.Request) { q.RetryOf = "42" },
		} {
			request := uptime()
			change(&request)
			_, err := r.Sign(request, targets)
			wantError(t, err, client.Invalid, says)
		}
	})
}

func TestACommandIsStartedAgainOnlyWhereThatIsSigned(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		began := time.Now()
		for _, x := range []struct {
			attempts int
			until    time.Duration
			recovery capsule.Recovery
			max      uint16
			wantAt   time.Time
		}{
			{0, 0, capsule.RecoveryReport, 1, time.Time{}},
			{1, 0, capsule.RecoveryReport, 1, time.Time{}},
			{3, 0, capsule.RecoveryRerun, 3, began.Add(client.DefaultDeadline)},
			{3, time.Hour, capsule.RecoveryRerun, 3, began.Add(time.Hour)},
		} {
			r.access.submitted = nil
			request := uptime()
			request.Command.Attempts, request.RerunUntil = x.attempts, x.until
			_, err := r.Run(t.Context(), request)
			must(t, err)
			p, err := capsule.Open(wire.EnvelopeFromProto(r.access.submitted[0].header.GetCapsule()))
			must(t, err)
			if p.Command.Recovery != x.recovery || p.Command.MaxAttempts != x.max || !p.RerunUntil.Equal(x.wantAt) {
				t.Errorf("%d attempts, until %s: signed was %v, %d, %s", x.attempts, x.until, p.Command.Recovery, p.Command.MaxAttempts, p.RerunUntil)
			}
		}
	})
}

func TestARetryIsResolvedByItsParentAndSignedWithIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		_, err := r.Retry(t.Context(), parentID, []string{"failed", "LOST"}, client.Request{Command: client.Command{Argv: []string{"uptime"}}})
		must(t, err)
		want := &accessv1.TargetQuery{ParentJobId: parentID, Outcomes: []typesv1.TaskState{
			typesv1.TaskState_TASK_STATE_FAILED, typesv1.TaskState_TASK_STATE_LOST,
		}}
		if !proto.Equal(r.access.queries[0], want) {
			t.Errorf("asked was %v", r.access.queries[0])
		}
		p, err := capsule.Open(wire.EnvelopeFromProto(r.access.submitted[0].header.GetCapsule()))
		must(t, err)
		if p.Parent.String() != parentID || p.JobID == p.Parent {
			t.Errorf("job %s is signed as a retry of %s", p.JobID, p.Parent)
		}

		_, err = r.Run(t.Context(), uptime())
		must(t, err)
		p, err = capsule.Open(wire.EnvelopeFromProto(r.access.submitted[1].header.GetCapsule()))
		must(t, err)
		if !p.Parent.IsZero() {
			t.Errorf("a job that retries none is signed as a retry of %s", p.Parent)
		}
	})
}

func TestARetryThatCannotBeAsksNobody(t *testing.T) {
	inBubble(t, func(r *rig) {
		t := r.t
		_, err := r.Retry(t.Context(), "", nil, uptime())
		wantError(t, err, client.Invalid, "no job is named")
		_, err = r.Retry(t.Context(), parentID, []string{"broken"}, uptime())
		wantError(t, err, client.Invalid, `there is no state "broken"`)
		_, err = r.Retry(t.Context(), parentID, []string{""}, uptime())
		wantError(t, err, client.Invalid, "is empty")
		if len(r.access.queries) != 0 {
			t.Error("the servers were asked")
		}
	})
}
