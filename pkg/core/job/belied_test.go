package job

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// denials are the ways by which the scheduler says that nothing was started, of
// targets whose state directory is still there.
func denials() []conclusion { return conclusions()[:3] }

// The store was restored to a moment before a was released.
func TestWhatRunsAlthoughWeSaidThatItWasNotStartedIsUnknown(t *testing.T) {
	for _, c := range denials() {
		for _, state := range []task.State{task.Accepted, task.Starting, task.Running} {
			for _, restart := range []bool{false, true} {
				r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
				c.come(r)
				if restart {
					r.restart()
				}
				rd := r.step(report("a", state))
				r.wantStates("a=UNKNOWN/still_running")
				if v := r.m.Task(0); !v.Released || v.Concluded || len(rd.Persist.Tasks) != 1 {
					t.Errorf("%s, then %s: it is %+v, written %+v", c.want, state, v, rd.Persist)
				}
				if r.m.Row().State != Done || rd.Settled {
					t.Errorf("%s, then %s: the job is %s", c.want, state, r.m.Row().State)
				}
				wantList(t, "forgotten", rd.Send.Forget)
				rd = r.at(r.now.Sub(dawn()) + PullEvery)
				wantList(t, "asked", rd.Send.Query, 0)
				r.step(says("a", 1, task.Report{State: task.Failed, Exit: task.Exit{Code: 3}}))
				r.wantStates("a=FAILED")
			}
		}
	}
}

func TestWhatRunsAlthoughItsJobIsOverIsStopped(t *testing.T) {
	for name, c := range map[string]struct {
		come func(*rig)
		wait bool // for the deadline
	}{
		"after the deadline": {func(r *rig) { r.at(time.Hour) }, false},
		"after the start-by": {func(r *rig) { r.at(aSpec().StartBy.Sub(dawn())) }, true},
		"canceled":           {func(r *rig) { r.step(cancelAs("c")) }, false},
	} {
		r := newRig(t, aSpec(func(s *Spec) { s.Rollout.Deadline = s.StartBy.Add(10 * time.Minute) }), targetsOf(t, "r1: a"))
		c.come(r)
		rd := r.step(report("a", task.Running))
		if c.wait {
			if len(rd.Send.Wishes) != 0 {
				t.Errorf("%s: it may run until the deadline, and is told %v", name, rd.Send.Wishes)
			}
			due, ok := r.m.Due()
			for ok && due.Before(r.m.spec.Rollout.Deadline) {
				r.at(due.Sub(dawn()))
				due, ok = r.m.Due()
			}
			if !ok || !due.Equal(r.m.spec.Rollout.Deadline) {
				t.Fatalf("%s: a tick is due at %s, %t", name, due, ok)
			}
			rd = r.at(due.Sub(dawn()))
		}
		if w := rd.Send.Wishes; len(w) != 1 || w[0] != (Wish{0, 1, task.DesiredStop}) {
			t.Errorf("%s: it is told %v", name, w)
		}
		if !r.m.Lingers() {
			t.Errorf("%s: what still runs may be forgotten before it was told", name)
		}
		if row := r.m.Row(); row.Wish != task.DesiredStop || row.State != Done {
			t.Errorf("%s: the job is %+v", name, row)
		}
		r.restart()
		rd = r.step(reach("a"))
		if w := rd.Send.Wishes; len(w) != 1 || w[0].Want != task.DesiredStop {
			t.Errorf("%s: after a restart it is told %v", name, w)
		}
		r.step(says("a", 1, task.Report{State: task.Canceled, Exit: task.Exit{Reason: task.Killed}}))
		if r.m.Lingers() {
			t.Errorf("%s: it has ended, and the job lingers", name)
		}
	}
}

func TestWhatRanInAStateDirectoryThatIsGoneIsWiped(t *testing.T) {
	for _, attempt := range []uint32{1, 2} {
		r := newRig(t, aSpec(rerunsTo(2)), targetsOf(t, "r1: a"))
		r.step(Reached{Host: "a", Incarnation: inc(2)})
		ev := report("a", task.Running)
		ev.Report.Attempt = attempt
		rd := r.step(ev)
		want := task.Report{Attempt: attempt, State: task.Lost, Exit: task.Exit{Reason: task.StateWiped}}
		if v := r.m.Task(0); v.Report != want || !v.Released || !v.Concluded {
			t.Errorf("attempt %d: it is %+v", attempt, v)
		}
		if s := rd.Send; len(s.Query)+len(s.Wishes)+len(s.Dispatch) > 0 {
			t.Errorf("attempt %d: a host that is gone is sent %+v", attempt, s)
		}
		r.step(says("a", attempt, task.Report{State: task.Succeeded})) // it had sent it before
		if got := r.m.Task(0).Report.State; got != task.Succeeded {
			t.Errorf("attempt %d: the outcome that was under way made it %s", attempt, got)
		}
	}
}

// A report may overtake another, and what was said twice come twice.
func TestWhatWasUnderWayBeforeTheOutcomeChangesNothing(t *testing.T) {
	for _, c := range conclusions() {
		for _, said := range append(notStarted(), ran()...) {
			for _, restart := range []bool{false, true} {
				r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
				c.come(r)
				r.step(says("a", 1, said))
				if restart {
					r.restart()
				}
				before := r.m.Task(0).Report
				if rd := r.step(report("a", task.Accepted)); rd.Persist.Row != nil || r.m.Task(0).Report != before {
					t.Errorf("%s, then %s: what the host said before makes it %s", c.want, say(before), say(r.m.Task(0).Report))
				}
			}
		}
	}
}

func forgottenBy(host fleet.HostID, same bool) PastW {
	return PastW{Host: host, Incarnation: inc(1), SameGeneration: same, Forgotten: true}
}

func TestWhatAHostWasLetForgetIsLost(t *testing.T) {
	for name, come := range map[string]func(*rig){
		"dispatched":     func(r *rig) { r.step(reach("a")) },
		"running":        func(r *rig) { r.step(reach("a")); r.step(report("a", task.Running)) },
		"given up":       func(r *rig) { r.step(reach("a")); r.at(time.Hour) },
		"never released": func(*rig) {},
		"expired":        conclusions()[0].come,
		"canceled":       conclusions()[2].come,
	} {
		r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
		r.disk.anything = true
		come(r)
		before := r.m.Task(0).Report
		r.wantError(ErrForgotten, forgottenBy("a", true))
		if got := r.m.Task(0).Report; got != before {
			t.Errorf("%s: an alarm has made it %s", name, say(got))
		}
		rd := r.step(forgottenBy("a", false))
		r.wantStates("a=LOST/forgotten")
		wantList(t, name+": forgotten", rd.Send.Forget, 0)
		if v := r.m.Task(0); !v.Released || !v.Concluded || r.m.Row().State != Done {
			t.Errorf("%s: it is %+v, the job %s", name, v, r.m.Row().State)
		}
		if rd = r.step(forgottenBy("a", true)); rd.Persist.Row != nil || len(rd.Send.Forget) != 1 {
			t.Errorf("%s: the same again owes %+v", name, rd)
		}
	}
}

func TestWhatIsFinalStaysWhenItsHostHasForgottenIt(t *testing.T) {
	for _, said := range append(notStarted(), ran()...) {
		for _, same := range []bool{true, false} {
			r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
			r.step(reach("a"))
			r.step(says("a", 1, said))
			before := r.m.Task(0).Report
			rd := r.step(forgottenBy("a", same))
			wantList(t, "forgotten", rd.Send.Forget, 0)
			if got := r.m.Task(0).Report; got != before {
				t.Errorf("%s became %s", say(before), say(got))
			}
		}
	}
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.wantError(ErrIncarnation, PastW{Host: "a", Incarnation: inc(2), Forgotten: true})
}
