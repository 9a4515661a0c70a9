package job

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// notStarted are the outcomes by which a host says that it started nothing.
func notStarted() []task.Report {
	return []task.Report{
		{State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}},
		{State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}},
		{State: task.Canceled},
		{State: task.StartFailed, Exit: task.Exit{Reason: task.NoResources}},
		{State: task.Refused, Exit: task.Exit{Reason: task.BundleStale}},
	}
}

// ran are the outcomes by which a host says that it started it, or may have.
func ran() []task.Report {
	return []task.Report{
		{State: task.Succeeded},
		{State: task.Failed, Exit: task.Exit{Code: 3}},
		{State: task.TimedOut, Exit: task.Exit{Reason: task.Timeout}},
		{State: task.Canceled, Exit: task.Exit{Reason: task.Killed}},
		{State: task.Lost, Exit: task.Exit{Reason: task.SupervisorLost}},
	}
}

func says(host string, attempt uint32, r task.Report) Reported {
	ev := report(host, r.State)
	ev.Report, ev.Detail.Message = r, "words of the host"
	ev.Report.Attempt, ev.Detail.Signature = attempt, []byte("signature")
	return ev
}

func TestATaskThatRanAndWasLostIsNeverSaidNotToHaveStarted(t *testing.T) {
	for _, second := range notStarted() {
		for _, why := range []task.Reason{task.Rebooted, task.SupervisorLost} {
			for name, between := range map[string]func(*rig){
				"at once":                    func(*rig) {},
				"after a restart":            func(r *rig) { r.restart() },
				"after the job has given up": func(r *rig) { r.at(time.Hour) },
				"after both":                 func(r *rig) { r.at(time.Hour); r.restart() },
			} {
				r := newRig(t, aSpec(rerunsTo(2)), targetsOf(t, "r1: a"))
				r.step(reach("a"))
				r.step(report("a", task.Running))
				r.step(report("a", task.Lost, why))
				between(r)
				ev := says("a", 2, second)
				rd := r.step(ev)
				want := task.Report{Attempt: 1, State: task.Lost, Exit: task.Exit{Reason: why}}
				if got := r.m.Task(0).Report; got != want {
					t.Errorf("%s, %s in attempt 2: the task is %s, want %s", name, say(ev.Report), say(got), say(want))
				}
				if d := rd.Persist.Tasks[0].Detail; d.Message != ev.Detail.Message || d.Signature != nil {
					t.Errorf("written with %+v: the host has signed another outcome", d)
				}
				wantList(t, "forgotten", rd.Send.Forget, 0)
				rd = r.step(ev)
				wantList(t, "forgotten again", rd.Send.Forget, 0)
				if rd.Persist.Row != nil || r.m.Row().Conflicts != 0 {
					t.Errorf("%s: the same again owes %+v", name, rd)
				}
			}
		}
	}
}

func TestWhyAnAttemptWasLostMayBeLostWithTheStore(t *testing.T) {
	for _, second := range notStarted() {
		r := newRig(t, aSpec(rerunsTo(3)), targetsOf(t, "r1: a"))
		r.step(reach("a"))
		r.step(says("a", 3, second)) // both attempts before were raised by an owner whose writes are lost
		r.wantStates("a=LOST/forgotten#2")
		r.step(says("a", 2, task.Report{State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}))
		if got := r.m.Row().Conflicts; got != 0 {
			t.Errorf("%d conflicts with what was only concluded", got)
		}
	}
}

// The store was restored to a moment before b was released.
func TestWhatAHostKnowsWasReleasedWhateverTheStoreSays(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b c d"))
	r.disk.anything = true
	r.step(reachAll("a", "b", "c")...)
	rd := r.step(report("b", task.Running))
	wantList(t, "released on record", rd.Persist.Released, 1)
	wantList(t, "dispatched", ordinalsOf(rd.Send.Dispatch))
	rd = r.step(report("a", task.Succeeded))
	wantList(t, "released while b holds the slot", rd.Persist.Released)
	r.restart()
	r.step(reachAll("a", "b", "c")...)
	r.wantStates("a=SUCCEEDED b=DISPATCHED c=PENDING d=PENDING")
	rd = r.step(says("b", 1, task.Report{State: task.Succeeded}), says("d", 1, task.Report{State: task.Refused, Exit: task.Exit{Reason: task.Frozen}}))
	wantList(t, "released now", rd.Persist.Released, 2, 3)
	wantList(t, "forgotten", rd.Send.Forget, 1, 3)
	r.wantStates("b=SUCCEEDED c=DISPATCHED d=REFUSED/freeze")
}

func TestAReportOfAnUnreleasedTaskIsPulledAndStoppedLikeAnyOther(t *testing.T) {
	r := newRig(t, aSpec(concurrency(1)), targetsOf(t, "r1: a b"))
	r.disk.anything = true
	r.step(reachAll("a", "b")...)
	r.step(report("b", task.Running))
	rd := r.at(PullEvery)
	wantList(t, "asked", rd.Send.Query, 0, 1)
	rd = r.step(cancelAs("c"))
	if len(rd.Send.Wishes) != 1 || rd.Send.Wishes[0].Ordinal != 1 {
		t.Errorf("stopped %+v", rd.Send.Wishes)
	}
}

// conclusion is a way by which the scheduler says by itself that nothing was
// started.
type conclusion struct {
	want string
	come func(*rig)
}

func conclusions() []conclusion {
	return []conclusion{
		{"EXPIRED/start_by_passed", func(r *rig) { r.at(time.Minute) }},
		{"EXPIRED/start_by_passed", func(r *rig) {
			r.step(reach("a"))
			r.step(PastW{Host: "a", Incarnation: inc(1), SameGeneration: true})
		}},
		{"SKIPPED/job_canceled", func(r *rig) { r.step(cancelAs("c")) }},
		{"SKIPPED/new_incarnation", func(r *rig) { r.step(Reached{Host: "a", Incarnation: inc(2)}) }},
	}
}

func TestLateTruthReplacesWhatTheSchedulerHasConcluded(t *testing.T) {
	for _, c := range conclusions() {
		for _, truth := range ran() {
			for _, restart := range []bool{false, true} {
				r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
				c.come(r)
				if restart {
					r.restart()
				}
				r.wantStates("a=" + c.want)
				ev := says("a", 1, truth)
				rd := r.step(ev)
				if got := r.m.Task(0); got.Report != ev.Report || !got.Released {
					t.Errorf("%s, then %s: the task is %+v", c.want, say(ev.Report), got)
				}
				if len(rd.Persist.Tasks) != 1 || string(rd.Persist.Tasks[0].Detail.Signature) != "signature" || rd.Persist.Tasks[0].Concluded {
					t.Errorf("written %+v", rd.Persist.Tasks)
				}
				wantList(t, "forgotten", rd.Send.Forget, 0)
				if rd.Settled || r.m.Row().State != Done || r.m.Row().Conflicts != 0 {
					t.Errorf("%s, then %s: the job is %+v", c.want, say(ev.Report), r.m.Row())
				}
				r.restart()
				r.wantStates("a=" + say(ev.Report))
				r.step(says("a", 1, notStarted()[4]))
				if got := r.m.Row().Conflicts; got != 1 {
					t.Errorf("%d conflicts after two outcomes of the host", got)
				}
			}
		}
	}
}

func TestTwoWaysOfNotStartingAreAConflictUnlessTheyAreTheSame(t *testing.T) {
	for _, c := range conclusions() {
		for _, said := range notStarted() {
			r := newRig(t, aSpec(), targetsOf(t, "r1: a"))
			c.come(r)
			before := r.m.Task(0).Report
			ev := says("a", 1, said)
			rd := r.step(ev)
			if got := r.m.Task(0).Report; got != ev.Report {
				t.Errorf("%s, then %s: it is %s", c.want, say(ev.Report), say(got))
			}
			if row := rd.Persist.Tasks[0]; string(row.Detail.Signature) != "signature" || row.Concluded {
				t.Errorf("%s, then %s: written %+v", c.want, say(ev.Report), row)
			}
			want := uint32(1)
			if ev.Report == before {
				want = 0
			}
			if got := r.m.Row().Conflicts; got != want {
				t.Errorf("%s, then %s: %d conflicts, want %d", c.want, say(ev.Report), got, want)
			}
			wantList(t, "forgotten", rd.Send.Forget, 0)
		}
	}
}

func TestThatALaterAttemptWasNotStartedProvesThatThereWasAnEarlierOne(t *testing.T) {
	for _, c := range conclusions() {
		r := newRig(t, aSpec(rerunsTo(2)), targetsOf(t, "r1: a"))
		c.come(r)
		r.step(says("a", 2, notStarted()[0]))
		r.wantStates("a=LOST/forgotten")
	}
}

// TestALaterAttemptThatARestoredStoreHasLostIsBelieved was found by the
// simulator: the owner that had raised the attempt was of another history, the
// one after the restore took the LOST of the attempt before for the end.
func TestALaterAttemptThatARestoredStoreHasLostIsBelieved(t *testing.T) {
	for _, c := range []struct {
		name    string
		attempt uint32
		second  task.Report
		want    task.Report
	}{
		{"it ran", 2, task.Report{State: task.Succeeded}, task.Report{Attempt: 2, State: task.Succeeded}},
		{"it was lost too", 3, task.Report{State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}, task.Report{Attempt: 3, State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}},
		{
			"it was not started, so the one before stands", 2,
			task.Report{State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}},
			task.Report{Attempt: 1, State: task.Lost, Exit: task.Exit{Reason: task.SupervisorLost}},
		},
		{
			"the job does not allow it", 4,
			task.Report{State: task.Succeeded},
			task.Report{Attempt: 1, State: task.Lost, Exit: task.Exit{Reason: task.SupervisorLost}},
		},
	} {
		r := newRig(t, aSpec(rerunsTo(3)), targetsOf(t, "r1: a"))
		r.step(reach("a"))
		r.at(150 * time.Second) // too late for another attempt
		r.step(report("a", task.Lost, task.SupervisorLost))
		rd := r.step(says("a", c.attempt, c.second))
		if got := r.m.Task(0).Report; got != c.want {
			t.Errorf("%s: the task is %s, want %s", c.name, say(got), say(c.want))
		}
		if len(rd.Send.Forget) != 1 || r.m.Row().Conflicts != 0 {
			t.Errorf("%s: forgets %v, %d conflicts", c.name, rd.Send.Forget, r.m.Row().Conflicts)
		}
	}
}

func TestAPingThatIsAnsweredTwiceIsNoConflict(t *testing.T) {
	for _, ping := range []bool{false, true} {
		r := newRig(t, aSpec(func(s *Spec) { s.Ping = ping }), targetsOf(t, "r1: a"))
		r.step(reach("a"))
		r.step(report("a", task.Succeeded))
		rd := r.step(report("a", task.Expired))
		wantList(t, "forgotten", rd.Send.Forget, 0)
		if got, want := r.m.Row().Conflicts, uint32(1); (got == want) == ping || r.m.Task(0).Report.State != task.Succeeded {
			t.Errorf("ping %t: %d conflicts, it is %s", ping, got, r.m.Task(0).Report.State)
		}
	}
}
