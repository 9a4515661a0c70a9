package wire

import (
	"math"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// JobToProto is a job as users see it.
func JobToProto(spec job.Spec, targets int, row job.Row) *typesv1.Job {
	out := &typesv1.Job{
		Id:              spec.ID.String(),
		Pool:            spec.Pool,
		Class:           spec.Class,
		Account:         spec.Account,
		Submitter:       spec.Submitter,
		State:           typesv1.JobState(row.State),
		Targets:         uint32(targets), //nolint:gosec // at most job.MaxTargets
		Revision:        row.Revision,
		ControlRevision: row.ControlRevision,
		CreatedAt:       TimeToProto(spec.Created),
		DoneAt:          TimeToProto(row.DoneAt),
		Rollout:         RolloutToProto(spec.Rollout),
		StartBy:         TimeToProto(spec.StartBy),
		Command:         spec.Command,
		Settings:        spec.Settings,
		Selector:        spec.Selector,
		Note:            spec.Note,
		InFlight:        uint32(row.InFlight()), //nolint:gosec // at most job.MaxTargets
	}
	rolloutOf(out, &spec, targets, &row)
	if row.State == job.Quarantined {
		out.QuarantineText = row.Trial.Why
	}
	if !spec.Parent.IsZero() {
		out.ParentId = spec.Parent.String()
	}
	for state, n := range row.Counts.All() {
		count := uint32(n) //nolint:gosec // at most job.MaxTargets
		out.Counts = append(out.Counts, &typesv1.StateCount{State: typesv1.TaskState(state), Count: count})
	}
	return out
}

// rolloutOf says how far a job's rollout has come.
func rolloutOf(out *typesv1.Job, spec *job.Spec, targets int, row *job.Row) {
	out.PauseCause, out.PausedAt = typesv1.PauseCause(row.Pause), TimeToProto(row.PausedAt)
	out.Wish = typesv1.Wish(row.Wish)
	out.Batch, out.Batches = row.Batch+1, uint32(spec.Rollout.BatchesOf(targets)) //nolint:gosec // at most job.MaxTargets
	out.Released = row.Released
	out.NextPauseAfter, out.NextPauseAfterBatch = row.Gate, row.BatchGate
	if budget := spec.Rollout.MaxFailures; budget.Limited {
		bad := spec.Rollout.Bad(row.Counts) - int(row.Forgiven)
		out.Bad, out.Tolerates = uint32(max(bad, 0)), uint32(budget.Of(targets)) //nolint:gosec // at most job.MaxTargets
	}
}

// ResumeFromProto reads how far a resume goes; what this version does not know
// is refused by the job.
func ResumeFromProto(until typesv1.ResumeUntil) job.Until {
	switch until {
	case typesv1.ResumeUntil_RESUME_UNTIL_UNSPECIFIED, typesv1.ResumeUntil_RESUME_UNTIL_END:
		return job.UntilEnd
	case typesv1.ResumeUntil_RESUME_UNTIL_NEXT:
		return job.UntilNext
	case typesv1.ResumeUntil_RESUME_UNTIL_NUMBER:
		return job.UntilNumber
	}
	return math.MaxUint8
}

// TaskToProto is a task as users see it; detail is zero where none is known.
func TaskToProto(targets *job.Targets, ordinal uint32, view job.View, detail job.Detail) *typesv1.Task {
	target := targets.At(ordinal)
	return &typesv1.Task{
		Ordinal:          ordinal,
		HostId:           string(target.Host),
		Incarnation:      target.Incarnation[:],
		Room:             string(targets.Room(ordinal)),
		Result:           ResultToProto(view.Report, detail),
		Revision:         view.Revision,
		Unreachable:      view.Unreachable,
		UnreachableSince: TimeToProto(view.UnreachableSince),
		Overdue:          view.Overdue,
		Since:            TimeToProto(view.Since),
	}
}

// JobStateFromProto reads a filter; 0 is none, and a value that this version does
// not know matches nothing.
func JobStateFromProto(s typesv1.JobState) job.State {
	if s < 0 || s > typesv1.JobState(job.Quarantined) {
		return math.MaxUint8
	}
	return job.State(s)
}

// TaskStatesFromProto reads a filter of states; empty is none, and values that
// this version does not know match nothing.
func TaskStatesFromProto(states []typesv1.TaskState) []task.State {
	out := make([]task.State, len(states))
	for i, s := range states {
		out[i] = task.State(math.MaxUint16)
		if s > 0 && s < math.MaxUint16 {
			out[i] = task.State(s)
		}
	}
	return out
}
