package client

import (
	"time"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// rolloutOf is the control information of a request. All that contradicts itself
// is said here: nothing may be lost on the way to the servers.
func rolloutOf(r Request, deadline time.Time) (*typesv1.Rollout, error) {
	out := job.Rollout{
		Concurrency:  job.Amount(r.Concurrency),
		PauseAfter:   r.PauseAfter,
		PauseBatches: r.PauseAfterBatches,
		WaitOffline:  r.WaitOffline,
		Deadline:     deadline,
	}
	var err error
	if out.Tolerated, err = outcomesOf(r.Tolerated); err != nil {
		return nil, err
	}
	for _, b := range r.Batches {
		out.Batches = append(out.Batches, job.Amount(b))
	}
	switch r.Order {
	case AsListed:
	case SpreadRooms:
		out.Order = job.SpreadRooms
	default:
		return nil, invalid("order %d is none: give AsListed or SpreadRooms", r.Order)
	}
	if b := r.MaxFailures; b != nil {
		out.MaxFailures = job.Budget{Limited: true, Count: b.Count, Percent: b.Percent}
	}
	switch {
	case r.OnFailure == AbortOnFailure:
		out.FailureAction = job.AbortOnFailure
	case r.OnFailure != PauseOnFailure:
		return nil, invalid("failure action %d is none: give PauseOnFailure or AbortOnFailure", r.OnFailure)
	}
	if r.WaitOffline < 0 {
		return nil, invalid("how long a batch waits for hosts that are away must not be negative; leave it out for the default")
	}
	if err := out.Validate(); err != nil {
		return nil, invalid("%s", err)
	}
	return wire.RolloutToProto(out), nil
}

// outcomesOf reads names of states.
func outcomesOf(names []string) (out []task.State, err error) {
	states, err := statesOf(names)
	if err != nil {
		return nil, err
	}
	return wire.TaskStatesFromProto(states), nil
}

func statesOf(names []string) (out []typesv1.TaskState, err error) {
	for _, name := range names {
		s, err := enum(typesv1.TaskState_value, "TASK_STATE_", name)
		if err != nil {
			return nil, err
		}
		if s == 0 {
			return nil, invalid("the name of an outcome is empty: give one such as FAILED")
		}
		out = append(out, typesv1.TaskState(s))
	}
	return out, nil
}
