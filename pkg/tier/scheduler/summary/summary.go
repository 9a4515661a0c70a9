package summary

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Limits of what is kept; they are those of the wire.
const (
	Most       = 10 // slowest and silent tasks
	MostGroups = 50
	MostHosts  = 20 // of a group
)

// QuietFor is how long a released task is not heard of before it counts as
// silent: after that it has been asked for.
const QuietFor = job.PullEvery

// Task is a task that stands out.
type Task struct {
	Ordinal uint32
	View    job.View
	Detail  job.Detail // of its outcome
}

// Summary is what stands out among the tasks that were told so far.
type Summary struct {
	now     time.Time
	slowest top
	silent  top
	quiet   int
	groups  groups
}

// New is a summary as of now of a job of so many targets.
func New(targets int, now time.Time) *Summary {
	return &Summary{now: now, groups: newGroups(targets)}
}

// Add takes a task as it is, and the detail of its outcome if it is settled.
func (s *Summary) Add(ordinal uint32, view job.View, detail job.Detail) {
	t := Task{ordinal, view, detail}
	if took := s.took(&t); took > 0 {
		s.slowest.add(t, -int64(took))
	}
	if since, is := s.silentSince(&view); is {
		s.quiet++
		s.silent.add(t, since)
	}
	if view.Report.State.Settled() {
		s.groups.add(ordinal, keyOf(view.Report, detail))
	}
}

// took is how long a command ran, or has run so far; 0: it did not, or that is
// not known.
func (s *Summary) took(t *Task) time.Duration {
	switch state := t.View.Report.State; {
	case !t.Detail.StartedAt.IsZero() && !t.Detail.EndedAt.IsZero():
		return t.Detail.EndedAt.Sub(t.Detail.StartedAt)
	case state == task.Running && !t.View.Since.IsZero():
		return s.now.Sub(t.View.Since)
	}
	return 0
}

// silentSince is since when nothing is heard of a task, as an order: 0 if it is
// longer than this owner knows. One that was never released is silent if its host is
// known to be away, and not as long as hosts may only not have been seen yet.
func (s *Summary) silentSince(v *job.View) (since int64, is bool) {
	switch at := v.Since; {
	case v.Report.State.Final():
	case !v.Released:
		return order(v.UnreachableSince), v.Unreachable && !v.UnreachableSince.IsZero()
	case v.Unreachable:
		return order(v.UnreachableSince), true
	case v.Report.State == task.Unknown:
		return 0, v.Report.Exit.Reason == task.Silent
	case v.Report.State == task.Dispatched && s.now.Sub(at) >= QuietFor: // a zero time is long ago
		return order(at), true
	}
	return 0, false
}

func order(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Slowest are the tasks that ran longest, or run longest so far, the slowest
// first.
func (s *Summary) Slowest() []Task { return s.slowest.tasks }

// Silent are the tasks that are silent, the longest first, and how many there
// are of them in all.
func (s *Summary) Silent() (some []Task, all int) { return s.silent.tasks, s.quiet }

// top keeps those with the least weight; of equal ones, which came first.
type top struct {
	tasks   []Task
	weights []int64
}

func (k *top) add(t Task, weight int64) {
	n := len(k.tasks)
	if n == Most && weight >= k.weights[n-1] {
		return
	}
	at, _ := slices.BinarySearchFunc(k.weights, weight, func(w, than int64) int {
		if w <= than {
			return -1
		}
		return 1
	})
	if n == Most {
		k.tasks, k.weights = k.tasks[:n-1], k.weights[:n-1]
	}
	k.tasks, k.weights = slices.Insert(k.tasks, at, t), slices.Insert(k.weights, at, weight)
}
