package shard

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

func notKnown(id job.ID, ordinals ...uint32) mesh.Returns {
	return mesh.Returns{Via: "agg", Job: id, NotKnown: ordinals}
}

// wantLoad checks how much the shard says to have on its hands.
func (r *rig) wantLoad(jobs, tasks int64) {
	r.t.Helper()
	synctest.Wait()
	if j, n := r.Load(); j != jobs || n != tasks {
		r.t.Errorf("there are %d live jobs with %d tasks in flight, want %d with %d", j, n, jobs, tasks)
	}
}

// wantCounts checks counters, by name and labels.
func (r *rig) wantCounts(want map[obs.Name]int64, labels ...string) {
	r.t.Helper()
	for name, n := range want {
		if got := r.told.Value(name, labels...); got != n {
			r.t.Errorf("%s of %v is %d, want %d", name, labels, got, n)
		}
	}
}

func TestJobsAndTasksAreCountedWhenTheyAreDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 3, ""))
		r.wantLoad(1, 3)
		r.say(id, 0, task.Running)
		r.say(id, 0, task.Succeeded)
		r.say(id, 1, task.Failed)
		r.say(id, 1, task.Failed) // its Forget was lost
		r.wantLoad(1, 1)
		r.wantCounts(map[obs.Name]int64{obs.JobsAccepted: 1, obs.TasksReleased: 3, obs.TasksSettled: 2, obs.JobsDone: 0}, "class=standard")
		r.say(id, 2, task.Succeeded)
		r.wantLoad(0, 0)
		r.wantCounts(map[obs.Name]int64{obs.TasksSettled: 2}, "class=standard", "outcome=SUCCEEDED")
		r.wantCounts(map[obs.Name]int64{obs.TasksSettled: 1}, "class=standard", "outcome=FAILED")
		r.wantCounts(map[obs.Name]int64{obs.JobsDone: 1}, "class=standard")
	})
}

func TestTheSameJobAgainIsNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub := jobOf(t, 1, 2, "")
		r.accept(sub)
		if got, err := r.Accept(t.Context(), sub); err != nil || !got.Existed {
			t.Fatalf("the second time it is %v, %v", got, err)
		}
		r.wantLoad(1, 2)
		r.wantCounts(map[obs.Name]int64{obs.JobsAccepted: 1, obs.TasksReleased: 2})
	})
}

func TestAnOwnerThatTakesOverKnowsWhatIsInFlightAndCountsNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		crashed := false
		r.step = func(m *job.Machine, now time.Time, ev job.Event) error {
			if _, heard := ev.(job.Reported); heard && !crashed {
				crashed = true
				panic("once")
			}
			return m.Step(now, ev)
		}
		id := r.accept(jobOf(t, 1, 3, ""))
		r.say(id, 0, task.Succeeded) // it crashes the shard
		r.wantLoad(1, 3)
		r.say(id, 0, task.Succeeded)
		r.wantLoad(1, 2)
		r.wantCounts(map[obs.Name]int64{obs.JobsAccepted: 1, obs.TasksReleased: 3, obs.TasksSettled: 1})
	})
}

func TestAShardThatIsNotServedHasNothingOnItsHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.accept(jobOf(t, 1, 2, ""))
		r.wantLoad(1, 2)
		r.stop()
		r.wantLoad(0, 0)
	})
}
