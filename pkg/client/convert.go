package client

import (
	"encoding/hex"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

func jobFrom(j *typesv1.Job) Job {
	out := Job{
		ID: j.GetId(), State: word(j.GetState().String(), "JOB_STATE_"), Pool: j.GetPool(), Class: j.GetClass(),
		Account: j.GetAccount(), Submitter: j.GetSubmitter(), Command: j.GetCommand(), Settings: j.GetSettings(), Selector: j.GetSelector(), Note: j.GetNote(),
		Targets: int(j.GetTargets()), InFlight: int(j.GetInFlight()), Counts: map[string]int{},
		Revision: j.GetRevision(), ControlRevision: j.GetControlRevision(),
		Concurrency: Amount{Count: j.GetRollout().GetConcurrency().GetCount(), Percent: j.GetRollout().GetConcurrency().GetPercent()},
		CreatedAt:   timeFrom(j.GetCreatedAt()), StartBy: timeFrom(j.GetStartBy()),
		Deadline: timeFrom(j.GetRollout().GetDeadline()), DoneAt: timeFrom(j.GetDoneAt()), ParentID: j.GetParentId(),
		Released: int(j.GetReleased()), Batch: int(j.GetBatch()), Batches: int(j.GetBatches()),
		NextPauseAfter: int(j.GetNextPauseAfter()), NextPauseAfterBatch: int(j.GetNextPauseAfterBatch()),
		Bad: int(j.GetBad()), Tolerates: int(j.GetTolerates()), Quarantine: j.GetQuarantineText(), PausedAt: timeFrom(j.GetPausedAt()),
	}
	if wish := j.GetWish(); wish != typesv1.Wish_WISH_UNSPECIFIED {
		out.Wish = strings.ToLower(word(wish.String(), "WISH_"))
	}
	if cause := j.GetPauseCause(); cause != typesv1.PauseCause_PAUSE_CAUSE_UNSPECIFIED {
		out.PauseCause = strings.ToLower(word(cause.String(), "PAUSE_CAUSE_"))
	}
	if budget := j.GetRollout().GetMaxFailures(); budget != nil {
		out.MaxFailures = &Budget{Count: budget.GetCount(), Percent: budget.GetPercent()}
	}
	out.addRollout(j.GetRollout())
	for _, c := range j.GetCounts() {
		out.Counts[word(c.GetState().String(), "TASK_STATE_")] = int(c.GetCount())
	}
	return out
}

// addRollout adds what is only shown. An order or an action that this version does
// not know is taken for the first one.
func (j *Job) addRollout(r *typesv1.Rollout) {
	if r.GetOrder() == typesv1.ReleaseOrder_RELEASE_ORDER_SPREAD_ROOMS {
		j.Order = SpreadRooms
	}
	if r.GetFailureAction() == typesv1.FailureAction_FAILURE_ACTION_ABORT {
		j.OnFailure = AbortOnFailure
	}
	for _, b := range r.GetBatches() {
		j.BatchSizes = append(j.BatchSizes, Amount{Count: b.GetCount(), Percent: b.GetPercent()})
	}
	for _, s := range r.GetTolerated() {
		j.Tolerated = append(j.Tolerated, word(s.String(), "TASK_STATE_"))
	}
	j.PauseAfter, j.PauseAfterBatches = r.GetPauseAfter(), r.GetPauseAfterBatches()
	if r.GetWaitOffline() != nil {
		j.WaitOffline = r.GetWaitOffline().AsDuration()
	}
}

func taskFrom(t *typesv1.Task) Task {
	r, s := t.GetResult(), t.GetResult().GetStatus()
	out := Task{
		Ordinal: int(t.GetOrdinal()), Host: t.GetHostId(), Room: t.GetRoom(), Incarnation: hex.EncodeToString(t.GetIncarnation()),
		State: word(s.GetState().String(), "TASK_STATE_"), Attempt: int(s.GetAttempt()),
		ExitCode: int(s.GetExitCode()), Signal: int(s.GetSignal()), Message: r.GetMessage(),
		StartedAt: timeFrom(r.GetStartedAt()), EndedAt: timeFrom(r.GetEndedAt()),
		Revision: t.GetRevision(), Unreachable: t.GetUnreachable(), UnreachableSince: timeFrom(t.GetUnreachableSince()),
		Overdue: t.GetOverdue(), Since: timeFrom(t.GetSince()), Signature: r.GetSignature(),
	}
	out.Reason = reasonFrom(s.GetReason())
	out.Stdout, out.Stderr = outputsFrom(r.GetOutputs())
	return out
}

func reasonFrom(r typesv1.Reason) string {
	if r == typesv1.Reason_REASON_UNSPECIFIED {
		return ""
	}
	return strings.ToLower(word(r.String(), "REASON_"))
}

func outputsFrom(refs []*typesv1.OutputRef) (stdout, stderr OutputRef) {
	for _, o := range refs {
		ref := OutputRef{Digest: hex.EncodeToString(o.GetDigest()), Size: o.GetSize(), Cut: o.GetCut(), Tail: o.GetTail()}
		switch o.GetStream() {
		case typesv1.Stream_STREAM_STDOUT:
			stdout = ref
		case typesv1.Stream_STREAM_STDERR:
			stderr = ref
		case typesv1.Stream_STREAM_UNSPECIFIED:
		}
	}
	return stdout, stderr
}

func hostFrom(h *typesv1.Host) Host {
	return Host{
		ID: h.GetId(), Address: h.GetAddress(), Room: h.GetRoom(), Labels: h.GetLabels(), Facts: h.GetFacts(),
		Incarnation: hex.EncodeToString(h.GetIncarnation()), KeyState: word(h.GetKeyState().String(), "KEY_STATE_"),
		Attached: h.GetAttached(), Since: timeFrom(h.GetSince()), Aggregator: h.GetAggregator(),
	}
}

// word is an enum value as people say it. A value that this version does not
// know stays a number.
func word(name, prefix string) string { return strings.TrimPrefix(name, prefix) }

func timeFrom(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
