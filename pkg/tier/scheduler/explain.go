package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// explanation is one task, and why it is where it is.
type explanation struct {
	*taskPage
	spec   job.Spec
	row    job.Row
	causes []job.Cause
	others []job.AtWork // that it waits for
}

// ExplainTask answers as the owner of the job's shard: from its memory, of a job
// that is done from the store, and of one that is quarantined from its record.
func (s *Scheduler) ExplainTask(ctx context.Context, req *schedulerv1.ExplainTaskRequest) (*schedulerv1.ExplainTaskResponse, error) {
	asked := req.GetRequest()
	p, err := s.taskPage(&accessv1.ListTasksRequest{JobId: asked.GetJobId(), Host: asked.GetHost()})
	if err != nil {
		return nil, err
	}
	if p.host == "" {
		return nil, fmt.Errorf("%w: no host is named; say which task of job %s by its host: id or IP address", wire.ErrInvalid, p.id)
	}
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	e := &explanation{taskPage: p}
	err = s.shardOf(p.id).ReadNow(ctx, p.id, e.look)
	if errors.Is(err, job.ErrQuarantined) {
		err = s.lookAside(ctx, e)
	}
	if err != nil {
		return nil, s.of(p.id, err)
	}
	if p.unknown {
		return nil, fmt.Errorf("%w: host %.140q is not a target of job %s", wire.ErrNotFound, p.host, p.id)
	}
	detail, err := s.detailOf(ctx, e)
	if err != nil {
		return nil, err
	}
	s.complete(e, detail)
	out := &accessv1.ExplainTaskResponse{
		Job:    jobToProto(e.spec, e.row),
		Task:   wire.TaskToProto(e.targets, e.ordinals[0], e.views[0], detail),
		Causes: wire.CausesToProto(e.causes),
	}
	for _, other := range e.others {
		out.AtWork = append(out.AtWork, wire.TaskToProto(e.targets, other.Ordinal, other.View, job.Detail{}))
	}
	return &schedulerv1.ExplainTaskResponse{Response: out}, nil
}

// look explains in the shard's goroutine.
func (e *explanation) look(m *job.Machine) {
	e.spec, e.row = m.Spec(), m.Row()
	e.taskPage.look(m.Targets(), m.Task)
	if !e.unknown {
		e.causes = m.Explain(e.ordinals[0])
		e.others = m.WaitsFor(e.causes)
	}
}

// lookAside explains a job that is set aside.
func (s *Scheduler) lookAside(ctx context.Context, e *explanation) error {
	rec, err := s.aside(ctx, e.id)
	if err != nil {
		return err
	}
	e.spec, e.row, e.targets = rec.Spec, rec.Row, rec.Targets
	o, ok := rec.Targets.Find(fleet.HostID(e.host))
	if e.unknown = !ok; e.unknown {
		return nil
	}
	view, causes := rec.SetAside(rec.Spec, o)
	e.ordinals, e.views, e.causes = []uint32{o}, []job.View{view}, causes
	return nil
}

// detailOf is the detail of the outcome that is explained, and not of a later one.
func (s *Scheduler) detailOf(ctx context.Context, e *explanation) (job.Detail, error) {
	rows, err := s.details(ctx, e.taskPage)
	if err != nil {
		return job.Detail{}, err
	}
	row, ok := rows[e.ordinals[0]]
	if !ok || row.Revision != e.views[0].Revision {
		return job.Detail{}, nil
	}
	return row.Detail, nil
}

// complete adds what the machine does not know: when its host says that it ended,
// and where the host was seen last.
func (s *Scheduler) complete(e *explanation, detail job.Detail) {
	host := e.targets.At(e.ordinals[0]).Host
	for i := range e.causes {
		c := &e.causes[i]
		switch {
		case c.Code == job.CauseSettled && !detail.EndedAt.IsZero():
			c.Since = detail.EndedAt
		case c.Code == job.CauseHostAway:
			seen := s.hosts.Last(host)
			c.Via = seen.Via
			if c.Since.IsZero() && seen.Gone {
				c.Since = seen.Since
			}
		case c.Code == job.CauseNotConfirmed:
			via, _ := s.hosts.Via(host)
			if w, waits := s.rooms.Waits(via, e.id, e.ordinals[0]); waits {
				queue := *c
				queue.Code, queue.Since, queue.Ahead, queue.Via, queue.Class = job.CauseClassQueue, w.Since, w.Others, via, e.spec.Class
				e.causes = slices.Insert(e.causes, i, queue)
				return // what stands behind it is that the host has not confirmed it, and no more
			}
		}
	}
}
