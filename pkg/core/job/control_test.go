package job

import (
	"slices"
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
	if len(rd.Send.Wishes) != 1 || rd.Send.Wishes[0].Ordinal != 0 {
		t.Errorf("stopped %+v", rd.Send.Wishes)
	}
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0] != (Dispatch{Ordinal: 1, Attempt: 1, Want: task.DesiredStop}) {
		t.Errorf("dispatched %+v", rd.Send.Dispatch)
	}
	if row := rd.Persist.Row; row.State != Stopping || row.Wish != task.DesiredStop || row.ControlRevision != 2 {
		t.Errorf("row %+v", row)
	}
	r.step(report("a", task.Canceled, task.Killed), report("b", task.Canceled, task.BeforeStart))
	rd = r.step(reach("c"))
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Want != task.DesiredStop {
		t.Errorf("back again c gets %+v", rd.Send.Dispatch)
	}
	rd = r.step(report("c", task.Canceled, task.BeforeStart))
	if !rd.Settled || r.m.Row().State != Done {
		t.Errorf("row %+v", r.m.Row())
	}
}

// keepAs is a cancel that lets go on what has started.
func keepAs(id string) Cancel {
	ev := cancelAs(id)
	ev.KeepRunning = true
	return ev
}

// TestACanceledJobMayLetGoOnWhatRuns says of every place in which a released task
// can be what is sent to its host.
func TestACanceledJobMayLetGoOnWhatRuns(t *testing.T) {
	r := newRig(t, aSpec(concurrency(5)), targetsOf(t, "r1: a b c d e f"))
	r.step(reachAll("a", "b", "c", "d", "e", "f")...)
	r.step(report("b", task.Accepted))
	r.step(report("c", task.Starting))
	r.step(report("d", task.Running))
	r.step(Gone{"e", dawn()})
	rd := r.step(keepAs("c"))
	if rd.Persist.Row.Wish != task.DesiredWithdraw || rd.Persist.Row.State != Stopping {
		t.Errorf("it is durable as %+v", rd.Persist.Row)
	}
	r.wantStates("a=DISPATCHED b=ACCEPTED c=STARTING d=RUNNING e=DISPATCHED f=SKIPPED/job_canceled")
	if want := []Dispatch{{0, 1, task.DesiredWithdraw}}; !slices.Equal(rd.Send.Dispatch, want) {
		t.Errorf("dispatched %+v, want %+v: who may not have it gets it with the wish", rd.Send.Dispatch, want)
	}
	if want := []Wish{{1, 1, task.DesiredWithdraw}}; !slices.Equal(rd.Send.Wishes, want) {
		t.Errorf("wished %+v, want %+v: what has started is told nothing", rd.Send.Wishes, want)
	}

	rd = r.step(reach("e"))
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Want != task.DesiredWithdraw {
		t.Errorf("who is back is sent %+v", rd.Send.Dispatch)
	}
	rd = r.at(PullEvery)
	if len(rd.Send.Query) != 5 || len(rd.Send.Wishes) != 3 {
		t.Errorf("the pull asks %v and wishes %+v", rd.Send.Query, rd.Send.Wishes)
	}

	rd = r.step(cancelAs("now-really"))
	if len(rd.Send.Dispatch) != 2 || len(rd.Send.Wishes) != 3 || rd.Persist.Row.ControlRevision != 3 {
		t.Errorf("a second cancel stops it: %+v", rd)
	}
	for _, x := range rd.Send.Wishes {
		if x.Want != task.DesiredStop {
			t.Errorf("wished %+v", x)
		}
	}
}

func TestANewOwnerWithdrawsWhatMayNotHaveStarted(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(report("b", task.Running))
	r.step(keepAs("c"))
	r.restart()
	rd := r.step(reachAll("a", "b")...)
	if len(rd.Send.Wishes) != 2 || rd.Send.Wishes[0].Want != task.DesiredWithdraw || len(rd.Send.Query) != 2 {
		t.Errorf("before anything is heard it sends %+v", rd.Send)
	}
	rd = r.step(NotKnown{[]uint32{0}})
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Want != task.DesiredWithdraw {
		t.Errorf("what did not arrive is sent as %+v", rd.Send.Dispatch)
	}
	r.step(report("a", task.Canceled, task.BeforeStart))
	rd = r.step(report("b", task.Succeeded))
	if !rd.Settled {
		t.Errorf("row %+v", r.m.Row())
	}
	r.wantStates("a=CANCELED/before_start b=SUCCEEDED")
}

func TestALostAttemptOfAWithdrawnTaskIsNotRunAgain(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.MaxAttempts, s.RerunUntil = 2, s.StartBy }), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Running))
	r.step(keepAs("c"))
	r.step(report("a", task.Lost, task.Rebooted))
	r.wantStates("a=LOST/rebooted")
}

func TestAJobThatIsStoppedIsNotWithdrawn(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(cancelAs("stop"))
	if rd := r.step(keepAs("keep")); !rd.Empty() || r.m.Row().Wish != task.DesiredStop {
		t.Errorf("a wish to withdraw owes %+v, and the wish is %v", rd, r.m.Row().Wish)
	}
}

func TestAWithdrawnJobIsStoppedByASecondCancel(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	r.step(keepAs("c"))
	rd := r.step(cancelAs("now-really"))
	if len(rd.Send.Dispatch) != 1 || rd.Send.Dispatch[0].Want != task.DesiredStop || rd.Persist.Row.ControlRevision != 3 {
		t.Errorf("a second cancel stops it: %+v", rd)
	}
}

func TestWhatWasLetGoOnIsStoppedAtTheDeadline(t *testing.T) {
	r := newRig(t, aSpec(func(s *Spec) { s.Timeout = 0 }), targetsOf(t, "r1: a"))
	r.step(reach("a"))
	r.step(report("a", task.Running))
	r.step(keepAs("c"))
	rd := r.at(5 * time.Minute)
	if len(rd.Send.Wishes) != 1 || rd.Persist.Row.Wish != task.DesiredStop {
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
	r.step(keepAs("c"))
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
	for _, ev := range []Event{cancelAs("second"), keepAs("keep")} {
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
	for _, id := range []string{"", "short", strings.Repeat("x", 65), "request-number-\x001", "request-number\n-1", "request-number-1\x7f"} {
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
