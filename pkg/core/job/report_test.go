package job

import (
	"reflect"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// aDetail has something in every field.
func aDetail() Detail {
	return Detail{
		Outputs: []OutputRef{
			{Stream: Stdout, Digest: [32]byte{1, 2}, Size: 10, Cut: 3},
			{Stream: Stderr},
		},
		StartedAt: dawn().Add(time.Second), EndedAt: dawn().Add(2 * time.Second),
		Signature: []byte{4, 5, 6}, Message: "words for a person",
	}
}

func TestAnOutcomeIsWrittenWithItsDetailAndThenForgotten(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	ev := report("b", task.Failed)
	ev.Detail = aDetail()
	rd := r.step(ev)
	want := []TaskRow{{Ordinal: 1, Report: ev.Report, Revision: 2, Detail: aDetail()}}
	if !reflect.DeepEqual(rd.Persist.Tasks, want) {
		t.Errorf("written %+v, want %+v", rd.Persist.Tasks, want)
	}
	wantList(t, "forgotten", rd.Send.Forget, 1)
	if len(r.m.owed.details) > 0 {
		t.Error("the machine keeps details")
	}
}

func TestReportsInAnyOrderLeadToTheSameState(t *testing.T) {
	steps := []task.State{task.Accepted, task.Starting, task.Running, task.Succeeded}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 2, 3, 3}, {3}} {
		r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
		r.step(reach("a"))
		for _, i := range order {
			r.step(report("a", steps[i]))
		}
		r.wantStates("a=SUCCEEDED")
		if r.m.Row().Conflicts != 0 {
			t.Errorf("%v: %d conflicts", order, r.m.Row().Conflicts)
		}
	}
}

func TestWhatIsHeardTwiceIsForgottenTwice(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Succeeded))
	rd := r.step(report("a", task.Succeeded))
	wantList(t, "forgotten again", rd.Send.Forget, 0)
	if rd.Persist.Row != nil || rd.Settled || len(rd.Changed) > 0 {
		t.Errorf("an outcome that is known owes %+v", rd)
	}
	rd = r.step(report("a", task.Running))
	if !rd.Empty() {
		t.Errorf("what runs is not to be forgotten: %+v", rd)
	}
}

func TestTwoOutcomesOfOneAttemptAreCountedOnceAndNotRepaired(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Failed))
	rd := r.step(report("a", task.Succeeded))
	r.wantStates("a=FAILED")
	if rd.Persist.Row == nil || rd.Persist.Row.Conflicts != 1 || len(rd.Persist.Tasks) > 0 {
		t.Errorf("a conflict owes %+v", rd)
	}
	wantList(t, "forgotten all the same", rd.Send.Forget, 0)
	r.step(report("a", task.Succeeded))
	if got := r.m.Row().Conflicts; got != 1 {
		t.Errorf("%d conflicts", got)
	}
}

func TestAHostSpeaksForItselfAlone(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	foreign := report("a", task.Succeeded)
	foreign.Incarnation = inc(2)
	r.wantError(ErrIncarnation, foreign)
	r.wantError(ErrIncarnation, PastW{Host: "a", Incarnation: inc(2), SameGeneration: true})
	r.wantError(ErrNotReleased, PastW{Host: "b", Incarnation: inc(1), SameGeneration: true})
	r.wantError(ErrAttempt, report("a", task.Running).ofAttempt(2))
	r.wantError(ErrAttempt, report("b", task.Running).ofAttempt(2))
	if rd := r.ready(); !rd.Empty() {
		t.Errorf("what is not believed owes %+v", rd)
	}
	r.wantStates("a=DISPATCHED b=PENDING")
}

func TestAHostCannotSayWhatIsNotItsToSay(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	for _, bad := range []task.Report{
		{},
		{Attempt: 0, State: task.Running},
		{Attempt: 1, State: task.Pending},
		{Attempt: 1, State: task.Unknown, Exit: task.Exit{Reason: task.Silent}},
		{Attempt: 1, State: task.Skipped, Exit: task.Exit{Reason: task.JobCanceled}},
		{Attempt: 1, State: task.Lost, Exit: task.Exit{Reason: task.StateWiped}},
		{Attempt: 1, State: task.Lost, Exit: task.Exit{Reason: task.Forgotten}},
		{Attempt: 1, State: 1000},
		{Attempt: 1, State: task.Running, Exit: task.Exit{Code: 1}},
		{Attempt: 1, State: task.Failed, Exit: task.Exit{Reason: task.Rebooted}},
		{Attempt: 1, State: task.Failed, Exit: task.Exit{Code: 256}},
	} {
		r.wantError(ErrReport, Reported{Host: "a", Incarnation: inc(1), Report: bad})
	}
	r.wantStates("a=DISPATCHED")
}

func TestARefusalOfANewIncarnationIsForgottenOnceItsHostIsKnownToBeAnother(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	refused := report("a", task.Refused, task.NotTarget)
	refused.Incarnation = inc(2)
	r.wantError(ErrIncarnation, refused)
	r.step(Reached{Host: "a", Incarnation: inc(2)})
	rd := r.step(refused)
	wantList(t, "forgotten", rd.Send.Forget, 0)
	r.wantStates("a=LOST/state_wiped")
}

func TestAnOutcomeSentBeforeTheHostWasWipedIsTheTruth(t *testing.T) {
	for _, c := range []struct {
		said task.State
		want string
	}{
		{task.Succeeded, "SUCCEEDED"},
		{task.Failed, "FAILED"},
		{task.TimedOut, "TIMED_OUT"},
		{task.Canceled, "LOST/state_wiped"},
		{task.Running, "LOST/state_wiped"},
	} {
		r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
		r.step(reach("a"))
		rd := r.step(Reached{Host: "a", Incarnation: inc(2)})
		if !rd.Settled {
			t.Error("a lost task is not settled")
		}
		rd = r.step(report("a", c.said))
		if rd.Settled {
			t.Error("late truth settles the job twice")
		}
		r.wantStates("a=" + c.want)
		if got := r.m.Row().Conflicts; got != 0 {
			t.Errorf("%d conflicts with what was only inferred", got)
		}
	}
}

func TestPastWIsExpiredOnlyWhereNothingCanHaveRun(t *testing.T) {
	past := func(same bool) PastW { return PastW{Host: "a", Incarnation: inc(1), SameGeneration: same} }
	for _, c := range []struct {
		name   string
		before []Event
		ev     PastW
		want   string
	}{
		{"same generation, never heard of", nil, past(true), "EXPIRED/start_by_passed"},
		{"store restored since", nil, past(false), "LOST/forgotten"},
		{"it was on the host's disk", []Event{report("a", task.Accepted)}, past(true), "LOST/forgotten"},
		{"it ran", []Event{report("a", task.Running)}, past(true), "LOST/forgotten"},
		{"a rerun was due", []Event{report("a", task.Lost, task.Rebooted)}, past(true), "LOST/forgotten#2"},
		{"it is final", []Event{report("a", task.Failed)}, past(true), "FAILED"},
		{"it is final in another generation", []Event{report("a", task.Failed)}, past(false), "FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, aSpec(rerunsTo(2)), targetsOf(t, "r1: a"))
			r.step(reach("a"))
			r.step(c.before...)
			rd := r.step(c.ev)
			r.wantStates("a=" + c.want)
			wantList(t, "forgotten", rd.Send.Forget, 0)
		})
	}
}

func TestPastWAfterTheJobGaveUpIsStillTheTruth(t *testing.T) {
	for _, c := range []struct {
		heard []Event
		want  string
	}{
		{nil, "EXPIRED/start_by_passed"},
		{[]Event{report("a", task.Running)}, "LOST/forgotten"},
	} {
		r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
		r.step(reach("a"))
		r.step(c.heard...)
		r.at(time.Hour)
		if r.m.Row().State != Done {
			t.Fatal("the job has not given up")
		}
		for range 2 { // a Forget may be lost
			rd := r.step(PastW{Host: "a", Incarnation: inc(1), SameGeneration: true})
			r.wantStates("a=" + c.want)
			wantList(t, "forgotten", rd.Send.Forget, 0)
		}
	}
}

func TestOverdueIsShownUntilTheEnd(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	late := report("a", task.Running)
	late.Detail.Overdue = true
	rd := r.step(late)
	wantList(t, "changed", rd.Changed, 0)
	if !r.m.Task(0).Overdue {
		t.Error("it is not overdue")
	}
	rd = r.step(late)
	wantList(t, "changed by the same again", rd.Changed)
	r.step(report("a", task.Succeeded))
	if r.m.Task(0).Overdue {
		t.Error("it is overdue after its end")
	}
}

func TestALostTaskIsRunAgainAsOftenAsWasSigned(t *testing.T) {
	r := newRig(t, aSpec(rerunsTo(3), concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(report("a", task.Running))

	rd := r.step(report("a", task.Lost, task.Rebooted))
	want := []TaskRow{{Ordinal: 0, Report: task.Report{Attempt: 2, State: task.Dispatched}, Revision: 2, Lost: task.Rebooted}}
	if !reflect.DeepEqual(rd.Persist.Tasks, want) {
		t.Errorf("written %+v, want %+v", rd.Persist.Tasks, want)
	}
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0] != (Dispatch{Ordinal: 0, Attempt: 2, Want: task.DesiredRun}) {
		t.Errorf("dispatched %+v", rd.Send.Dispatch)
	}
	wantList(t, "forgotten", rd.Send.Forget)
	wantList(t, "released: the slot is kept", rd.Persist.Released)

	r.step(report("a", task.Lost, task.SupervisorLost).ofAttempt(2))
	r.wantStates("a=DISPATCHED#3")
	rd = r.step(report("a", task.Lost, task.Rebooted).ofAttempt(3))
	r.wantStates("a=LOST/rebooted#3 b=DISPATCHED")
	wantList(t, "forgotten", rd.Send.Forget, 0)
}

func TestALostTaskIsNotRunAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		spec   Spec
		before func(*rig)
		ev     Event
		want   string
	}{
		{"by default", aSpec(), nil, report("a", task.Lost, task.Rebooted), "LOST/rebooted"},
		{"when its host was wiped", aSpec(rerunsTo(2)), nil, Reached{Host: "a", Incarnation: inc(2)}, "LOST/state_wiped"},
		{
			"after rerun-until", aSpec(rerunsTo(2), func(s *Spec) { s.StartBy = s.Rollout.Deadline }),
			func(r *rig) { r.at(2 * time.Minute) }, report("a", task.Lost, task.Rebooted), "LOST/rebooted",
		},
		{
			"when the job was canceled", aSpec(rerunsTo(2)),
			func(r *rig) { r.step(cancelAs("c")) }, report("a", task.Lost, task.Rebooted), "LOST/rebooted",
		},
		{
			"when the job was canceled and what runs may go on", aSpec(rerunsTo(2)),
			func(r *rig) { r.step(Cancel{RequestID: "keep-what-is-running", KeepRunning: true}) }, report("a", task.Lost, task.Rebooted), "LOST/rebooted",
		},
		{
			"when the user has stopped waiting", aSpec(rerunsTo(2), func(s *Spec) { s.StartBy = dawn().Add(time.Second) }),
			func(r *rig) { r.at(100 * time.Second) }, report("a", task.Lost, task.Rebooted), "LOST/rebooted",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.spec, targetsOf(t, "r1: a"))
			r.step(reach("a"))
			if c.before != nil {
				c.before(r)
			}
			r.step(c.ev)
			r.wantStates("a=" + c.want)
		})
	}
}

func TestAHostThatHasNotGotTheSecondAttemptGetsItAgain(t *testing.T) {
	r := newRig(t, aSpec(rerunsTo(2)), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Lost, task.Rebooted))
	for _, old := range []Event{report("a", task.Lost, task.Rebooted), report("a", task.Running)} {
		rd := r.step(old)
		if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Attempt != 2 || rd.Persist.Row != nil {
			t.Errorf("a report of the first attempt owes %+v", rd)
		}
	}
	r.step(Gone{Host: fleet.HostID("a"), Since: r.now})
	rd := r.step(report("a", task.Lost, task.Rebooted))
	wantList(t, "dispatched to who is away", ordinalsOf(rd.Send.Dispatch))
	rd = r.step(reach("a"))
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Attempt != 2 {
		t.Errorf("back again it gets %+v", rd.Send.Dispatch)
	}
}

// The store was restored to a moment before the second attempt was raised.
func TestAnAttemptThatTheStoreHasLostIsTakenOver(t *testing.T) {
	r := newRig(t, aSpec(rerunsTo(3)), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	rd := r.step(report("a", task.Running).ofAttempt(2))
	if len(rd.Persist.Tasks) != 1 || rd.Persist.Tasks[0].Report != (task.Report{Attempt: 2, State: task.Dispatched}) {
		t.Errorf("written %+v", rd.Persist.Tasks)
	}
	r.wantStates("a=RUNNING#2")
	r.step(report("a", task.Succeeded).ofAttempt(2))
	r.wantStates("a=SUCCEEDED#2")
	if r.m.reruns != 0 {
		t.Errorf("%d reruns are in flight", r.m.reruns)
	}
}

// What the machine says by itself must be the scheduler's to say.
func TestTheSchedulerSaysOnlyWhatItMay(t *testing.T) {
	live := []task.State{task.Dispatched, task.Accepted, task.Starting, task.Running}
	end := []Event{
		Reached{Host: "a", Incarnation: inc(2)},
		PastW{Host: "a", Incarnation: inc(1), SameGeneration: true},
		PastW{Host: "a", Incarnation: inc(1)},
		Tick{},
	}
	for _, from := range live {
		for _, ev := range end {
			r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
			r.step(reach("a"))
			r.step(report("a", from))
			if _, tick := ev.(Tick); tick {
				r.now = dawn().Add(time.Hour)
			}
			r.step(ev)
			if to := r.m.Task(0).Report.State; !task.May(task.Scheduler, from, to) {
				t.Errorf("%T takes a task from %s to %s, which the table does not know", ev, from, to)
			}
		}
	}
}
