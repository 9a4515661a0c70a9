package job

import (
	"math"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func wantSince(t *testing.T, what string, got []Cause, code CauseCode, since time.Duration) {
	t.Helper()
	for _, c := range got {
		if c.Code == code {
			if want := dawn().Add(since); !c.Since.Equal(want) {
				t.Errorf("%s: %s since %s, want %s", what, code, c.Since, want)
			}
			return
		}
	}
	t.Errorf("%s: no %s in %s", what, code, chain(got))
}

// Pauses and resumes are control requests as well, and stop nothing.
func TestAJobIsStoppedSinceItsCancelAndNotSinceAPause(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1), atLeisure), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(report("a", task.Running))
	r.at(10 * time.Second)
	r.step(Pause{RequestID: requestID("p")})
	r.at(20 * time.Second)
	r.resume("r", UntilEnd, 0)
	r.at(30 * time.Second)
	r.step(cancelAs("c"))
	for _, owner := range []string{"its owner", "a new owner"} {
		wantSince(t, owner+" of what runs", r.m.Explain(0), CauseStopping, 30*time.Second)
		wantSince(t, owner+" of what is skipped", r.m.Explain(1), CauseSettled, 30*time.Second)
		r.restart()
	}
}

func TestAPausedJobThatReachesItsDeadlineIsStoppedSinceThen(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.Timeout = 0 }), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Running))
	r.at(10 * time.Second)
	r.step(Pause{RequestID: requestID("p")})
	r.at(5 * time.Minute)
	r.wantRow("STOPPING")
	wantSince(t, "at the deadline", r.m.Explain(0), CauseStopping, 5*time.Minute)
}

func TestAResumeByMoreThanThereAreGoesToTheEnd(t *testing.T) {
	for _, n := range []uint32{5, math.MaxUint32 - 1, math.MaxUint32} {
		r := newRig(t, aSpec(pausesAfter(3), atLeisure), targetsOf(t, "r1: a b c d e"))
		r.step(reachAll("a", "b", "c", "d", "e")...)
		r.step(report("a", task.Succeeded), report("b", task.Succeeded), report("c", task.Succeeded))
		wantList(t, "resumed", r.resume("many", UntilNumber, n).Persist.Released, 3, 4)
		r.wantRow("RUNNING")
	}
}

// What was forgiven and then turned out well is not there to forgive others.
func TestABudgetIsWholeAfterAResumeAndNoMoreThanThat(t *testing.T) {
	r := newRig(t, aSpec(tolerates(1), atLeisure), targetsOf(t, "r1: a b c d e f g"))
	r.step(reachAll("a", "b", "c", "d", "e", "f", "g")...)
	r.step(Reached{Host: "a", Incarnation: inc(2)}, Reached{Host: "b", Incarnation: inc(2)}) // LOST
	r.wantRow("PAUSED budget")
	wantList(t, "forgiven", r.resume("on", UntilEnd, 0).Persist.Released, 2, 3)
	r.step(report("a", task.Succeeded), report("b", task.Succeeded)) // they were under way
	r.restart()
	r.step(reachAll("c", "d", "e", "f", "g")...)
	r.step(report("c", task.Failed))
	wantList(t, "two that failed", r.step(report("d", task.Failed)).Persist.Released)
	r.wantRow("PAUSED budget")
}

func TestABatchPointThatWasReachedIsPassedAfterATakeOver(t *testing.T) {
	points := func(s *Spec) { s.Rollout.PauseBatches = []uint32{1} }
	r := newRig(t, aSpec(batchesOfCount(2), points, atLeisure), targetsOf(t, "r1: a b c d e"))
	r.step(append(reachAll("a", "c", "d", "e"), Gone{Host: "b", Since: dawn().Add(-time.Hour)})...)
	r.step(report("a", task.Succeeded))
	r.wantRow("PAUSED point")
	r.restart() // the new owner does not know yet that b is away
	r.step(reachAll("c", "d", "e")...)
	r.resume("on", UntilNext, 0)
	r.wantRow("RUNNING")
	wantList(t, "b is known to be away", r.step(Gone{Host: "b", Since: dawn().Add(-time.Hour)}).Persist.Released, 2, 3)
	r.wantRow("RUNNING")
}

func TestABatchPointThatWasReachedIsPassedThoughAStragglerIsBack(t *testing.T) {
	points := func(s *Spec) { s.Rollout.PauseBatches = []uint32{1} }
	r := newRig(t, aSpec(batchesOfCount(2), points, atLeisure), targetsOf(t, "r1: a b c d e"))
	r.step(append(reachAll("a", "c", "d", "e"), Gone{Host: "b", Since: dawn().Add(-time.Hour)})...)
	r.step(report("a", task.Succeeded))
	r.wantRow("PAUSED point")
	wantList(t, "b is back in a paused job", r.step(reach("b")).Persist.Released)
	wantList(t, "resumed", r.resume("on", UntilNext, 0).Persist.Released, 1)
	wantList(t, "b is done", r.step(report("b", task.Succeeded)).Persist.Released, 2, 3)
	r.wantRow("RUNNING")
}

func overdueNow(host string) Reported {
	ev := report(host, task.Running)
	ev.Detail.Overdue = true
	return ev
}

// Reports may come in any order, by way of two aggregators.
func TestAnOlderReportDoesNotTakeBackThatATaskIsOverdue(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.TimeoutReportOnly = true }), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(overdueNow("a"))
	if rd := r.step(report("a", task.Accepted), report("a", task.Running)); !r.m.Task(0).Overdue || !rd.Empty() {
		t.Errorf("an older report makes of it %+v, and owes %+v", r.m.Task(0), rd)
	}
	r.step(report("a", task.Succeeded))
	if r.m.Task(0).Overdue {
		t.Error("it has ended, and is overdue")
	}
}

func TestANewAttemptIsNotOverdueForTheOneBefore(t *testing.T) {
	r := newRig(t, aSpec(rerunsTo(3), func(s *Spec) { s.TimeoutReportOnly = true }), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(overdueNow("a"))
	r.step(report("a", task.Lost, task.Rebooted))
	if v := r.m.Task(0); v.Overdue || v.Report.Attempt != 2 {
		t.Errorf("the next attempt is %+v", v)
	}
	late := overdueNow("a").ofAttempt(2)
	r.step(late)
	r.step(report("a", task.Running).ofAttempt(3)) // an owner that a restored store has lost made it
	if v := r.m.Task(0); v.Overdue || v.Report.Attempt != 3 {
		t.Errorf("the third attempt is %+v", v)
	}
}

// Masks of states have a bit for 64 numbers, of which one is a state.
func TestOnlyStatesCanBeTolerated(t *testing.T) {
	for _, s := range []task.State{task.Unknown + 1, task.Failed + 63, 1, math.MaxUint16} {
		spec := aSpec(tolerates(1), func(s2 *Spec) { s2.Rollout.Tolerated = []task.State{s} })
		if err := spec.Rollout.Validate(); err == nil {
			t.Errorf("%d is tolerated", s)
		}
	}
}

// TestManySmallBatchesThatAreOverAtOnceCostNoMoreThanOneLargeOne would not end
// within the time that a test has, if each batch looked at all before it.
func TestManySmallBatchesThatAreOverAtOnceCostNoMoreThanOneLargeOne(t *testing.T) {
	const n = 300_000
	targets := manyTargets(t, 1, n)
	m := New(aSpec(batchesOfCount(1), atLeisure), targets)
	for o := range uint32(n - 1) { // all but the last have another incarnation
		if err := m.Step(dawn(), Reached{Host: targets.At(o).Host, Incarnation: inc(2)}); err != nil {
			t.Fatal(err)
		}
	}
	m.Ready()
	if row := m.Row(); row.Batch != n-1 || row.State != Running {
		t.Errorf("it is in batch %d, %s", row.Batch, row.State)
	}
}

// That its record does not fit may be why a job is set aside.
func TestAJobThatIsSetAsideShowsWhatFitsOfItsRecord(t *testing.T) {
	rec := Record{Released: []uint32{0, 7}, Tasks: []TaskRow{
		{Ordinal: 0, Revision: 3, Report: task.Report{Attempt: 2, State: task.Lost}, Concluded: true}, {Ordinal: 9, Revision: 4},
	}}
	views := rec.Aside(2)
	want := View{Report: task.Report{Attempt: 2, State: task.Lost}, Revision: 3, Released: true, Concluded: true}
	if len(views) != 2 || views[0] != want || views[1].Released || views[1].Report.State != task.Pending {
		t.Errorf("it shows %+v", views)
	}
}
