package scheduler

import (
	"context"
	"time"

	"google.golang.org/grpc"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of a watch.
const (
	leastPace    = time.Millisecond      // between two looks at one job, after a quiet time
	mostPace     = 20 * time.Millisecond // while changes keep coming
	watchedTasks = 500                   // in one message
)

// nextPace is the pause before the look after the next one: what happens now and
// then is told at once, and what happens all the time is told together.
func nextPace(pace, quiet time.Duration) time.Duration {
	if quiet > mostPace {
		return leastPace
	}
	return min(2*pace, mostPace)
}

// watching is one viewer: it holds a revision and what is being sent, so that a
// viewer that stalls costs one page of tasks, and that for [viewerTimeout].
type watching struct {
	*Scheduler
	id    job.ID
	out   grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]
	after uint64 // everything up to this revision has been sent
	told  bool   // anything has been sent

	targets *job.Targets
	spec    job.Spec
	row     job.Row
}

// WatchJob sends what is known of a job and then every change, until it is done.
// Changes that come faster than the viewer takes them are sent together.
func (s *Scheduler) WatchJob(req *schedulerv1.WatchJobRequest, out grpc.ServerStreamingServer[schedulerv1.WatchJobResponse]) error {
	id, err := parseID(req.GetRequest().GetJobId())
	if err != nil {
		return err
	}
	user := req.GetCaller().GetUser()
	if ok, _ := s.watches.try(user, 1); !ok {
		return busy(errManyWatches)
	}
	defer s.watches.giveBack(user, 1)
	ctx := out.Context()
	registering, cancel := s.budgeted(ctx)
	watcher, err := s.shardOf(id).Watch(registering, id)
	cancel()
	if err != nil {
		return s.of(id, err)
	}
	defer watcher.Close()
	w := &watching{Scheduler: s, id: id, out: out, after: req.GetRequest().GetAfterRevision()}
	for pace := leastPace; ; {
		done, err := w.look(ctx)
		if err != nil || done {
			return err
		}
		lifecycle.Pause(ctx, pace)
		idle := time.Now()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-watcher.Ended():
			return &wire.NotOwnerError{Shard: s.shardOf(id).ID()}
		case <-watcher.Changed():
			pace = nextPace(pace, time.Since(idle))
		}
	}
}

// look sends what has changed since the last look; done: nothing will change
// any more.
func (w *watching) look(ctx context.Context) (done bool, err error) {
	asking, cancel := w.budgeted(ctx)
	err = w.shardOf(w.id).Read(asking, w.id, w.see)
	cancel()
	if err != nil {
		return false, w.of(w.id, err)
	}
	done = w.row.State == job.Done
	if w.told && w.row.Revision == w.after {
		return done, w.send(nil, w.after) // only how far hosts have come
	}
	if err := w.sendRows(ctx); err != nil {
		return false, err
	}
	return done, nil
}

func (w *watching) see(m *job.Machine) {
	w.targets, w.spec, w.row = m.Targets(), m.Spec(), m.Row()
}

// sendRows sends the tasks that were written after the revision that the viewer
// has, in pieces, the last of which says up to where that is complete.
func (w *watching) sendRows(ctx context.Context) error {
	upTo := w.row.Revision
	var tasks []*typesv1.Task
	if upTo > w.after {
		for row, err := range w.store.TasksSince(ctx, w.id, w.after) {
			if err != nil {
				return w.of(w.id, err)
			}
			if row.Revision > upTo {
				break // it is new, and comes next time
			}
			if len(tasks) == watchedTasks {
				if err := w.send(tasks, 0); err != nil {
					return err
				}
				tasks = nil
			}
			tasks = append(tasks, w.task(row))
		}
	}
	w.after = max(w.after, upTo)
	return w.send(tasks, w.after)
}

func (w *watching) task(row job.TaskRow) *typesv1.Task {
	view := job.View{Report: row.Report, Revision: row.Revision, Released: row.Report.State != task.Skipped}
	return wire.TaskToProto(w.targets, row.Ordinal, view, row.Detail)
}

func (w *watching) send(tasks []*typesv1.Task, complete uint64) error {
	w.told = true
	message := &schedulerv1.WatchJobResponse{Response: &accessv1.WatchJobResponse{
		Job: jobToProto(w.spec, w.row), Tasks: tasks, CompleteRevision: complete,
	}}
	return w.deliver(func() error { return w.out.Send(message) })
}
