package job

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestAHostThatComesBackGetsWhatMayNotHaveArrived(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("b", task.Accepted), report("c", task.Succeeded))
	r.step(Gone{Host: "a", Since: r.now}, Gone{Host: "b", Since: r.now}, Gone{Host: "c", Since: r.now})
	rd := r.step(reachAll("a", "b", "c")...)
	wantList(t, "dispatched again", ordinalsOf(rd.Send.Dispatch), 0)
	wantList(t, "released again", rd.Persist.Released)
}

func TestAHostThatMovesToAnotherAggregatorGetsItsTaskThere(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	rd := r.step(reach("a"))
	wantList(t, "dispatched again", ordinalsOf(rd.Send.Dispatch), 0)
}

func TestAnIncarnationThatIsNotTheTargetGetsNothing(t *testing.T) {
	r := newRig(t, aSpec(concurrency(2)), targetsOf(t, "r1: a b c d"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("b", task.Running))
	wiped := func(host fleet.HostID) Reached { return Reached{Host: host, Incarnation: inc(2)} }
	rd := r.step(wiped("b"), wiped("d"))
	r.wantStates("a=DISPATCHED b=LOST/state_wiped c=DISPATCHED d=SKIPPED/new_incarnation")
	wantList(t, "its slot goes to", rd.Persist.Released, 2)
	wantList(t, "to be forgotten", rd.Send.Forget)

	rd = r.step(wiped("b"), wiped("d"))
	if !rd.Empty() {
		t.Errorf("said again it owes %+v", rd)
	}
}

func TestATaskThatWasGivenUpIsLostWhenItsHostWasWiped(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.at(10 * time.Minute)
	r.wantStates("a=UNKNOWN/silent")
	rd := r.step(Reached{Host: "a", Incarnation: inc(2)})
	r.wantStates("a=LOST/state_wiped")
	if rd.Settled || rd.Persist.Row == nil {
		t.Errorf("late truth owes %+v", rd)
	}
}

func TestAStrangerIsNoTarget(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.wantError(ErrUnknownHost, reach("b"))
	r.wantError(ErrUnknownHost, Gone{Host: "b"})
	r.wantError(ErrUnknownHost, report("b", task.Running))
	r.wantError(ErrUnknownHost, PastW{Host: "b"})
	r.wantError(ErrOrdinal, NotKnown{Ordinals: []uint32{0, 1}})
	r.wantError(ErrOrdinal, NotHere{Ordinals: []uint32{1}})
	r.wantError(ErrEvent, nil)
}

func TestTheTimeOfGoingAwayIsTheHostsOwn(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	rd := r.step(Gone{Host: "a", Since: dawn().Add(-time.Second)})
	wantList(t, "changed", rd.Changed, 0)
	if v := r.m.Task(0); !v.UnreachableSince.Equal(dawn().Add(-time.Second)) {
		t.Errorf("a is %+v", v)
	}
	r.step(Gone{Host: "a"})
	if v := r.m.Task(0); !v.Unreachable || !v.UnreachableSince.IsZero() {
		t.Errorf("a is %+v", v)
	}
	rd = r.step(reach("a"))
	wantList(t, "changed", rd.Changed, 0)
}

func TestWhatIsDoneDoesNotBecomeUnreachable(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Succeeded))
	r.step(Gone{Host: "a", Since: r.now})
	if v := r.m.Task(0); v.Unreachable {
		t.Errorf("a is %+v", v)
	}
}

func TestWhatThePullDoesNotFindIsDispatchedAgain(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b")...)
	rd := r.at(30 * time.Second)
	wantList(t, "pulled", rd.Send.Query, 0, 1)
	rd = r.step(NotKnown{Ordinals: []uint32{1, 2}})
	wantList(t, "dispatched again, not what was never released", ordinalsOf(rd.Send.Dispatch), 1)
	wantList(t, "released", rd.Persist.Released)
}

func TestWhatIsNotKnownIsNotDispatchedToWhoHasGone(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	rd := r.step(NotKnown{Ordinals: []uint32{0}}, Gone{Host: "a", Since: r.now})
	wantList(t, "dispatched", ordinalsOf(rd.Send.Dispatch))
}

func TestNotHereIsTriedAgainAfterASecondAndNotAtOnce(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("b", task.Running))
	rd := r.step(NotHere{Ordinals: []uint32{0, 1}})
	if !rd.Empty() {
		t.Errorf("at once it owes %+v", rd)
	}
	r.step(NotHere{Ordinals: []uint32{2}})
	due, ok := r.m.Due()
	if !ok || !due.Equal(dawn().Add(time.Second)) {
		t.Errorf("due %s, %v", due, ok)
	}
	r.step(report("c", task.Accepted))
	rd = r.at(time.Second)
	wantList(t, "dispatched again, not what has arrived", ordinalsOf(rd.Send.Dispatch), 0)
	rd = r.at(2 * time.Second)
	wantList(t, "and only once", ordinalsOf(rd.Send.Dispatch))
}

func TestNotHereOfAHostThatHasGoneWaitsForIt(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(Gone{Host: "a", Since: r.now}, NotHere{Ordinals: []uint32{0}})
	rd := r.at(2 * time.Second)
	wantList(t, "dispatched", ordinalsOf(rd.Send.Dispatch))
	rd = r.step(reach("a"))
	wantList(t, "dispatched when it is back", ordinalsOf(rd.Send.Dispatch), 0)
}
