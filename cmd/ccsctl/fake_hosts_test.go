package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// hostKey is the key that a host signs its results with.
func hostKey(id fleet.HostID) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(id))
	return ed25519.NewKeyFromSeed(seed[:])
}

// signTask signs a result as its host does. What no host can say, such as
// UNKNOWN, is not signed.
func signTask(id job.ID, t *typesv1.Task) {
	r := t.GetResult()
	claim := capsule.Result{
		JobID: id, Host: fleet.HostID(t.GetHostId()), Incarnation: fleet.Incarnation(t.GetIncarnation()),
		Report: task.Report{
			Attempt: r.GetStatus().GetAttempt(), State: task.State(r.GetStatus().GetState()),
			Exit: task.Exit{Reason: task.Reason(r.GetStatus().GetReason()), Code: r.GetStatus().GetExitCode(), Signal: r.GetStatus().GetSignal()},
		},
		Started: r.GetStartedAt().AsTime(), Ended: r.GetEndedAt().AsTime(),
	}
	for _, o := range r.GetOutputs() {
		ref := job.OutputRef{Stream: job.Stream(o.GetStream()), Size: o.GetSize(), Cut: o.GetCut()}
		copy(ref.Digest[:], o.GetDigest())
		claim.Outputs = append(claim.Outputs, ref)
	}
	r.Signature, _ = capsule.SignResult(claim, hostKey(claim.Host))
}

func (f *fake) hostOf(h fleet.Host) *typesv1.Host {
	out := wire.HostToProto(h)
	out.Attached, out.Since, out.Aggregator = h.ID != "h3", timestamppb.Now(), "aggregator-"+string(h.Room)
	return out
}

func (f *fake) ListHosts(_ context.Context, req *accessv1.ListHostsRequest) (*accessv1.ListHostsResponse, error) {
	if err := f.step("ListHosts"); err != nil {
		return nil, err
	}
	selector, err := fleet.Selector{}, error(nil)
	if req.GetSelector() != "" {
		selector, err = fleet.ParseSelector(req.GetSelector())
	}
	if err != nil {
		return nil, wire.StatusError(err)
	}
	out := &accessv1.ListHostsResponse{}
	for _, h := range f.fleet() {
		if selector.IsZero() || selector.Match(h) {
			out.Hosts = append(out.Hosts, f.hostOf(h))
		}
	}
	return out, nil
}

func (f *fake) GetHost(_ context.Context, req *accessv1.GetHostRequest) (*accessv1.GetHostResponse, error) {
	for _, h := range f.fleet() {
		if string(h.ID) == req.GetHost() || h.Address == req.GetHost() {
			return &accessv1.GetHostResponse{Host: f.hostOf(h)}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "unknown host: no host has the id or IP address %q", req.GetHost())
}

// ExplainTask knows of a task that it is settled, or that it runs since the
// job was accepted and is killed a minute later; h3 is away besides.
func (f *fake) ExplainTask(_ context.Context, req *accessv1.ExplainTaskRequest) (*accessv1.ExplainTaskResponse, error) {
	if err := f.step("ExplainTask"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	j, err := f.find(req.GetJobId())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(j.tasks, func(t *typesv1.Task) bool { return t.GetHostId() == req.GetHost() })
	if i < 0 {
		return nil, status.Errorf(codes.NotFound, "host %q is not a target of job %s", req.GetHost(), req.GetJobId())
	}
	t, since := j.tasks[i], j.job.GetCreatedAt()
	out := &accessv1.ExplainTaskResponse{Job: j.job, Task: t}
	if state := t.GetResult().GetStatus().GetState(); state >= typesv1.TaskState_TASK_STATE_UNKNOWN {
		out.Causes = []*typesv1.Cause{{
			Code: typesv1.CauseCode_CAUSE_CODE_SETTLED, Since: t.GetResult().GetEndedAt(),
			Text: fmt.Sprintf("It is settled: %s; nothing more is expected of it.", task.State(state)),
		}}
		return out, nil
	}
	if t.GetResult().GetStatus().GetState() == typesv1.TaskState_TASK_STATE_PENDING {
		out.Causes = []*typesv1.Cause{f.whyPending(j)}
		for _, other := range j.tasks {
			s := other.GetResult().GetStatus().GetState()
			live := s > typesv1.TaskState_TASK_STATE_PENDING && s < typesv1.TaskState_TASK_STATE_UNKNOWN
			if out.GetCauses()[0].GetCode() == typesv1.CauseCode_CAUSE_CODE_BATCH && live && len(out.GetAtWork()) < 5 {
				out.AtWork = append(out.AtWork, other)
			}
		}
		return out, nil
	}
	out.Causes = []*typesv1.Cause{{
		Code: typesv1.CauseCode_CAUSE_CODE_RUNNING, Since: since, Until: timestamppb.New(since.AsTime().Add(time.Minute)),
		Text: "The command runs; its host kills it at its timeout.",
	}}
	if t.GetHostId() == "h3" {
		out.Causes = append(out.Causes, &typesv1.Cause{
			Code: typesv1.CauseCode_CAUSE_CODE_HOST_AWAY, Since: since,
			Text: "Its host is away; what it has it goes on with, and says when it is back.",
		})
	}
	return out, nil
}

// whyPending is since when a job is paused, or that there are others first.
func (f *fake) whyPending(j *fakeJob) *typesv1.Cause {
	code := map[typesv1.PauseCause]typesv1.CauseCode{
		typesv1.PauseCause_PAUSE_CAUSE_USER:   typesv1.CauseCode_CAUSE_CODE_PAUSED,
		typesv1.PauseCause_PAUSE_CAUSE_POINT:  typesv1.CauseCode_CAUSE_CODE_PAUSE_POINT,
		typesv1.PauseCause_PAUSE_CAUSE_BUDGET: typesv1.CauseCode_CAUSE_CODE_FAILURE_BUDGET,
	}[j.job.GetPauseCause()]
	if code == typesv1.CauseCode_CAUSE_CODE_UNSPECIFIED && j.job.GetBatches() > 1 {
		return &typesv1.Cause{Code: typesv1.CauseCode_CAUSE_CODE_BATCH, Text: "The batch before its own is in progress."}
	}
	if code == typesv1.CauseCode_CAUSE_CODE_UNSPECIFIED {
		return &typesv1.Cause{Code: typesv1.CauseCode_CAUSE_CODE_ORDER, Text: "Targets before it are released first."}
	}
	return &typesv1.Cause{Code: code, Since: timestamppb.New(j.rollout.pausedAt), Text: "The job is paused."}
}
