package shard

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// belied is a job that is done, since it was said to have been started nowhere, and
// that runs: the store has lost its release.
func (r *rig) belied(nth int, deadline time.Duration) job.ID {
	r.t.Helper()
	sub := jobOf(r.t, nth, 1, "")
	sub.Create.Spec.StartBy = time.Now().Add(time.Minute)
	sub.Create.Spec.Rollout.Deadline = time.Now().Add(deadline)
	r.away[host(0)] = true
	id := r.accept(sub)
	r.pass(2 * time.Minute)
	if row := r.row(id); row.State != job.Done || row.Counts.Of(task.Expired) != 1 {
		r.t.Fatalf("the job is %s, %v", row.State, row.Counts)
	}
	r.pass(2 * keepDone)
	r.say(id, 0, task.Running)
	if row := r.row(id); row.State != job.Done || row.Counts.Of(task.Unknown) != 1 {
		r.t.Fatalf("what runs is %v", row.Counts)
	}
	return id
}

func TestWhatRunsOfAJobThatIsDoneIsStoppedAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.belied(1, time.Hour)
		r.pass(50 * time.Minute) // longer than a job stays that is done
		if told := r.all(id).Wishes; len(told) != 0 {
			t.Errorf("before the deadline it is told %v", told)
		}
		r.pass(10 * time.Minute)
		if told := r.all(id).Wishes; len(told) == 0 || told[0] != (job.Wish{Ordinal: 0, Attempt: 1, Want: task.DesiredStop}) {
			t.Errorf("after the deadline it is told %v", told)
		}
		r.pass(2 * keepDone)
		if told := r.all(id).Wishes; len(told) < 2 {
			t.Errorf("if it does not hear that it is told no more than %v", told)
		}
		if err := r.Peek(t.Context(), id, func(*job.Machine) {}); !errors.Is(err, ErrNoJob) {
			t.Errorf("it is in memory for ever: %v", err)
		}
	})
}

func TestJobsThatLingerAreBoundedAndGoLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		lingers := r.belied(1, 24*time.Hour)
		delete(r.away, host(0))
		for i := range maxDone + 10 {
			r.say(r.accept(jobOf(t, 2+i, 1, "")), 0, task.Succeeded)
		}
		if err := r.Peek(t.Context(), lingers, func(*job.Machine) {}); err != nil {
			t.Errorf("the one that is to be stopped has gone before others: %v", err)
		}
		for i := range maxDone {
			r.belied(1000+i, 24*time.Hour)
		}
		if err := r.Peek(t.Context(), lingers, func(*job.Machine) {}); !errors.Is(err, ErrNoJob) {
			t.Errorf("jobs that linger are not bounded: %v", err)
		}
	})
}
