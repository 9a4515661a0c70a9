package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/wire"
)

// retried are the outcomes that a retry means if it names none: the bad ones
// after which the command certainly does not run.
func retried() []task.State {
	return slices.DeleteFunc(task.States(), func(s task.State) bool {
		return !s.Bad() || s == task.Unknown || s == task.Lost
	})
}

// foundAgain is the hosts of a retry: the targets of the parent that ended so,
// as they are today. The outcomes are durable, so that any scheduler can tell,
// whoever owns the parent.
func (s *Scheduler) foundAgain(ctx context.Context, asked *accessv1.TargetQuery) ([]fleet.Host, error) {
	parent, outcomes, err := retryOf(asked)
	if err != nil {
		return nil, err
	}
	ctx, leave, err := s.readWhole(ctx)
	if err != nil {
		return nil, s.of(parent, err)
	}
	defer leave()
	rec, err := s.store.LoadJob(ctx, parent)
	if errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrPurged) {
		return nil, fmt.Errorf("%w: there is no job %s that could be retried", wire.ErrNotFound, parent)
	}
	if err != nil {
		return nil, s.of(parent, err)
	}
	var ids []fleet.HostID
	for i := range rec.Tasks {
		if row := &rec.Tasks[i]; slices.Contains(outcomes, row.Report.State) {
			ids = append(ids, rec.Targets.At(row.Ordinal).Host)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: no task of job %s has ended as %s: there is nothing to retry, or name other outcomes", wire.ErrInvalid, parent, names(outcomes))
	}
	if err := s.endedBefore(ctx, rec.Spec.Parent, ids); err != nil {
		return nil, s.of(parent, err)
	}
	found, err := s.hosts.Now(ids)
	if err != nil {
		return nil, fmt.Errorf("%w: job %s cannot be retried on all of its %d targets that ended as %s: %w", wire.ErrInvalid, parent, len(ids), names(outcomes), err)
	}
	return found, nil
}

// mostAncestors bounds how far back a retry of a retry is followed. Who retries
// more often than that has seen what becomes of it.
const mostAncestors = 16

// endedBefore says whether the task of a job has ended on each of these hosts, and
// those of the jobs that it retries in its turn. A host refuses a retry while the
// parent that it names lives there, and nothing more: what a retry that was never
// started has retried may live on behind it.
func (s *Scheduler) endedBefore(ctx context.Context, ancestor job.ID, ids []fleet.HostID) error {
	for range mostAncestors {
		if ancestor.IsZero() {
			return nil
		}
		rec, err := s.store.LoadJob(ctx, ancestor)
		if errors.Is(err, store.ErrNotFound) {
			return nil // not kept any more: it has long ended
		}
		if err != nil {
			return err
		}
		if live := notEnded(&rec, ids); len(live) > 0 {
			return fmt.Errorf("%w: it is a retry itself, and the task of job %s, which came before it, has not ended on %d of its hosts, such as %s: wait for its end, or retry that job with the outcomes named",
				wire.ErrInvalid, ancestor, len(live), live[0])
		}
		ancestor = rec.Spec.Parent
	}
	return nil
}

// notEnded are those of the hosts that may still run their task of a job.
func notEnded(rec *store.Record, ids []fleet.HostID) (live []fleet.HostID) {
	views := rec.Aside(rec.Targets.Len())
	for _, id := range ids {
		if o, ok := rec.Targets.Find(id); ok && views[o].Released && !views[o].Report.State.Final() {
			live = append(live, id)
		}
	}
	return live
}

// retryOf reads a query for a retry.
func retryOf(asked *accessv1.TargetQuery) (parent job.ID, outcomes []task.State, err error) {
	switch {
	case asked.GetParentJobId() == "":
		return parent, nil, fmt.Errorf("%w: outcomes are asked for, and no job that they are of", wire.ErrInvalid)
	case len(asked.GetHosts()) > 0 || asked.GetSelector() != "" || asked.GetAll():
		return parent, nil, fmt.Errorf("%w: a retry runs on targets of the job that it retries; leave out hosts, selector and all", wire.ErrInvalid)
	}
	if parent, err = parseID(asked.GetParentJobId()); err != nil {
		return parent, nil, err
	}
	outcomes = wire.TaskStatesFromProto(asked.GetOutcomes())
	for _, o := range outcomes {
		if !slices.Contains(task.States(), o) || !o.Settled() {
			return parent, nil, fmt.Errorf("%w: %s is no outcome of a task; name such as %s", wire.ErrInvalid, o, names(retried()))
		}
	}
	if len(outcomes) == 0 {
		outcomes = retried()
	}
	return parent, outcomes, nil
}

// names are states in words.
func names(states []task.State) string {
	var out []string
	for _, s := range states {
		out = append(out, s.String())
	}
	return strings.Join(out, ", ")
}
