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
		MaxFailures:   budgetToProto(r.MaxFailures),
		FailureAction: typesv1.FailureAction(r.FailureAction),
		Order:         orderToProto(r.Order),

		PauseAfterBatches: r.PauseBatches,
		WaitOffline:       DurationToProto(r.WaitOffline),
		Deadline:          TimeToProto(r.Deadline),
	}
	for _, b := range r.Batches {
		out.Batches = append(out.Batches, amountToProto(b))
	}
	for _, s := range r.Tolerated {
		out.Tolerated = append(out.Tolerated, typesv1.TaskState(s))
	}
	return out
}

// RolloutFromProto reads a rollout; job.Validate judges it.
func RolloutFromProto(r *typesv1.Rollout) job.Rollout {
	out := job.Rollout{
		Concurrency:   amountFromProto(r.GetConcurrency()),
		PauseAfter:    r.GetPauseAfter(),
		MaxFailures:   budgetFromProto(r.GetMaxFailures()),
		FailureAction: failureActionFromProto(r.GetFailureAction()),
		Order:         orderFromProto(r.GetOrder()),
		PauseBatches:  r.GetPauseAfterBatches(),
		Tolerated:     TaskStatesFromProto(r.GetTolerated()),
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

// orderFromProto makes an order that this version does not know one that no job
// has, so that it is refused and not taken for another.
func orderFromProto(o typesv1.ReleaseOrder) job.Order {
	switch o {
	case typesv1.ReleaseOrder_RELEASE_ORDER_UNSPECIFIED, typesv1.ReleaseOrder_RELEASE_ORDER_AS_LISTED:
		return job.AsListed
	case typesv1.ReleaseOrder_RELEASE_ORDER_SPREAD_ROOMS:
		return job.SpreadRooms
	}
	return math.MaxUint8
}

func orderToProto(o job.Order) typesv1.ReleaseOrder {
	if o == job.SpreadRooms {
		return typesv1.ReleaseOrder_RELEASE_ORDER_SPREAD_ROOMS
	}
	return typesv1.ReleaseOrder_RELEASE_ORDER_AS_LISTED
}

// budgetToProto keeps a budget of nothing apart from none: there 0 is a number.
func budgetToProto(b job.Budget) *typesv1.Amount {
	switch {
	case !b.Limited:
		return nil
	case b.Percent > 0:
		return &typesv1.Amount{Kind: &typesv1.Amount_Percent{Percent: b.Percent}}
	}
	return &typesv1.Amount{Kind: &typesv1.Amount_Count{Count: b.Count}}
}

// budgetFromProto takes 0 percent for no failure at all, and an amount without a
// kind for one that is refused: whoever sent it meant something.
func budgetFromProto(a *typesv1.Amount) job.Budget {
	switch kind := a.GetKind().(type) {
	case *typesv1.Amount_Count:
		return job.Budget{Limited: true, Count: kind.Count}
	case *typesv1.Amount_Percent:
		return job.Budget{Limited: true, Percent: kind.Percent}
	}
	if a != nil {
		return job.Budget{Limited: true, Count: 1, Percent: 1}
	}
	return job.Budget{}
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
