package scheduler

import (
	"context"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/summary"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of calls that read all of a job.
const (
	mostReaders = 2           // at a time
	readBudget  = time.Minute // of one
	readPiece   = 5 * store.MaxPage
)

// readWhole waits until a call may begin that reads all of a job. The context is
// the one to go on with; leave must be called.
func (s *Scheduler) readWhole(ctx context.Context) (_ context.Context, leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readBudget, errSlow)
	select {
	case s.readers <- struct{}{}:
		return ctx, func() { <-s.readers; cancel() }, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
		cancel()
		return nil, nil, err
	}
}

// SummarizeJob says what stands out in a job, as its owner. The shard is asked
// for a piece of the job at a time and does nothing but show it; all else is done
// here, beside it. Tasks that change meanwhile are seen before or after.
func (s *Scheduler) SummarizeJob(ctx context.Context, req *schedulerv1.SummarizeJobRequest) (*schedulerv1.SummarizeJobResponse, error) {
	id, err := parseID(req.GetRequest().GetJobId())
	if err != nil {
		return nil, err
	}
	ctx, leave, err := s.readWhole(ctx)
	if err != nil {
		return nil, s.of(id, err)
	}
	defer leave()
	sum := &summing{Scheduler: s, id: id}
	if err := sum.read(ctx); err != nil {
		return nil, s.of(id, err)
	}
	out, err := sum.answer(ctx)
	if err != nil {
		return nil, s.of(id, err)
	}
	return &schedulerv1.SummarizeJobResponse{Response: out}, nil
}

// summing is a summary that is being made.
type summing struct {
	*Scheduler
	id      job.ID
	spec    job.Spec
	row     job.Row
	targets *job.Targets
	summary *summary.Summary
}

// read tells the summary every task.
func (s *summing) read(ctx context.Context) error {
	for p := (&taskPage{id: s.id, limit: s.readPiece}); ; {
		if err := s.show(ctx, p); err != nil {
			return err
		}
		if s.summary == nil {
			s.targets = p.targets
			s.summary = summary.New(p.targets.Len(), time.Now())
		}
		details, err := s.details(ctx, p)
		if err != nil {
			return err
		}
		for i, o := range p.ordinals {
			view, detail := p.views[i], job.Detail{}
			if row, ok := details[o]; ok && row.Revision >= view.Revision && view.Report.State.Settled() {
				view.Report, detail = row.Report, row.Detail
			}
			s.summary.Add(o, view, detail)
		}
		if p.next == "" {
			return nil
		}
		p.from, p.next = p.ordinals[len(p.ordinals)-1]+1, ""
		p.ordinals, p.views = p.ordinals[:0], p.views[:0]
	}
}

// show has the shard show a piece of the job.
func (s *summing) show(ctx context.Context, p *taskPage) error {
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	return s.Scheduler.read(ctx, p, func(spec job.Spec, row job.Row) { s.spec, s.row = spec, row })
}

// answer is the summary for users.
func (s *summing) answer(ctx context.Context) (*accessv1.SummarizeJobResponse, error) {
	out := &accessv1.SummarizeJobResponse{Job: jobToProto(s.spec, s.row)}
	for _, t := range s.summary.Slowest() {
		out.Slowest = append(out.Slowest, wire.TaskToProto(s.targets, t.Ordinal, t.View, t.Detail))
	}
	silent, all := s.summary.Silent()
	out.SilentCount = uint32(all)
	for _, t := range silent {
		out.Silent = append(out.Silent, wire.TaskToProto(s.targets, t.Ordinal, t.View, t.Detail))
	}
	groups, kinds := s.summary.Groups()
	out.GroupCount = uint32(kinds)
	for _, g := range groups {
		of, err := s.group(ctx, g)
		if err != nil {
			return nil, err
		}
		if of != nil {
			out.Groups = append(out.Groups, of)
		}
	}
	return out, nil
}

// group is a group with what its tasks have in common, as the store has it; nil
// if none of those that are known by name is in it any more, by late truth.
func (s *summing) group(ctx context.Context, g summary.Group) (*accessv1.ResultGroup, error) {
	out := &accessv1.ResultGroup{Count: uint32(g.Count)}
	for _, o := range g.Ordinals {
		out.Hosts = append(out.Hosts, string(s.targets.At(o).Host))
	}
	for _, o := range g.Ordinals {
		rows, err := s.store.Tasks(ctx, s.id, store.TaskQuery{From: o, To: o + 1})
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 && g.Has(rows[0].Report, rows[0].Detail) {
			out.Status, out.Outputs = wire.StatusToProto(rows[0].Report), wire.OutputsToProto(rows[0].Detail.Outputs)
			out.Status.Attempt = 0 // they may have come by different ones
			return out, nil
		}
	}
	return nil, nil
}
