package job

import (
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestACanceledJobSkipsTheRestAndStopsWhatRuns(t *testing.T) {
	r := newRig(t, aSpec(concurrency(3)), targetsOf(t, "r1: a b c d e"))
	r.step(reachAll("a", "b", "c", "d")...)
	r.step(report("a", task.Running), Gone{Host: "c", Since: r.now})
	rd := r.step(cancelAs("c"))
	r.wantStates("a=RUNNING b=DISPATCHED c=DISPATCHED d=SKIPPED/job_canceled e=SKIPPED/job_canceled")
	if len(rd.Send.Stop) != 1 || rd.Send.Stop[0].Ordinal != 0 {
		t.Errorf("stopped %+v", rd.Send.Stop)
	}
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0] != (Dispatch{Ordinal: 1, Attempt: 1, Stop: true}) {
		t.Errorf("dispatched %+v", rd.Send.Dispatch)
	}
	if row := rd.Persist.Row; row.State != Stopping || row.Wish != task.DesiredStop || row.ControlRevision != 2 {
		t.Errorf("row %+v", row)
	}
	r.step(report("a", task.Canceled, task.Killed), report("b", task.Canceled, task.BeforeStart))
	rd = r.step(reach("c"))
	if len(rd.Send.Dispatch) != 1 || !rd.Send.Dispatch[0].Stop {
		t.Errorf("back again c gets %+v", rd.Send.Dispatch)
	}
	rd = r.step(report("c", task.Canceled, task.BeforeStart))
	if !rd.Settled || r.m.Row().State != Done {
		t.Errorf("row %+v", r.m.Row())
	}
}

func TestACanceledJobMayLetGoOnWhatRuns(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	ev := cancelAs("c")
	ev.KeepRunning = true
	rd := r.step(ev)
	if !rd.Send.Empty() || rd.Persist.Row.Wish != task.DesiredRun || rd.Persist.Row.State != Stopping {
		t.Errorf("it owes %+v", rd)
	}
	r.wantStates("a=DISPATCHED b=SKIPPED/job_canceled")
	rd = r.step(reach("a"))
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Stop {
		t.Errorf("what was released goes on: %+v", rd.Send.Dispatch)
	}

	rd = r.step(cancelAs("now-really"))
	if len(rd.Send.Dispatch) != 1 || !rd.Send.Dispatch[0].Stop || rd.Persist.Row.ControlRevision != 3 {
		t.Errorf("a second cancel stops it: %+v", rd)
	}
}

func TestWhatWasLetGoOnIsStoppedAtTheDeadline(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.Timeout = 0 }), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Running))
	ev := cancelAs("c")
	ev.KeepRunning = true
	r.step(ev)
	rd := r.at(5 * time.Minute)
	if len(rd.Send.Stop) != 1 || rd.Persist.Row.Wish != task.DesiredStop {
		t.Errorf("it owes %+v", rd)
	}
}

func TestTheSameRequestHasNoSecondEffect(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	ev := cancelAs("c")
	ev.Expected = 1
	rd := r.step(ev)
	want := ControlRow{RequestID: ev.RequestID, ControlRevision: 2, At: dawn()}
	if len(rd.Persist.Controls) != 1 || rd.Persist.Controls[0] != want {
		t.Errorf("recorded %+v", rd.Persist.Controls)
	}
	row := r.m.Row()
	if rd = r.step(ev); !rd.Empty() || r.m.Row() != row {
		t.Errorf("the same request owes %+v", rd)
	}
	r.restart()
	if rd = r.step(ev); rd.Persist.Row != nil {
		t.Errorf("after a restart the same request owes %+v", rd)
	}
}

func TestAnotherRequestUnderTheSameIDIsRefused(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	keep := cancelAs("c")
	keep.KeepRunning = true
	r.step(keep)
	r.wantError(ErrRequestReused, cancelAs("c"))
	r.restart()
	r.wantError(ErrRequestReused, cancelAs("c"))
	r.wantStates("a=DISPATCHED")
}

func TestACancelOfWhatWasNotSeenIsRefused(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	ev := cancelAs("c")
	ev.Expected = 7
	r.wantError(ErrControlRevision, ev)
	if rd := r.ready(); !rd.Empty() {
		t.Errorf("a refused cancel owes %+v", rd)
	}
	ev.Expected = 1
	r.step(ev)
	other := cancelAs("other")
	other.Expected = 1
	r.wantError(ErrControlRevision, other)
	r.wantStates("a=DISPATCHED")
}

func TestACancelThatChangesNothingIsNotRecorded(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(cancelAs("first"))
	keep := cancelAs("keep")
	keep.KeepRunning = true
	for _, ev := range []Event{cancelAs("second"), keep} {
		if rd := r.step(ev); !rd.Empty() {
			t.Errorf("%+v owes %+v", ev, rd)
		}
	}
	r.step(report("a", task.Canceled, task.BeforeStart))
	if rd := r.step(cancelAs("too-late")); !rd.Empty() || r.m.Row().State != Done {
		t.Errorf("a cancel of a job that is done owes %+v", rd)
	}
}

func TestACancelNeedsAName(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	for _, id := range []string{"", "short", strings.Repeat("x", 65)} {
		r.wantError(ErrRequestID, Cancel{RequestID: id})
	}
}

func TestAJobThatIsCanceledBeforeAnythingStartedIsDone(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	rd := r.step(cancelAs("c"))
	if !rd.Settled || rd.Persist.Row.State != Done || rd.Persist.Row.ControlRevision != 2 {
		t.Errorf("row %+v", rd.Persist.Row)
	}
	r.wantStates("a=SKIPPED/job_canceled b=SKIPPED/job_canceled")
	if rd = r.step(reachAll("a", "b")...); !rd.Empty() {
		t.Errorf("hosts that come get %+v", rd)
	}
}

func TestAReportThatCrossesTheCancelIsBelieved(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(cancelAs("c"))
	rd := r.step(report("a", task.Succeeded))
	r.wantStates("a=SUCCEEDED")
	wantList(t, "forgotten", rd.Send.Forget, 0)
}
