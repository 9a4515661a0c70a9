package job

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestWhatWasNeverReleasedExpiresAtTheStartBy(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b c"))
	r.step(Gone{Host: "a", Since: dawn()}, reach("b"), reach("c"))
	rd := r.at(time.Minute - 1)
	if rd.Persist.Row != nil {
		t.Errorf("too early: %+v", rd.Persist)
	}
	r.at(time.Minute)
	r.wantStates("a=EXPIRED/start_by_passed b=DISPATCHED c=EXPIRED/start_by_passed")
	rd = r.step(report("b", task.Succeeded))
	if !rd.Settled {
		t.Error("all is settled and nobody says so")
	}
}

func TestWhatWasNotReachedByTheDeadlineIsABadOutcomeByDefault(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.StartBy = s.Rollout.Deadline }), targetsOf(t, "r1: a"))
	rd := r.at(5 * time.Minute)
	r.wantStates("a=EXPIRED/start_by_passed")
	if !r.m.Task(0).Report.State.Bad() || !rd.Settled {
		t.Error("a host that was never reached must not pass for success")
	}
}

// Validate refuses such a job; a machine must end it all the same.
func TestWhatTheDeadlineCutsOffIsSkipped(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.StartBy = dawn().Add(time.Hour) }), targetsOf(t, "r1: a"))
	r.at(5 * time.Minute)
	r.wantStates("a=SKIPPED/deadline_passed")
}

func TestAtTheDeadlineWhatRunsIsToldToStop(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.Timeout = 0 }), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("a", task.Running), Gone{Host: "c", Since: r.now})
	r.at(4*time.Minute + 31*time.Second)
	rd := r.at(5 * time.Minute)
	if len(rd.Send.Wishes) != 1 || rd.Send.Wishes[0] != (Wish{Ordinal: 0, Attempt: 1, Want: task.DesiredStop}) {
		t.Errorf("stopped %+v", rd.Send.Wishes)
	}
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0] != (Dispatch{Ordinal: 1, Attempt: 1, Want: task.DesiredStop}) {
		t.Errorf("dispatched with stop %+v", rd.Send.Dispatch)
	}
	row := rd.Persist.Row
	if row == nil || row.State != Stopping || row.Wish != task.DesiredStop || row.ControlRevision != 2 {
		t.Errorf("row %+v", row)
	}
	rd = r.step(reach("c"))
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Want != task.DesiredStop {
		t.Errorf("a host that comes back gets %+v", rd.Send)
	}
	rd = r.step(reach("a"))
	if len(rd.Send.Wishes) != 1 {
		t.Errorf("a host that runs it and comes back gets %+v", rd.Send)
	}
	r.step(report("a", task.Canceled, task.Killed))
	r.at(5*time.Minute + 40*time.Second)
	r.wantStates("a=CANCELED/killed b=UNKNOWN/silent c=UNKNOWN/silent")
}

func TestASilentTaskIsGivenUpAtItsSettleBy(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Spec)
		want   time.Duration // after dawn
	}{
		{"start-by, timeout, grace and slack", func(*Spec) {}, 60*time.Second + 30*time.Second + 40*time.Second},
		{"a grace of its own", func(s *Spec) { s.Grace = time.Minute }, 60*time.Second + 30*time.Second + 90*time.Second},
		{"a timeout past the deadline", func(s *Spec) { s.Timeout = time.Hour }, 5*time.Minute + 40*time.Second},
		{"no timeout", func(s *Spec) { s.Timeout = 0 }, 5*time.Minute + 40*time.Second},
		{"a timeout that only reports", func(s *Spec) { s.TimeoutReportOnly = true }, 5*time.Minute + 40*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, aSpec(c.change), targetsOf(t, "r1: a b"))
			r.step(reachAll("a", "b")...)
			r.step(report("b", task.Running))
			r.at(c.want - 1)
			r.wantStates("a=DISPATCHED b=RUNNING")
			rd := r.at(c.want)
			r.wantStates("a=UNKNOWN/silent b=UNKNOWN/still_running")
			if !rd.Settled || len(rd.Send.Forget) > 0 {
				t.Errorf("given up it owes %+v", rd)
			}
		})
	}
}

func TestASecondAttemptHasASettleByOfItsOwn(t *testing.T) {
	r := newRig(t, aSpec(rerunsTo(2)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(report("a", task.Lost, task.Rebooted))
	r.at(130 * time.Second)
	r.wantStates("a=DISPATCHED#2 b=UNKNOWN/silent")
	r.at(190*time.Second - 1)
	r.wantStates("a=DISPATCHED#2")
	r.at(190 * time.Second)
	r.wantStates("a=UNKNOWN/silent#2")
}

func TestLateTruthReplacesUnknownAndSettlesNothingTwice(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	rd := r.at(time.Hour)
	if !rd.Settled {
		t.Fatal("not settled")
	}
	before := r.m.Row()
	rd = r.step(report("a", task.Running))
	if !rd.Empty() {
		t.Errorf("that it still runs owes %+v", rd)
	}
	rd = r.step(report("a", task.Succeeded))
	after := r.m.Row()
	if rd.Settled || after.Revision != before.Revision+1 || after.State != Done || !after.DoneAt.Equal(before.DoneAt) {
		t.Errorf("row %+v after %+v", after, before)
	}
	if after.Counts.Of(task.Unknown) != 0 || after.Counts.Of(task.Succeeded) != 1 {
		t.Errorf("counts %v", after.Counts)
	}
	wantList(t, "forgotten", rd.Send.Forget, 0)
}

func TestAHostThatComesBackAfterAllWasGivenUpIsAsked(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(Gone{Host: "a", Since: r.now})
	r.at(time.Hour)
	rd := r.step(reach("a"))
	wantList(t, "asked", rd.Send.Query, 0)
	rd = r.step(NotKnown{Ordinals: []uint32{0}})
	wantList(t, "dispatched, so that the host says what it makes of it", ordinalsOf(rd.Send.Dispatch), 0)
	r.step(report("a", task.Expired, task.StartByPassed))
	r.wantStates("a=EXPIRED/start_by_passed")
}

func TestThePullAsksEveryThirtySecondsForWhatIsReleasedAndHere(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.Timeout = 0 }), targetsOf(t, "r1: a b c d"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("b", task.Succeeded), Gone{Host: "c", Since: r.now})
	if due, ok := r.m.Due(); !ok || !due.Equal(dawn().Add(PullEvery)) {
		t.Errorf("due %s, %v", due, ok)
	}
	rd := r.at(29 * time.Second)
	wantList(t, "asked too early", rd.Send.Query)
	rd = r.at(30 * time.Second)
	wantList(t, "asked", rd.Send.Query, 0)
	wantList(t, "and not blindly sent again", ordinalsOf(rd.Send.Dispatch))
	rd = r.at(45 * time.Second)
	wantList(t, "asked between", rd.Send.Query)
	r.step(reach("c"))
	rd = r.at(60 * time.Second)
	wantList(t, "asked again", rd.Send.Query, 0, 2)
}

func TestThePullSaysTheWishAgain(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(report("a", task.Running))
	r.step(cancelAs("c"))
	rd := r.at(30 * time.Second)
	if len(rd.Send.Wishes) != 2 || len(rd.Send.Query) != 2 {
		t.Errorf("the pull says %+v", rd.Send)
	}
}

func TestAJobThatIsDoneGoesOnAskingForWhatIsHereAndUnknown(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.at(time.Hour)
	rd := r.at(time.Hour + PullEvery)
	if r.m.Row().State != Done {
		t.Fatal("not done")
	}
	wantList(t, "asked", rd.Send.Query, 0, 1)
	r.step(Gone{Host: "a", Since: r.now}, report("b", task.Succeeded))
	if due, ok := r.m.Due(); ok {
		t.Errorf("nobody is left to be asked, and a tick is due at %s", due)
	}
}

func TestTimeThatGoesBackDoesNothing(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reach("a"))
	r.at(time.Minute)
	r.wantStates("a=DISPATCHED b=EXPIRED/start_by_passed")
	r.now = dawn()
	rd := r.step(Tick{})
	if !rd.Empty() {
		t.Errorf("it owes %+v", rd)
	}
	r.step(report("a", task.Succeeded))
	if got := r.m.Row().DoneAt; !got.Equal(dawn().Add(time.Minute)) {
		t.Errorf("done at %s", got)
	}
}

func TestAJobThatIsDoneWantsNoTicks(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Succeeded))
	if due, ok := r.m.Due(); ok {
		t.Errorf("due %s", due)
	}
	if rd := r.at(time.Hour); !rd.Empty() {
		t.Errorf("it owes %+v", rd)
	}
}

func TestEverythingThatIsMissedByALongPauseHappensAtOnce(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1), rerunsTo(2)), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b")...)
	r.step(report("a", task.Lost, task.Rebooted))
	rd := r.at(24 * time.Hour)
	r.wantStates("a=UNKNOWN/silent#2 b=EXPIRED/start_by_passed c=EXPIRED/start_by_passed")
	if !rd.Settled {
		t.Error("not settled")
	}
}
