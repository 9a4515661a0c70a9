package job

import (
	"errors"
	"fmt"
	"time"
)

// Validate says everything that is wrong with a submission at once: each fault
// wraps one of this package's errors and names the field. Now is the
// scheduler's time. Who may submit it, and whether its signature is good, are
// asked elsewhere.
func Validate(spec Spec, targets *Targets, now time.Time) error {
	return errors.Join(
		validateID(spec, now),
		validateTargets(targets),
		validateTexts(spec),
		validateTimes(spec, now),
		validateDurations(spec),
		validateRerun(spec),
		spec.Rollout.Validate(),
	)
}

func validateID(spec Spec, now time.Time) error {
	if !spec.ID.Valid() {
		return fmt.Errorf("id: %w", ErrBadID)
	}
	if off := now.Sub(spec.ID.Time()).Abs(); off > MaxIDSkew {
		return fmt.Errorf("id: %w: it says %s, here it is %s; set the client's clock and submit again under a new id",
			ErrIDClock, stamp(spec.ID.Time()), stamp(now))
	}
	return nil
}

func validateTargets(targets *Targets) error {
	switch {
	case targets == nil || targets.Len() == 0:
		return fmt.Errorf("targets: %w: name a host, or a selector that matches one", ErrEmptyTargets)
	case targets.Len() > MaxTargets:
		return fmt.Errorf("targets: %w: it has %d; split it", ErrTooManyTargets, targets.Len())
	}
	return nil
}

func validateTexts(spec Spec) error {
	return errors.Join(
		validateText("selector", spec.Selector, MaxSelector),
		validateText("note", spec.Note, MaxNote),
	)
}

func validateText(field, text string, limit int) error {
	if len(text) <= limit {
		return nil
	}
	return fmt.Errorf("%s: %w: it has %d bytes, at most %d are taken", field, ErrTooLong, len(text), limit)
}

func validateTimes(spec Spec, now time.Time) error {
	var faults []error
	deadline := spec.Rollout.Deadline
	switch limit := spec.ID.Time().Add(MaxLife); {
	case deadline.IsZero():
		faults = append(faults, fmt.Errorf("rollout.deadline: %w: every job must end; give one, such as in 24 h", ErrNoDeadline))
	case !deadline.After(now):
		faults = append(faults, fmt.Errorf("rollout.deadline: %w: it was %s, here it is %s; give a later one", ErrDeadlinePassed, stamp(deadline), stamp(now)))
	case spec.ID.Valid() && deadline.After(limit):
		faults = append(faults, fmt.Errorf("rollout.deadline: %w: give %s or earlier", ErrDeadlineTooFar, stamp(limit)))
	}
	switch {
	case spec.StartBy.IsZero():
		faults = append(faults, fmt.Errorf("start_by: %w: sign the capsule with a not-after", ErrNoStartBy))
	case !spec.StartBy.After(now):
		faults = append(faults, fmt.Errorf("start_by: %w: it was %s, here it is %s; sign the job again with a later one", ErrStartByPassed, stamp(spec.StartBy), stamp(now)))
	case deadline.After(now) && spec.StartBy.After(deadline):
		faults = append(faults, fmt.Errorf("start_by: %w: %s is after %s; sign an earlier one or give a later deadline", ErrStartByTooLate, stamp(spec.StartBy), stamp(deadline)))
	}
	if spec.NotBefore.After(spec.StartBy) && !spec.StartBy.IsZero() {
		faults = append(faults, fmt.Errorf("not_before: %w: nothing could start between %s and %s", ErrNotBeforeTooFar, stamp(spec.NotBefore), stamp(spec.StartBy)))
	}
	return errors.Join(faults...)
}

func validateDurations(spec Spec) error {
	return errors.Join(
		validateDuration("timeout", spec.Timeout),
		validateDuration("grace", spec.Grace),
		validateDuration("rollout.wait_offline", spec.Rollout.WaitOffline),
	)
}

func validateDuration(field string, d time.Duration) error {
	if d >= 0 {
		return nil
	}
	return fmt.Errorf("%s: %w: %s; give 0 for the default", field, ErrBadDuration, d)
}

func validateRerun(spec Spec) error {
	switch {
	case spec.attempts() == 1:
		return nil
	case spec.RerunUntil.IsZero():
		return fmt.Errorf("rerun_until: %w: %d attempts are allowed, but not until when; sign a rerun_until", ErrBadRerun, spec.MaxAttempts)
	case spec.RerunUntil.After(spec.Rollout.Deadline):
		return fmt.Errorf("rerun_until: %w: %s is after the deadline; sign an earlier one or give a later deadline", ErrBadRerun, stamp(spec.RerunUntil))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
