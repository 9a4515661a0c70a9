package job

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestAJobIsAcceptedAndReleasedInOneCommit(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b c"))
	rd := r.step(reachAll("a", "c")...)
	if rd.Persist.Row == nil || rd.Persist.Row.Revision != 1 || rd.Persist.Row.State != Running || rd.Persist.Row.ControlRevision != 1 {
		t.Fatalf("row %+v", rd.Persist.Row)
	}
	wantList(t, "released", rd.Persist.Released, 0, 2)
	wantList(t, "dispatched", ordinalsOf(rd.Send.Dispatch), 0, 2)
	wantList(t, "changed", rd.Changed, 0, 2)
	if len(rd.Persist.Tasks) > 0 {
		t.Errorf("a release is in the bitmap, not in rows: %+v", rd.Persist.Tasks)
	}
	r.wantStates("a=DISPATCHED b=PENDING c=DISPATCHED")
}

func TestAJobIsDurableBeforeAnyHostIsThere(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	if rd := r.ready(); rd.Persist.Row == nil || !rd.Send.Empty() {
		t.Errorf("the first Ready is %+v", rd)
	}
	if rd := r.ready(); !rd.Empty() {
		t.Errorf("the second Ready is %+v", rd)
	}
}

func TestTheNextIsReleasedWhenOneSettles(t *testing.T) {
	r := newRig(t, aSpec(concurrency(2)), targetsOf(t, "r1: a b", "r2: c d"))
	rd := r.step(reachAll("d", "c", "b", "a")...)
	wantList(t, "released first", rd.Persist.Released, 0, 1)
	rd = r.step(report("b", task.Running))
	wantList(t, "released when one runs", rd.Persist.Released)
	rd = r.step(report("b", task.Succeeded))
	wantList(t, "released when one is done", rd.Persist.Released, 2)
	rd = r.step(report("a", task.Failed), report("c", task.Refused, task.BadRole))
	wantList(t, "released at the end", rd.Persist.Released, 3)
	rd = r.step(report("d", task.Succeeded))
	if !rd.Settled || r.m.Row().State != Done || !r.m.Row().DoneAt.Equal(r.now) {
		t.Errorf("row %+v", r.m.Row())
	}
}

func TestAShareOfTheTargetsIsReleasedAtATime(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.Rollout.Concurrency = Amount{Percent: 26} }), targetsOf(t, "r1: a b c d"))
	rd := r.step(reachAll("a", "b", "c", "d")...)
	wantList(t, "released", rd.Persist.Released, 0, 1)
}

func TestAHostThatIsAwayTakesNoSlot(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b c"))
	since := dawn().Add(-time.Hour)
	r.step(Gone{Host: "a", Since: since}, reach("b"))
	r.wantStates("a=PENDING b=DISPATCHED c=PENDING")
	v := r.m.Task(0)
	if !v.Unreachable || !v.UnreachableSince.Equal(since) || v.Released {
		t.Errorf("a is %+v", v)
	}
	if v := r.m.Task(1); v.Unreachable || !v.Released {
		t.Errorf("b is %+v", v)
	}
	if v := r.m.Task(2); !v.Unreachable || !v.UnreachableSince.IsZero() {
		t.Errorf("c, of which nobody has spoken, is %+v", v)
	}
}

func TestAHostThatWasAwayGetsItsTask(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(Gone{Host: "a", Since: dawn()}, reach("b"))
	r.now = dawn().Add(20 * time.Second)
	rd := r.step(reach("a"))
	wantList(t, "released while b holds the slot", rd.Persist.Released)
	rd = r.step(report("b", task.Succeeded))
	wantList(t, "released then", rd.Persist.Released, 0)
	if v := r.m.Task(0); v.Unreachable {
		t.Errorf("a is %+v", v)
	}
}

func TestAHostThatGoesBeforeItsTurnIsPassedOver(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	r.step(Gone{Host: "b", Since: r.now})
	rd := r.step(report("a", task.Succeeded))
	wantList(t, "released", rd.Persist.Released, 2)
}

func TestAReleasedTaskKeepsItsSlotWhileItsHostIsAway(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	rd := r.step(Gone{Host: "a", Since: r.now})
	wantList(t, "released", rd.Persist.Released)
	if v := r.m.Task(0); !v.Unreachable || v.Report.State != task.Dispatched {
		t.Errorf("a is %+v", v)
	}
}

func TestNothingIsReleasedBeforeItsTime(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.NotBefore = dawn().Add(10 * time.Second) }), targetsOf(t, "r1: a"))
	rd := r.step(reach("a"))
	wantList(t, "released at dawn", rd.Persist.Released)
	if due, ok := r.m.Due(); !ok || !due.Equal(dawn().Add(10*time.Second)) {
		t.Errorf("due at %s, %v", due, ok)
	}
	rd = r.at(10*time.Second - 1)
	wantList(t, "released too early", rd.Persist.Released)
	rd = r.at(10 * time.Second)
	wantList(t, "released in time", rd.Persist.Released, 0)
}

func TestNothingIsReleasedFromTheStartByOn(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reach("a"))
	r.now = dawn().Add(time.Minute)
	rd := r.step(reach("b"))
	wantList(t, "released", rd.Persist.Released)
	r.wantStates("b=EXPIRED/start_by_passed")
}

func TestAPausedJobReleasesNothing(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.disk.row.State = Paused
	r.restart()
	rd := r.step(append(reachAll("a", "b"), report("a", task.Succeeded))...)
	wantList(t, "released", rd.Persist.Released)
	r.at(time.Minute)
	r.wantStates("a=SUCCEEDED b=EXPIRED/start_by_passed")
}

func TestAPingNeedsNoStateInBetween(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.Ping = true }), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	rd := r.step(report("a", task.Succeeded), report("b", task.Succeeded))
	if !rd.Settled {
		t.Error("the ping is answered and the job is not settled")
	}
	wantList(t, "forgotten", rd.Send.Forget, 0, 1)
}

func TestEveryRevisionIsOneCommit(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	rd := r.step(report("a", task.Running))
	if rd.Persist.Row != nil || len(rd.Changed) != 1 {
		t.Errorf("how far a host has come is not durable: %+v", rd)
	}
	rd = r.step(report("a", task.Succeeded))
	if got := rd.Persist.Row.Revision; got != 2 || rd.Persist.Tasks[0].Revision != 2 || r.m.Task(0).Revision != 2 || r.m.Task(1).Revision != 0 {
		t.Errorf("revision %d, tasks %+v", got, rd.Persist.Tasks)
	}
	if got := r.m.Row().Counts; got.Of(task.Succeeded) != 1 || got.Of(task.Dispatched) != 1 {
		t.Errorf("counts %v", got)
	}
}

func TestTheDurableRowCountsWhatARestartWouldFind(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	rd := r.step(report("a", task.Running), report("b", task.Accepted), report("c", task.Succeeded))
	if got := rd.Persist.Row.Counts; got.Of(task.Dispatched) != 2 || got.Of(task.Succeeded) != 1 {
		t.Errorf("durable counts %v", got)
	}
	if got := r.m.Row().Counts; got.Of(task.Running) != 1 || got.Of(task.Accepted) != 1 || got.Of(task.Succeeded) != 1 {
		t.Errorf("live counts %v", got)
	}
}

func TestAJobKnowsWhatItIs(t *testing.T) {
	spec, targets := aSpec(), targetsOf(t, "r1: a")
	m := New(spec, targets)
	if m.Spec().ID != spec.ID || m.Targets() != targets {
		t.Error("the machine has lost its spec or its targets")
	}
}
