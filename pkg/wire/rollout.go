package wire

import (
	"math"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// RolloutToProto is the wire form of a rollout.
func RolloutToProto(r job.Rollout) *typesv1.Rollout {
	out := &typesv1.Rollout{
		Concurrency:   amountToProto(r.Concurrency),
		PauseAfter:    r.PauseAfter,
		MaxFailures:   amountToProto(r.MaxFailures),
		FailureAction: typesv1.FailureAction(r.FailureAction),
		WaitOffline:   DurationToProto(r.WaitOffline),
		Deadline:      TimeToProto(r.Deadline),
	}
	for _, b := range r.Batches {
		out.Batches = append(out.Batches, amountToProto(b))
	}
	return out
}

// RolloutFromProto reads a rollout; job.Validate judges it.
func RolloutFromProto(r *typesv1.Rollout) job.Rollout {
	out := job.Rollout{
		Concurrency:   amountFromProto(r.GetConcurrency()),
		PauseAfter:    r.GetPauseAfter(),
		MaxFailures:   amountFromProto(r.GetMaxFailures()),
		FailureAction: failureActionFromProto(r.GetFailureAction()),
		WaitOffline:   DurationFromProto(r.GetWaitOffline()),
		Deadline:      TimeFromProto(r.GetDeadline()),
	}
	for _, b := range r.GetBatches() {
		out.Batches = append(out.Batches, amountFromProto(b))
	}
	return out
}

// failureActionFromProto makes an action that this version does not know one
// that no job has, so that it is refused and not taken for another.
func failureActionFromProto(a typesv1.FailureAction) job.FailureAction {
	if a < 0 || a > typesv1.FailureAction(job.AbortOnFailure) {
		return math.MaxUint8
	}
	return job.FailureAction(a)
}

func amountToProto(a job.Amount) *typesv1.Amount {
	switch {
	case a.Count > 0:
		return &typesv1.Amount{Kind: &typesv1.Amount_Count{Count: a.Count}}
	case a.Percent > 0:
		return &typesv1.Amount{Kind: &typesv1.Amount_Percent{Percent: a.Percent}}
	}
	return nil
}

// amountFromProto makes an amount that was given as 0 an invalid one, so that
// it is refused and not taken for "no limit".
func amountFromProto(a *typesv1.Amount) job.Amount {
	switch kind := a.GetKind().(type) {
	case *typesv1.Amount_Count:
		if kind.Count == 0 {
			return job.Amount{Count: 1, Percent: 1}
		}
		return job.Amount{Count: kind.Count}
	case *typesv1.Amount_Percent:
		if kind.Percent == 0 {
			return job.Amount{Count: 1, Percent: 1}
		}
		return job.Amount{Percent: kind.Percent}
	}
	return job.Amount{}
}
