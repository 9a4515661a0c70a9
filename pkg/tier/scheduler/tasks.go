package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/wire"
)

// taskPage is what is asked for, and what the shard has found.
type taskPage struct {
	id     job.ID
	host   string // "": all
	states []task.State
	limit  int
	from   uint32

	targets  *job.Targets
	ordinals []uint32
	views    []job.View
	next     string // cursor; "": there is no more
	unknown  bool   // the host is not a target

	aside *asideTasks // of a job that is quarantined, once it was read
}

// list names the list of which this is a page.
func (p *taskPage) list() string {
	return fmt.Sprintf("tasks job=%s host=%q states=%v", p.id, p.host, p.states)
}

// ListTasks lists the tasks of a job by ordinal: live states from the owner's
// memory, the details of outcomes from the store.
func (s *Scheduler) ListTasks(ctx context.Context, req *schedulerv1.ListTasksRequest) (*schedulerv1.ListTasksResponse, error) {
	p, err := s.taskPage(req.GetRequest())
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.budgeted(ctx)
	defer cancel()
	if err := s.read(ctx, p, func(job.Spec, job.Row) {}); err != nil {
		return nil, s.of(p.id, err)
	}
	if p.unknown {
		return nil, fmt.Errorf("%w: host %.140q is not a target of job %s", wire.ErrNotFound, p.host, p.id)
	}
	details, err := s.details(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &accessv1.ListTasksResponse{NextPageToken: store.PageToken(p.list(), p.next)}
	for i, o := range p.ordinals {
		view, detail := p.views[i], job.Detail{}
		if row, ok := details[o]; ok && row.Revision >= view.Revision {
			view.Report, view.Revision, detail = row.Report, row.Revision, row.Detail
		}
		out.Tasks = append(out.Tasks, wire.TaskToProto(p.targets, o, view, detail))
	}
	return &schedulerv1.ListTasksResponse{Response: out}, nil
}

func (s *Scheduler) taskPage(asked *accessv1.ListTasksRequest) (*taskPage, error) {
	id, err := parseID(asked.GetJobId())
	if err != nil {
		return nil, err
	}
	p := &taskPage{id: id, host: asked.GetHost(), states: wire.TaskStatesFromProto(asked.GetStates())}
	slices.Sort(p.states)
	if host, err := s.hosts.Get(p.host); err == nil { // it may be an IP address
		p.host = string(host.ID)
	}
	if p.limit, err = pageSize(asked.GetPageSize()); err != nil {
		return nil, err
	}
	cursor, err := store.Cursor(p.list(), asked.GetPageToken())
	if err != nil || cursor == "" {
		return p, err
	}
	from, err := strconv.ParseUint(cursor, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%w: it is damaged; ask again without a token", store.ErrPageToken)
	}
	p.from = uint32(from)
	return p, nil
}

// look finds the tasks of the page, in the shard's goroutine if they are there.
func (p *taskPage) look(targets *job.Targets, of func(ordinal uint32) job.View) {
	p.targets = targets
	end := uint32(p.targets.Len())
	if p.host != "" {
		o, ok := p.targets.Find(fleet.HostID(p.host))
		if p.unknown = !ok; p.unknown {
			return
		}
		p.from, end = max(p.from, o), o+1
	}
	for o := p.from; o < end; o++ {
		view := of(o)
		if len(p.states) > 0 && !slices.Contains(p.states, view.Report.State) {
			continue
		}
		if len(p.ordinals) == p.limit {
			p.next = strconv.FormatUint(uint64(o), 10)
			return
		}
		p.ordinals, p.views = append(p.ordinals, o), append(p.views, view)
	}
}

// details are the rows of the outcomes on a page. Asking for their states alone
// keeps the answer as short as the page.
func (s *Scheduler) details(ctx context.Context, p *taskPage) (map[uint32]job.TaskRow, error) {
	var states []task.State
	first, last := uint32(0), uint32(0)
	for i, view := range p.views {
		if !view.Report.State.Settled() {
			continue
		}
		if len(states) == 0 {
			first = p.ordinals[i]
		}
		last = p.ordinals[i]
		if !slices.Contains(states, view.Report.State) {
			states = append(states, view.Report.State)
		}
	}
	rows := map[uint32]job.TaskRow{}
	for len(states) > 0 && first <= last {
		found, err := s.store.Tasks(ctx, p.id, store.TaskQuery{From: first, To: last + 1, States: states})
		if err != nil {
			return nil, fmt.Errorf("job %s: cannot read its outcomes: %w", p.id, err)
		}
		for _, row := range found {
			rows[row.Ordinal] = row
			first = row.Ordinal + 1
		}
		if len(found) < store.MaxPage {
			break
		}
	}
	return rows, nil
}
