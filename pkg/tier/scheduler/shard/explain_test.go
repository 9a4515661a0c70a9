package shard

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

func TestAJobIsExplainedAsOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.setAway(0, true)
		sub := jobOf(t, 1, 1, "")
		sub.Create.Spec.NotBefore = time.Now().Add(time.Minute)
		id := r.accept(sub)
		first := func() (code job.CauseCode) {
			if err := r.ReadNow(t.Context(), id, func(m *job.Machine) { code = m.Explain(0)[0].Code }); err != nil {
				t.Error(err)
			}
			return code
		}
		if got := first(); got != job.CauseNotBefore {
			t.Errorf("before the not-before it says %s", got)
		}
		r.pass(2 * time.Minute) // nothing happens to the job meanwhile
		if got := first(); got != job.CauseHostAway {
			t.Errorf("after the not-before it says %s", got)
		}
	})
}

func TestAJobThatIsOutOfMemoryIsExplainedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.expired()
		var causes []job.Cause
		if err := r.ReadNow(t.Context(), id, func(m *job.Machine) { causes = m.Explain(0) }); err != nil {
			t.Fatal(err)
		}
		if len(causes) != 1 || causes[0].Code != job.CauseSettled || causes[0].Seen.State != task.Expired {
			t.Errorf("it says %+v", causes)
		}
	})
}

func TestWhatCannotBeExplainedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.step = poisoned
		bad := r.accept(jobOf(t, 2, 2, "poison"))
		for range 2 {
			r.say(bad, 0, task.Succeeded)
		}
		see := func(*job.Machine) { t.Error("there is nothing to see") }
		if err := r.ReadNow(t.Context(), bad, see); !errors.Is(err, job.ErrQuarantined) {
			t.Errorf("of a job that is set aside: %v", err)
		}
		if err := r.ReadNow(t.Context(), jobOf(t, 9, 1, "").Create.Spec.ID, see); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of a job that nobody knows: %v", err)
		}
		r.stop()
		synctest.Wait()
		if err := r.ReadNow(t.Context(), bad, see); !errors.Is(err, ErrNotOwner) {
			t.Errorf("of a shard that is not owned any more: %v", err)
		}
	})
}

// A job may crash when its time passes: that costs its shard no more than any
// other crash, and who has asked is told to ask again.
func TestAnExplanationThatCrashesCostsItsJobAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		good, bad := r.accept(jobOf(t, 1, 1, "")), r.accept(jobOf(t, 2, 1, "poison"))
		r.step = func(m *job.Machine, now time.Time, ev job.Event) error {
			if _, tick := ev.(job.Tick); tick && m.Spec().Note == "poison" {
				panic("poison")
			}
			return m.Step(now, ev)
		}
		for range 2 {
			if err := r.ReadNow(t.Context(), bad, func(*job.Machine) {}); !errors.Is(err, ErrNotOwner) {
				t.Errorf("while it crashes: %v", err)
			}
			synctest.Wait()
		}
		if err := r.ReadNow(t.Context(), bad, func(*job.Machine) {}); !errors.Is(err, job.ErrQuarantined) {
			t.Errorf("after two crashes: %v", err)
		}
		if err := r.ReadNow(t.Context(), good, func(*job.Machine) {}); err != nil {
			t.Errorf("the other job: %v", err)
		}
	})
}
