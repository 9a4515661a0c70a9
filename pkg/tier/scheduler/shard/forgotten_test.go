package shard

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// TestWhatAHostWasLetForgetIsLostAfterARestoreAndElseAnAlarm: the generation that
// was raised says that the store may have lost what it let be forgotten.
func TestWhatAHostWasLetForgetIsLostAfterARestoreAndElseAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		forgotten := func(id job.ID) {
			report := mesh.Report{Job: id, Host: host(0), Incarnation: fleet.Incarnation{1, 0}, PastW: true, Forgotten: true}
			if err := r.Reports(t.Context(), Heard{Reports: []mesh.Report{report}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		id, done := r.accept(jobOf(t, 1, 1, "")), r.accept(jobOf(t, 2, 1, ""))
		r.say(done, 0, task.Succeeded)
		forgotten(done) // the answer to a command that was long under way
		if n := r.told.Value(obs.ReportsStray, "reason=forgotten"); n != 0 || r.row(done).Counts.Of(task.Succeeded) != 1 {
			t.Errorf("%d alarms for what is known, which is now %v", n, r.row(done).Counts)
		}
		forgotten(id)
		if n := r.told.Value(obs.ReportsStray, "reason=forgotten"); n != 1 {
			t.Errorf("%d alarms were counted", n)
		}
		if got := r.row(id).Counts; got.Of(task.Dispatched) != 1 {
			t.Errorf("an alarm has made of it %v", got)
		}
		if _, err := r.store.RaiseGeneration(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Accept(t.Context(), jobOf(t, 3, 1, "")); !errors.Is(err, ErrNotOwner) {
			t.Errorf("an owner of the old generation has written: %v", err)
		}
		<-r.done //nolint:errcheck // its end is what counts
		go func() { r.done <- r.Run(t.Context()) }()
		synctest.Wait()
		forgotten(id)
		if got := r.row(id).Counts; got.Of(task.Lost) != 1 {
			t.Errorf("a task that was forgotten before the restore is %v", got)
		}
		if told := r.all(id).Forget; !slices.Contains(told, 0) {
			t.Errorf("its host may stop saying so: %v", told)
		}
	})
}
