package scheduler

import (
	"context"
	"errors"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/wire"
)

// asideTasks is a job that is quarantined, and all of its tasks.
type asideTasks struct {
	*store.Record
	views []job.View
}

// aside is the record of a job that is quarantined: no machine is made of it, and
// what is durable can be shown all the same.
func (s *Scheduler) aside(ctx context.Context, id job.ID) (*store.Record, error) {
	rec, err := s.store.LoadJob(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case rec.Shard != s.shardOf(id).ID():
		return nil, &wire.NotOwnerError{Shard: rec.Shard}
	}
	return &rec, nil
}

// read finds a page of tasks: in the memory of the shard, or off the record of a
// job that is set aside. See is told of the job that it is.
func (s *Scheduler) read(ctx context.Context, p *taskPage, see func(job.Spec, job.Row)) error {
	err := s.shardOf(p.id).Read(ctx, p.id, func(m *job.Machine) {
		see(m.Spec(), m.Row())
		p.look(m.Targets(), m.Task)
	})
	if !errors.Is(err, job.ErrQuarantined) {
		return err
	}
	if p.aside == nil {
		rec, err := s.aside(ctx, p.id)
		if err != nil {
			return err
		}
		p.aside = &asideTasks{rec, rec.Aside(rec.Targets.Len())}
	}
	see(p.aside.Spec, p.aside.Row)
	p.look(p.aside.Targets, func(o uint32) job.View { return p.aside.views[o] })
	return nil
}
