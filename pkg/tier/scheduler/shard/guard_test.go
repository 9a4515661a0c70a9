package shard

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// wantAside checks that a job is quarantined and that another one is done when
// its host says so.
func (r *rig) wantAside(bad, good job.ID) {
	r.t.Helper()
	stored, err := r.store.GetJob(r.t.Context(), bad)
	if err != nil || stored.Row.State != job.Quarantined {
		r.t.Errorf("the bad job is %s, %v", stored.Row.State, err)
	}
	epochs := len(r.epochs)
	r.say(good, 0, task.Succeeded)
	if got := r.row(good); got.State != job.Done {
		r.t.Errorf("the good job is %s", got.State)
	}
	r.pass(time.Minute)
	if len(r.epochs) != epochs || epochs != 3 {
		r.t.Errorf("the shard was loaded %d times, then %d, want 3", epochs, len(r.epochs))
	}
}

func TestAJobWhoseBatchIsImpossibleIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		good := r.accept(jobOf(t, 1, 1, ""))
		other := r.accept(jobOf(t, 2, 1, ""))
		bad := r.accept(jobOf(t, 3, 1, ""))
		r.store.impossible.Store(bad, true)
		for range 2 {
			r.say(bad, 0, task.Succeeded)
			time.Sleep(2 * reloadPause)
			synctest.Wait()
		}
		r.wantAside(bad, good)
		r.say(other, 0, task.Succeeded)
		if got := r.row(other); got.State != job.Done {
			t.Errorf("the other job is %s", got.State)
		}
	})
}

func TestANewJobThatCannotBeWrittenIsRefusedTheThirdTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub := jobOf(t, 1, 1, "")
		r.store.impossible.Store(sub.Create.Spec.ID, true)
		for range crashesToQuarantine {
			if _, err := r.Accept(t.Context(), sub); !errors.Is(err, ErrNotOwner) {
				t.Errorf("a job that cannot be written: %v", err)
			}
			synctest.Wait()
		}
		if _, err := r.Accept(t.Context(), sub); !errors.Is(err, job.ErrQuarantined) {
			t.Errorf("a job that could never be written: %v", err)
		}
	})
}

func TestAJobWhoseHostsCannotBeLookedUpIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		good := r.accept(jobOf(t, 1, 1, ""))
		bad := r.accept(jobOf(t, 2, 7, ""))
		r.mu.Lock()
		r.poison = 7
		r.mu.Unlock()
		ignore := func(m *job.Machine) { panic(m.Row().State) }
		if err := r.Read(t.Context(), bad, ignore); !errors.Is(err, ErrNotOwner) {
			t.Errorf("an answer that crashes: %v", err)
		}
		synctest.Wait() // the second crash is that of the load
		stored, err := r.store.GetJob(t.Context(), bad)
		if err != nil || stored.Row.State != job.Quarantined {
			t.Errorf("the bad job is %s, %v", stored.Row.State, err)
		}
		r.say(good, 0, task.Succeeded)
		if got := r.row(good); got.State != job.Done {
			t.Errorf("the good job is %s", got.State)
		}
	})
}

func TestAnAnswerThatCrashesCostsItsJobAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		good := r.accept(jobOf(t, 1, 1, ""))
		bad := r.accept(jobOf(t, 2, 1, ""))
		for range crashesToQuarantine {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := r.Read(ctx, bad, func(*job.Machine) { panic("it cannot be shown") }); !errors.Is(err, ErrNotOwner) {
				t.Errorf("an answer that crashes: %v", err)
			}
			cancel()
			synctest.Wait()
		}
		r.wantAside(bad, good)
	})
}
