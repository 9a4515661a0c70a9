package job

import (
	"errors"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestANewOwnerAsksBeforeItSendsAnythingAgain(t *testing.T) {
	r := newRig(t, aSpec(concurrency(3)), targetsOf(t, "r1: a b c d e"))
	r.step(reachAll("a", "b", "c", "d")...)
	r.step(report("a", task.Succeeded), report("b", task.Running))
	r.restart()
	if rd := r.ready(); !rd.Empty() {
		t.Errorf("a restart alone owes %+v", rd)
	}
	rd := r.step(reachAll("a", "b", "c", "d", "e")...)
	wantList(t, "asked", rd.Send.Query, 1, 2, 3)
	wantList(t, "dispatched", ordinalsOf(rd.Send.Dispatch))
	wantList(t, "released", rd.Persist.Released)
	r.wantStates("a=SUCCEEDED b=DISPATCHED c=DISPATCHED d=DISPATCHED e=PENDING")

	rd = r.step(report("b", task.Running), NotKnown{Ordinals: []uint32{2}})
	wantList(t, "dispatched again", ordinalsOf(rd.Send.Dispatch), 2)
	rd = r.step(reachAll("b", "c", "d")...)
	wantList(t, "of those who came again it asks only of whom it has not heard", rd.Send.Query, 3)
	wantList(t, "and sends what it knows has not arrived", ordinalsOf(rd.Send.Dispatch), 2)
}

func TestARestartLosesNothingThatIsDurable(t *testing.T) {
	r := newRig(t, aSpec(concurrency(3), rerunsTo(3)), targetsOf(t, "r1: a b c d", "r2: e"))
	r.step(reachAll("a", "b", "c", "d")...)
	r.step(report("a", task.Failed), report("b", task.Lost, task.Rebooted))
	ev := cancelAs("c")
	ev.KeepRunning = true
	r.step(ev)
	before, states := r.m.Row(), r.disk.record()
	r.restart()
	if after := r.m.Row(); after != before {
		t.Errorf("the row was %+v and is %+v", before, after)
	}
	for _, row := range states.Tasks {
		if v := r.m.Task(row.Ordinal); v.Report != row.Report || v.Revision != row.Revision {
			t.Errorf("ordinal %d was %+v and is %+v", row.Ordinal, row, v)
		}
	}
	if r.m.reruns != 1 {
		t.Errorf("%d reruns are in flight", r.m.reruns)
	}
	rd := r.step(report("b", task.Succeeded).ofAttempt(2), report("c", task.Succeeded), report("d", task.Succeeded))
	if !rd.Settled {
		t.Errorf("not settled: %+v", r.m.Row())
	}
}

func TestHostsAreHeardBeforeANewOwnerGivesThemUp(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b c"))
	r.step(reachAll("a", "b")...)
	r.restart()
	r.at(3 * time.Hour) // nobody owned the job for so long
	r.wantStates("a=DISPATCHED b=DISPATCHED c=EXPIRED/start_by_passed")
	r.step(reachAll("a", "b")...)
	r.step(report("a", task.Succeeded))
	due, ok := r.m.Due()
	if want := dawn().Add(3*time.Hour + PullEvery); !ok || !due.Equal(want) {
		t.Errorf("due %s, want %s", due, want)
	}
	rd := r.at(3*time.Hour + DefaultGrace + Slack)
	r.wantStates("a=SUCCEEDED b=UNKNOWN/silent")
	if !rd.Settled {
		t.Error("not settled")
	}
}

func TestAJobThatIsDoneIsRestoredForLateTruth(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(report("b", task.Succeeded))
	r.at(time.Hour)
	r.restart()
	rd := r.step(report("a", task.TimedOut, task.Timeout))
	if rd.Settled || rd.Persist.Row == nil || rd.Persist.Row.State != Done {
		t.Errorf("it owes %+v", rd)
	}
	wantList(t, "forgotten", rd.Send.Forget, 0)
	rd = r.step(report("b", task.Succeeded))
	wantList(t, "forgotten", rd.Send.Forget, 1)
}

func TestAQuarantinedJobIsVisibleAndStill(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.disk.row.State = Quarantined
	r.restart()
	for _, ev := range []Event{reach("a"), report("a", task.Succeeded), cancelAs("c"), Tick{}} {
		r.wantError(ErrQuarantined, ev)
	}
	if rd := r.m.Ready(); !rd.Empty() {
		t.Errorf("it owes %+v", rd)
	}
	if _, ok := r.m.Due(); ok {
		t.Error("it wants ticks")
	}
	if r.m.Row().State != Quarantined || r.state("a") != "DISPATCHED" {
		t.Error("it cannot be seen")
	}
}

func TestAStoreThatDoesNotFitIsNotBelieved(t *testing.T) {
	running := Row{State: Running, Revision: 1, ControlRevision: 1}
	outcome := task.Report{Attempt: 1, State: task.Succeeded}
	for name, record := range map[string]Record{
		"a release past the end":     {Row: running, Released: []uint32{2}},
		"a row past the end":         {Row: running, Tasks: []TaskRow{{Ordinal: 2, Report: outcome}}},
		"a row without a report":     {Row: running, Tasks: []TaskRow{{Ordinal: 0}}},
		"a pending row":              {Row: running, Tasks: []TaskRow{{Report: task.Report{Attempt: 1, State: task.Pending}}}},
		"an attempt never released":  {Row: running, Tasks: []TaskRow{{Report: task.Report{Attempt: 2, State: task.Dispatched}}}},
		"a row with how far it came": {Row: running, Released: []uint32{0}, Tasks: []TaskRow{{Report: task.Report{Attempt: 1, State: task.Running}}}},
		"no revision":                {Row: Row{State: Running}},
		"done and not settled":       {Row: Row{State: Done, Revision: 3}},
		"settled and not done":       {Row: running, Tasks: []TaskRow{{Report: outcome}, {Ordinal: 1, Report: outcome}}},
	} {
		m := New(aSpec(), targetsOf(t, "r1: a b"))
		if err := m.Restore(record); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAReleaseThatIsStoredTwiceIsOne(t *testing.T) {
	m := New(aSpec(), targetsOf(t, "r1: a b"))
	if err := m.Restore(Record{Row: Row{State: Running, Revision: 1}, Released: []uint32{0, 0}}); err != nil {
		t.Fatal(err)
	}
	if got := m.Row().InFlight(); got != 1 {
		t.Errorf("%d are in flight", got)
	}
}
