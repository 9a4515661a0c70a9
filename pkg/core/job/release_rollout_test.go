package job

import (
	"fmt"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

func roomName(i int) fleet.Room { return fleet.Room("r" + string(rune('a'+i))) }

func fleetName(i, j int) fleet.HostID {
	return fleet.HostID(string(rune('a'+i)) + string(rune('a'+j)))
}

func batchesOfCount(sizes ...uint32) func(*Spec) {
	return func(s *Spec) {
		for _, n := range sizes {
			s.Rollout.Batches = append(s.Rollout.Batches, Amount{Count: n})
		}
	}
}

func tolerates(n uint32) func(*Spec) {
	return func(s *Spec) { s.Rollout.MaxFailures = Budget{Limited: true, Count: n} }
}

func pausesAfter(points ...uint32) func(*Spec) {
	return func(s *Spec) { s.Rollout.PauseAfter = points }
}

func atLeisure(s *Spec) { // nothing is too late within the test
	s.StartBy, s.Rollout.Deadline, s.Timeout = dawn().Add(time.Hour), dawn().Add(2*time.Hour), 0
}

// wantRow compares such as "RUNNING" or "PAUSED point".
func (r *rig) wantRow(want string) {
	r.t.Helper()
	row := r.m.Row()
	got := row.State.String()
	if row.State == Paused {
		got += " " + [...]string{"?", "user", "point", "budget"}[row.Pause]
	}
	if got != want {
		r.t.Errorf("the job is %s, want %s", got, want)
	}
}

func (r *rig) resume(id string, until Until, n uint32) Ready {
	r.t.Helper()
	return r.step(Resume{RequestID: requestID(id), Until: until, Targets: n})
}

func TestABatchWaitsForTheOneBefore(t *testing.T) {
	r := newRig(t, aSpec(batchesOfCount(1, 2), atLeisure), targetsOf(t, "r1: a b c d e"))
	wantList(t, "first", r.step(reachAll("a", "b", "c", "d", "e")...).Persist.Released, 0)
	wantList(t, "while a runs", r.step(report("a", task.Running)).Persist.Released)
	wantList(t, "second", r.step(report("a", task.Failed)).Persist.Released, 1, 2)
	wantList(t, "half of it", r.step(report("c", task.Succeeded)).Persist.Released)
	wantList(t, "third", r.step(report("b", task.Succeeded)).Persist.Released, 3, 4)
}

func TestConcurrencyHoldsWithinABatch(t *testing.T) {
	r := newRig(t, aSpec(batchesOfCount(3), concurrency(2), atLeisure), targetsOf(t, "r1: a b c d"))
	wantList(t, "two of three", r.step(reachAll("a", "b", "c", "d")...).Persist.Released, 0, 1)
	wantList(t, "the third", r.step(report("a", task.Succeeded)).Persist.Released, 2)
	wantList(t, "not yet d", r.step(report("b", task.Succeeded)).Persist.Released)
	wantList(t, "now d", r.step(report("c", task.Succeeded)).Persist.Released, 3)
}

func TestABatchDoesNotWaitForAHostThatStaysAway(t *testing.T) {
	r := newRig(t, aSpec(batchesOfCount(2), atLeisure), targetsOf(t, "r1: a b c d"))
	r.step(append(reachAll("a", "c", "d"), Gone{Host: "b", Since: r.now})...)
	r.step(report("a", task.Succeeded))
	wantList(t, "a moment later", r.at(29*time.Second).Persist.Released)
	wantList(t, "half a minute later", r.at(30*time.Second).Persist.Released, 2, 3)
	wantList(t, "when it is back", r.step(reach("b")).Persist.Released, 1)
	if row := r.m.Row(); row.InFlight() != 3 {
		t.Errorf("row %+v", row)
	}
}

func TestABatchWaitsForAHostOfWhichNothingIsKnown(t *testing.T) {
	r := newRig(t, aSpec(batchesOfCount(2), atLeisure), targetsOf(t, "r1: a b c"))
	r.step(append(reachAll("a", "c"), Gone{Host: "b"})...)
	r.step(report("a", task.Succeeded))
	wantList(t, "b may be there", r.at(time.Minute).Persist.Released)
	wantList(t, "b is away for long", r.step(Gone{Host: "b", Since: dawn()}).Persist.Released, 2)
}

func TestABatchOfWhichNobodyIsThereIsNotPassed(t *testing.T) {
	r := newRig(t, aSpec(batchesOfCount(1), atLeisure), targetsOf(t, "r1: a b"))
	r.step(reach("b"), Gone{Host: "a", Since: dawn()})
	wantList(t, "after long", r.at(10*time.Minute).Persist.Released)
	wantList(t, "a is back", r.step(reach("a")).Persist.Released, 0)
}

func TestABatchOfHostsThatNeverCameIsPassedAtTheStartBy(t *testing.T) {
	r := newRig(t, aSpec(batchesOfCount(1)), targetsOf(t, "r1: a b"))
	r.step(reach("b"), Gone{Host: "a", Since: dawn()})
	if rd := r.at(time.Minute); !rd.Settled {
		t.Errorf("it owes %+v", rd)
	}
	r.wantStates("a=EXPIRED/start_by_passed b=EXPIRED/start_by_passed")
}

func TestNothingIsReleasedBeyondAPausePoint(t *testing.T) {
	r := newRig(t, aSpec(pausesAfter(1, 3), atLeisure), targetsOf(t, "r1: a b c d e"))
	wantList(t, "before the first", r.step(reachAll("a", "b", "c", "d", "e")...).Persist.Released, 0)
	r.wantRow("RUNNING")
	rd := r.step(report("a", task.Succeeded))
	wantList(t, "at the first", rd.Persist.Released)
	r.wantRow("PAUSED point")
	if rd.Persist.Row.ControlRevision != 2 {
		t.Errorf("a pause is a change of control: %+v", rd.Persist.Row)
	}
	wantList(t, "to the next", r.resume("one", UntilNext, 0).Persist.Released, 1, 2)
	r.step(report("b", task.Succeeded), report("c", task.Succeeded))
	r.wantRow("PAUSED point")
	wantList(t, "to the end", r.resume("two", UntilEnd, 0).Persist.Released, 3, 4)
}

func TestAResumeByANumberReleasesThatManyHoweverOftenItIsHeard(t *testing.T) {
	r := newRig(t, aSpec(pausesAfter(1), atLeisure), targetsOf(t, "r1: a b c d e"))
	r.step(reachAll("a", "b", "c", "d", "e")...)
	r.step(report("a", task.Succeeded))
	wantList(t, "two more", r.resume("two", UntilNumber, 2).Persist.Released, 1, 2)
	wantList(t, "the same again", r.resume("two", UntilNumber, 2).Persist.Released)
	r.restart()
	r.step(reachAll("a", "b", "c", "d", "e")...)
	wantList(t, "the same after a take-over", r.resume("two", UntilNumber, 2).Persist.Released)
	r.step(report("b", task.Succeeded), report("c", task.Succeeded))
	r.wantRow("PAUSED point")
	wantList(t, "the same once more, paused again", r.resume("two", UntilNumber, 2).Persist.Released)
	r.wantRow("PAUSED point")
}

func TestAPausePointAfterABatchIsReachedWhenTheBatchIsOver(t *testing.T) {
	r := newRig(t, aSpec(batchesOfCount(1), atLeisure, func(s *Spec) { s.Rollout.PauseBatches = []uint32{1, 3} }), targetsOf(t, "r1: a b c d"))
	r.step(reachAll("a", "b", "c", "d")...)
	r.step(report("a", task.Succeeded))
	r.wantRow("PAUSED point")
	r.resume("on", UntilNext, 0)
	r.step(report("b", task.Succeeded))
	r.wantRow("RUNNING")
	r.step(report("c", task.Succeeded))
	r.wantRow("PAUSED point")
	wantList(t, "the last", r.resume("on-again", UntilNext, 0).Persist.Released, 3)
}

func TestAPausePointThatNobodyIsLeftForIsNoPause(t *testing.T) {
	r := newRig(t, aSpec(pausesAfter(2), atLeisure), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	if rd := r.step(report("a", task.Succeeded), report("b", task.Succeeded)); !rd.Settled {
		t.Errorf("it owes %+v", rd)
	}
	r.wantRow("DONE")
}

func TestABudgetIsNeverOvershot(t *testing.T) {
	r := newRig(t, aSpec(tolerates(1), atLeisure), targetsOf(t, "r1: a b c d e"))
	wantList(t, "two may fail", r.step(reachAll("a", "b", "c", "d", "e")...).Persist.Released, 0, 1)
	wantList(t, "one has", r.step(report("a", task.Failed)).Persist.Released)
	wantList(t, "one has not", r.step(report("b", task.Succeeded)).Persist.Released, 2)
	r.step(report("c", task.TimedOut, task.Timeout))
	r.wantRow("PAUSED budget")
	wantList(t, "forgiven", r.resume("on", UntilEnd, 0).Persist.Released, 3, 4)
}

func TestABudgetOfNothingGoesOneByOne(t *testing.T) {
	r := newRig(t, aSpec(tolerates(0), atLeisure, func(s *Spec) { s.Rollout.FailureAction = AbortOnFailure }), targetsOf(t, "r1: a b c"))
	wantList(t, "first", r.step(reachAll("a", "b", "c")...).Persist.Released, 0)
	wantList(t, "second", r.step(report("a", task.Succeeded)).Persist.Released, 1)
	if rd := r.step(report("b", task.Failed)); !rd.Settled || rd.Persist.Row.State != Done {
		t.Errorf("it owes %+v", rd)
	}
	r.wantStates("a=SUCCEEDED b=FAILED c=SKIPPED/aborted")
}

func TestAnAbortLetsGoOnWhatRuns(t *testing.T) {
	abort := func(s *Spec) { s.Rollout.FailureAction = AbortOnFailure }
	r := newRig(t, aSpec(tolerates(2), abort, atLeisure), targetsOf(t, "r1: a b c d e"))
	r.step(reachAll("a", "b", "c", "d", "e")...)
	r.step(report("a", task.Running), report("b", task.Failed), report("c", task.Failed))
	r.wantRow("RUNNING") // a may still end well
	rd := r.step(Reached{Host: "d", Incarnation: inc(2)}, report("a", task.Succeeded))
	wantList(t, "one more", rd.Persist.Released, 4)
	rd = r.step(report("e", task.Running))
	rd2 := r.step(report("e", task.Failed))
	if len(rd.Send.Wishes)+len(rd2.Send.Wishes) != 0 || r.m.Row().Wish != task.DesiredRun {
		t.Errorf("it owes %+v and %+v", rd, rd2)
	}
	r.wantRow("DONE")
}

func TestAnAbortSkipsTheRestAndStopsNobody(t *testing.T) {
	abort := func(s *Spec) { s.Rollout.FailureAction = AbortOnFailure }
	r := newRig(t, aSpec(tolerates(1), abort, atLeisure), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("b", task.Running), Reached{Host: "a", Incarnation: inc(2)})
	rd := r.step(report("b", task.Running), Reached{Host: "c", Incarnation: inc(2)})
	if len(rd.Send.Wishes) != 0 {
		t.Errorf("it owes %+v", rd)
	}
	r.wantStates("a=LOST/state_wiped b=RUNNING c=SKIPPED/new_incarnation")
	if rd = r.step(report("b", task.Failed)); !rd.Settled {
		t.Errorf("it owes %+v", rd)
	}
}

func TestAToleratedOutcomeIsNotBad(t *testing.T) {
	r := newRig(t, aSpec(tolerates(0), atLeisure, func(s *Spec) { s.Rollout.Tolerated = []task.State{task.Failed} }), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	wantList(t, "after a failure", r.step(report("a", task.Failed)).Persist.Released, 1)
	r.step(report("b", task.Lost, task.Rebooted))
	r.wantRow("PAUSED budget")
}

func TestLateTruthDoesNotResume(t *testing.T) {
	r := newRig(t, aSpec(tolerates(0), atLeisure), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(Reached{Host: "a", Incarnation: inc(2)})
	r.wantRow("PAUSED budget")
	r.step(report("a", task.Succeeded)) // it was under way when the host was wiped
	r.wantStates("a=SUCCEEDED")
	r.wantRow("PAUSED budget")
	wantList(t, "resumed", r.resume("on", UntilEnd, 0).Persist.Released, 1)
}

func TestAUserPausesAndResumes(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1), atLeisure), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	rd := r.step(Pause{RequestID: requestID("p")})
	r.wantRow("PAUSED user")
	if len(rd.Send.Wishes) != 0 || len(rd.Persist.Controls) != 1 || rd.Persist.Controls[0].Kind != PauseRequest {
		t.Errorf("it owes %+v", rd)
	}
	wantList(t, "while it is paused", r.step(report("a", task.Succeeded)).Persist.Released)
	wantList(t, "resumed", r.resume("r", UntilNext, 0).Persist.Released, 1)
	r.step(Pause{RequestID: requestID("p")})
	r.wantRow("RUNNING") // the same request has had its effect
	r.step(Pause{RequestID: requestID("p2")})
	r.wantRow("PAUSED user")
	wantList(t, "a new owner", func() []uint32 { r.restart(); return r.step(reachAll("a", "b", "c")...).Persist.Released }())
	r.wantRow("PAUSED user")
}

func TestAPauseOfAPausedJobIsRememberedAllTheSame(t *testing.T) {
	r := newRig(t, aSpec(pausesAfter(1), atLeisure), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("a", task.Succeeded))
	r.step(Pause{RequestID: requestID("late")})
	r.wantRow("PAUSED point")
	r.resume("on", UntilEnd, 0)
	r.step(Pause{RequestID: requestID("late")})
	r.wantRow("RUNNING")
}

func TestAPausedJobStillEnds(t *testing.T) {
	r := newRig(t, aSpec(pausesAfter(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(report("a", task.Succeeded))
	if rd := r.at(time.Minute); !rd.Settled {
		t.Errorf("at its start-by it owes %+v", rd)
	}
	r.wantStates("b=EXPIRED/start_by_passed")
	r.wantRow("DONE")
}

func TestAControlRequestThatCannotBeChangesNothing(t *testing.T) {
	r := newRig(t, aSpec(atLeisure), targetsOf(t, "r1: a b"))
	r.step(reachAll("a")...)
	r.wantError(ErrRequestID, Pause{RequestID: "short"})
	r.wantError(ErrControlRevision, Pause{RequestID: requestID("p"), Expected: 7})
	r.wantError(ErrNotPaused, Resume{RequestID: requestID("r")})
	r.wantError(ErrResume, Resume{RequestID: requestID("r"), Until: UntilNumber})
	r.wantError(ErrResume, Resume{RequestID: requestID("r"), Targets: 1})
	r.wantError(ErrResume, Resume{RequestID: requestID("r"), Until: 3})
	r.step(Pause{RequestID: requestID("p")})
	r.wantError(ErrRequestReused, Resume{RequestID: requestID("p")})
	r.wantError(ErrRequestReused, Cancel{RequestID: requestID("p")})
	r.wantError(ErrControlRevision, Resume{RequestID: requestID("r"), Expected: 1})
	r.step(cancelAs("c"), report("a", task.Canceled, task.Killed))
	r.wantRow("DONE")
	r.wantError(ErrNotPaused, Resume{RequestID: requestID("r")})
	if rd := r.step(Pause{RequestID: requestID("p3")}); rd.Persist.Row != nil {
		t.Errorf("a pause of a job that has ended: %+v", rd.Persist)
	}
}

// Rules: requests-kept
func TestAJobWithAFullRecordOfRequestsCanStillBeCanceled(t *testing.T) {
	r := newRig(t, aSpec(atLeisure), targetsOf(t, "r1: a b"))
	r.step(reach("a"))
	for i := range MaxControls {
		r.m.answered[fmt.Sprintf("request-%08d", i)] = ControlRow{Kind: PauseRequest}
	}
	r.wantError(ErrTooManyControls, Pause{RequestID: requestID("p")})
	r.step(cancelAs("c"))
	r.wantRow("STOPPING")
}

// Rules: pause-after-batches wait-offline
func TestAPointAfterTheLastBatchHoldsBackWhoeverComesLate(t *testing.T) {
	afterTheLast := func(s *Spec) { s.Rollout.PauseBatches = []uint32{2} }
	r := newRig(t, aSpec(batchesOfCount(2), atLeisure, afterTheLast), targetsOf(t, "r1: a b c d"))
	r.step(append(reachAll("a", "b", "c"), Gone{Host: "d", Since: dawn()})...)
	r.step(report("a", task.Succeeded), report("b", task.Succeeded))
	r.step(report("c", task.Succeeded))
	r.wantRow("RUNNING")
	r.at(DefaultWaitOffline)
	if row := r.m.Row(); row.State != Paused || row.Pause != PausedAtPoint {
		t.Fatalf("with one left that is away it is %+v", row)
	}
	r.restart()
	rd := r.step(reach("d"))
	wantList(t, "released in the pause", rd.Persist.Released)
	rd = r.step(Resume{RequestID: requestID("go-on")})
	wantList(t, "released after it", rd.Persist.Released, 3)
	if rd = r.step(report("d", task.Succeeded)); !rd.Settled {
		t.Errorf("row %+v", r.m.Row())
	}

	r = newRig(t, aSpec(batchesOfCount(2), atLeisure, afterTheLast), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("a", task.Succeeded), report("b", task.Succeeded))
	if rd = r.step(report("c", task.Succeeded)); !rd.Settled {
		t.Errorf("with nobody left it is %+v", r.m.Row())
	}
}
