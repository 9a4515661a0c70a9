package shard

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// reinstate takes a job out of quarantine, as an operator does, and has the same
// process own its shard again, as its keeper does.
func (r *rig) reinstate(id job.ID) {
	r.t.Helper()
	if _, err := store.Reinstate(r.t.Context(), r.store, id, "operator ann"); err != nil {
		r.t.Fatal(err)
	}
	r.Prove()
	<-r.done //nolint:errcheck // it is fenced
	go func() { r.done <- r.Run(r.t.Context()) }()
	synctest.Wait()
}

func TestNothingIsKnownAgainstAJobThatWasReinstated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sick := true
		r.step = func(m *job.Machine, now time.Time, ev job.Event) error {
			if sick {
				return poisoned(m, now, ev)
			}
			return m.Step(now, ev)
		}
		sub := jobOf(t, 1, 1, "poison")
		id := r.accept(sub)
		for range crashesToQuarantine {
			r.say(id, 0, task.Succeeded)
		}
		r.reinstate(id)

		r.say(id, 0, task.Succeeded) // as a scheduler that has not seen it crash
		if j, err := r.store.GetJob(t.Context(), id); err != nil || j.Row.State != job.Running || j.Row.Trial.Crashes != 1 {
			t.Errorf("after one crash more it is %s with %+v, %v", j.Row.State, j.Row.Trial, err)
		}
		sick = false
		if got, err := r.Accept(t.Context(), sub); err != nil || !got.Existed {
			t.Errorf("submitted again it is %+v, %v", got, err)
		}
		r.pass(2 * time.Hour) // its host is silent: UNKNOWN, and out of memory
		r.say(id, 0, task.Succeeded)
		if j, err := r.store.GetJob(t.Context(), id); err != nil || j.Row.Counts.Of(task.Succeeded) != 1 || len(r.all(id).Forget) == 0 {
			t.Errorf("the late outcome is lost: %v, %v; its host was told %+v", j.Row.Counts, err, r.all(id).Forget)
		}
	})
}
