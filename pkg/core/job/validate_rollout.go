package job

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Validate lists every fault of the control information but its times, which
// the function Validate judges with those of the job: each wraps an error of this
// package and names the field. What would be taken and not kept is refused.
func (r *Rollout) Validate() error {
	return errors.Join(
		validateAmounts(r),
		validatePoints("rollout.pause_after", r.PauseAfter),
		validatePoints("rollout.pause_after_batches", r.PauseBatches),
		validateBudget(r),
		validateTolerated(r),
		rolloutFault(r.Order > SpreadRooms, "order", "it is not known here; leave it out, or give as-listed or spread-rooms"),
		rolloutFault(len(r.PauseBatches) > 0 && len(r.Batches) == 0, "pause_after_batches", "there are no batches; give their sizes, or use pause_after"),
	)
}

func rolloutFault(is bool, field, text string) error {
	if !is {
		return nil
	}
	return fmt.Errorf("rollout.%s: %w: %s", field, ErrBadRollout, text)
}

func validateAmounts(r *Rollout) error {
	var faults []error
	if !r.Concurrency.IsZero() && !r.Concurrency.Valid() {
		faults = append(faults, fmt.Errorf("rollout.concurrency: %w", ErrBadAmount))
	}
	if len(r.Batches) > MaxSteps {
		faults = append(faults, rolloutFault(true, "batches", fmt.Sprintf("there are %d sizes, at most %d are taken; the last one repeats", len(r.Batches), MaxSteps)))
	}
	for i, b := range r.Batches {
		if !b.Valid() {
			faults = append(faults, fmt.Errorf("rollout.batches: size %d: %w", i+1, ErrBadAmount))
			break
		}
	}
	return errors.Join(faults...)
}

func validatePoints(field string, points []uint32) error {
	switch {
	case len(points) > MaxSteps:
		return fmt.Errorf("%s: %w: there are %d points, at most %d are taken", field, ErrBadRollout, len(points), MaxSteps)
	case len(points) > 0 && points[0] == 0:
		return fmt.Errorf("%s: %w: a pause point is after 1 or more", field, ErrBadRollout)
	}
	for i := 1; i < len(points); i++ {
		if points[i] <= points[i-1] {
			return fmt.Errorf("%s: %w: %d comes after %d; give them ascending", field, ErrBadRollout, points[i], points[i-1])
		}
	}
	return nil
}

func validateBudget(r *Rollout) error {
	b := r.MaxFailures
	switch {
	case b.Percent > 100 || b.Percent > 0 && b.Count > 0 || !b.Limited && b != (Budget{}):
		return fmt.Errorf("rollout.max_failures: %w, or 0 for none", ErrBadAmount)
	case r.FailureAction > AbortOnFailure:
		return rolloutFault(true, "failure_action", "it is not known here; give pause or abort")
	case !b.Limited && r.FailureAction != DefaultAction:
		return rolloutFault(true, "failure_action", "there is no failure budget that could be spent; give max_failures")
	}
	return nil
}

// validateTolerated keeps what a budget may be blind to within what is honest:
// what nobody heard of may not count as well while a known failure counts as
// bad (architecture section 5, promise 3).
func validateTolerated(r *Rollout) error {
	if len(r.Tolerated) == 0 {
		return nil
	}
	var faults []error
	for _, s := range r.Tolerated {
		if s.Means() == "" { // before it is looked for in a mask: that has a bit for 64 numbers
			faults = append(faults, rolloutFault(true, "tolerated", "it has a state that is not known here; leave it out"))
		} else if !canBeBad().has(s) {
			faults = append(faults, rolloutFault(true, "tolerated", fmt.Sprintf("%s is never bad; leave it out", s)))
		}
	}
	faults = append(faults,
		rolloutFault(!r.MaxFailures.Limited, "tolerated", "there is no failure budget that counts outcomes; give max_failures"),
		rolloutFault(slices.Contains(r.Tolerated, task.Unknown) && !slices.Contains(r.Tolerated, task.Failed), "tolerated",
			"UNKNOWN may be a failure that was not heard; it can be tolerated only together with FAILED"))
	return errors.Join(faults...)
}
