package job

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// chain says a chain in one line: codes with their numbers, and times in seconds
// after dawn, such as "concurrency 2/2 [3,60 EXPIRED]".
func chain(causes []Cause) string {
	after := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return fmt.Sprint(int(t.Sub(dawn()).Seconds()))
	}
	var said []string
	for _, c := range causes {
		text := c.Code.String()
		switch c.Code { //nolint:exhaustive // the others have nothing to add
		case CauseSettled:
			text += " " + say(c.Seen)
			if c.Concluded {
				text += " concluded"
			}
		case CauseConcurrency:
			text += fmt.Sprintf(" %d/%d", c.InFlight, c.Limit)
		case CauseOrder:
			text += fmt.Sprintf(" %d<%d", c.Free, c.Ahead)
		case CauseStopping:
			if c.Want == task.DesiredWithdraw {
				text += " withdraw"
			}
		case CauseNotConfirmed:
			if c.TakenOver {
				text += " taken over"
			}
		}
		text += " [" + after(c.Since) + "," + after(c.Until)
		if c.Then != task.Unspecified {
			text += " " + c.Then.String()
		}
		said = append(said, text+"]")
	}
	return strings.Join(said, "; ")
}

// wantCauses compares what the task of a host says of itself.
func (r *rig) wantCauses(host, want string) {
	r.t.Helper()
	if got := chain(r.m.Explain(r.ordinal(host))); got != want {
		r.t.Errorf("%s says\n  %s, want\n  %s", host, got, want)
	}
}

func (r *rig) wait(d time.Duration) { r.now = r.now.Add(d) }

// A spec of aSpec has its start-by at 60, its deadline at 300, and a settle-by of
// 60 + 30 + 10 + 30 = 130 seconds after dawn.
func TestEveryTaskExplainsItself(t *testing.T) {
	running := func(host string, at time.Duration) Reported {
		ev := report(host, task.Running)
		ev.Detail.StartedAt = dawn().Add(at)
		return ev
	}
	overdueNow := func(host string, at time.Duration) Reported {
		ev := running(host, at)
		ev.Detail.Overdue = true
		return ev
	}
	reportsOnly := func(s *Spec) { s.TimeoutReportOnly = true }
	for _, c := range []struct {
		name string
		spec []func(*Spec)
		do   func(r *rig)
		host string
		want string
	}{
		{
			name: "a host that was never here",
			do:   func(r *rig) { r.step(Tick{}) },
			host: "a", want: "host_away [-,60 EXPIRED]",
		},
		{
			name: "a host that is away since a while",
			do: func(r *rig) {
				r.wait(5 * time.Second)
				r.step(Gone{Host: "a", Since: dawn().Add(3 * time.Second)})
			},
			host: "a", want: "host_away [3,60 EXPIRED]",
		},
		{
			name: "the concurrency is reached",
			spec: []func(*Spec){concurrency(2)},
			do: func(r *rig) {
				r.wait(4 * time.Second)
				r.step(reachAll("a", "b", "c", "d")...)
			},
			host: "c", want: "concurrency 2/2 [4,60 EXPIRED]",
		},
		{
			name: "the concurrency is reached, and others come first",
			spec: []func(*Spec){concurrency(2)},
			do:   func(r *rig) { r.step(reachAll("a", "b", "c", "d")...) },
			host: "d", want: "concurrency 2/2 [0,60 EXPIRED]; order 0<1 [-,60 EXPIRED]",
		},
		{
			name: "the concurrency is reached, others come first, and the host is away",
			spec: []func(*Spec){concurrency(1)},
			do: func(r *rig) {
				r.step(reachAll("a", "b", "c")...)
				r.wait(2 * time.Second)
				r.step(Gone{Host: "d", Since: r.now})
			},
			host: "d", want: "concurrency 1/1 [0,60 EXPIRED]; order 0<2 [-,60 EXPIRED]; host_away [2,60 EXPIRED]",
		},
		{
			name: "who stands before in the list and is away is not waited for",
			spec: []func(*Spec){concurrency(1)},
			do:   func(r *rig) { r.step(reachAll("a", "d")...) },
			host: "d", want: "concurrency 1/1 [0,60 EXPIRED]",
		},
		{
			name: "one that settles and lets in another is no break",
			spec: []func(*Spec){concurrency(1)},
			do: func(r *rig) {
				r.step(reachAll("a", "b", "c")...)
				r.wait(7 * time.Second)
				r.step(report("a", task.Succeeded))
			},
			host: "c", want: "concurrency 1/1 [0,60 EXPIRED]",
		},
		{
			name: "one that settles and lets in nobody is one",
			spec: []func(*Spec){concurrency(1)},
			do: func(r *rig) {
				r.step(reach("a"))
				r.wait(7 * time.Second)
				r.step(report("a", task.Succeeded))
				r.wait(time.Second)
				r.step(reachAll("b", "c")...)
			},
			host: "c", want: "concurrency 1/1 [8,60 EXPIRED]",
		},
		{
			name: "the signed not-before has not come",
			spec: []func(*Spec){func(s *Spec) { s.NotBefore = dawn().Add(20 * time.Second) }},
			do:   func(r *rig) { r.step(reach("a")) },
			host: "a", want: "not_before [0,20]",
		},
		{
			name: "the not-before has not come, and the host is not here",
			spec: []func(*Spec){func(s *Spec) { s.NotBefore = dawn().Add(20 * time.Second) }},
			do:   func(r *rig) { r.step(Tick{}) },
			host: "b", want: "not_before [0,20]; host_away [-,60 EXPIRED]",
		},
		{
			name: "a deadline before the start-by ends the waiting",
			spec: []func(*Spec){func(s *Spec) { s.StartBy = s.Rollout.Deadline.Add(time.Second) }},
			do:   func(r *rig) { r.step(Tick{}) },
			host: "a", want: "host_away [-,300 SKIPPED]",
		},
		{
			name: "released and not confirmed",
			do: func(r *rig) {
				r.wait(6 * time.Second)
				r.step(reach("a"))
			},
			host: "a", want: "not_confirmed [6,130 UNKNOWN]",
		},
		{
			name: "released and the host has gone",
			do: func(r *rig) {
				r.step(reach("a"))
				r.step(Gone{Host: "a", Since: dawn().Add(2 * time.Second)})
			},
			host: "a", want: "not_confirmed [0,130 UNKNOWN]; host_away [2,130 UNKNOWN]",
		},
		{
			name: "accepted and waiting",
			do: func(r *rig) {
				r.step(reach("a"))
				r.wait(3 * time.Second)
				r.step(report("a", task.Accepted))
			},
			host: "a", want: "executor_busy [3,130 UNKNOWN]",
		},
		{
			name: "being started",
			do:   func(r *rig) { r.step(reach("a"), report("a", task.Starting)) },
			host: "a", want: "running [0,130 UNKNOWN]",
		},
		{
			name: "running since its host says",
			do: func(r *rig) {
				r.step(reach("a"))
				r.wait(9 * time.Second)
				r.step(running("a", 5*time.Second))
			},
			host: "a", want: "running [5,130 UNKNOWN]",
		},
		{
			name: "running, by a host that does not say since when",
			do: func(r *rig) {
				r.step(reach("a"))
				r.wait(9 * time.Second)
				r.step(report("a", task.Running))
			},
			host: "a", want: "running [9,130 UNKNOWN]",
		},
		{
			name: "running on a host that is away",
			do: func(r *rig) {
				r.step(reach("a"), running("a", 0))
				r.step(Gone{Host: "a", Since: dawn().Add(8 * time.Second)})
			},
			host: "a", want: "running [0,130 UNKNOWN]; host_away [8,130 UNKNOWN]",
		},
		{
			name: "overdue", spec: []func(*Spec){reportsOnly},
			do: func(r *rig) {
				r.step(reach("a"), running("a", 2*time.Second))
				r.wait(40 * time.Second)
				r.step(overdueNow("a", 2*time.Second))
			},
			host: "a", want: "overdue [32,340 UNKNOWN]; running [2,340 UNKNOWN]",
		},
		{
			name: "a stop is wished of what runs",
			do: func(r *rig) {
				r.step(reach("a"), running("a", 0))
				r.wait(10 * time.Second)
				r.step(cancelAs("stop"))
			},
			host: "a", want: "stopping [10,130 UNKNOWN]; running [0,130 UNKNOWN]",
		},
		{
			name: "it is withdrawn, and its host is away",
			do: func(r *rig) {
				r.step(reach("a"))
				r.step(Gone{Host: "a", Since: dawn().Add(8 * time.Second)})
				r.wait(10 * time.Second)
				r.step(keepAs("keep"))
			},
			host: "a", want: "stopping withdraw [10,130 UNKNOWN]; not_confirmed [0,130 UNKNOWN]; host_away [8,130 UNKNOWN]",
		},
		{
			name: "it is withdrawn, and waits for a free slot",
			do: func(r *rig) {
				r.step(reach("a"), report("a", task.Accepted))
				r.wait(10 * time.Second)
				r.step(keepAs("keep"))
			},
			host: "a", want: "stopping withdraw [10,130 UNKNOWN]; executor_busy [0,130 UNKNOWN]",
		},
		{
			name: "it is withdrawn, and nothing is heard by the settle-by",
			do: func(r *rig) {
				r.step(reach("a"))
				r.step(keepAs("keep"))
				r.at(131 * time.Second)
			},
			host: "a", want: "awaits_late_outcome [130,-]; stopping withdraw [0,-]",
		},
		{
			name: "a stop is wished, after it was let run at first",
			do: func(r *rig) {
				r.step(reach("a"), running("a", 0))
				r.wait(10 * time.Second)
				r.step(keepAs("keep"))
				r.wantCauses("a", "running [0,130 UNKNOWN]; stopping withdraw [10,130 UNKNOWN]")
				r.wantCauses("b", "settled SKIPPED/job_canceled concluded [10,-]")
				r.wait(5 * time.Second)
				r.step(cancelAs("stop"))
				r.wantCauses("b", "settled SKIPPED/job_canceled concluded [10,-]")
			},
			host: "a", want: "stopping [15,130 UNKNOWN]; running [0,130 UNKNOWN]",
		},
		{
			name: "overdue at the deadline, and away", spec: []func(*Spec){reportsOnly},
			do: func(r *rig) {
				r.step(reach("a"), overdueNow("a", 0))
				r.step(Gone{Host: "a", Since: dawn().Add(100 * time.Second)})
				r.at(301 * time.Second)
			},
			host: "a", want: "stopping [300,340 UNKNOWN]; overdue [30,340 UNKNOWN]; running [0,340 UNKNOWN]; host_away [100,340 UNKNOWN]",
		},
		{
			name: "nothing was heard by the settle-by",
			do: func(r *rig) {
				r.step(reach("a"))
				r.at(131 * time.Second)
			},
			host: "a", want: "awaits_late_outcome [130,-]",
		},
		{
			name: "the rest was not heard by the settle-by, and the host is away",
			do: func(r *rig) {
				r.step(reach("a"), running("a", 0))
				r.step(Gone{Host: "a", Since: dawn().Add(50 * time.Second)})
				r.at(200 * time.Second)
			},
			host: "a", want: "awaits_late_outcome [130,-]; host_away [50,-]",
		},
		{
			name: "the second attempt after a reboot",
			spec: []func(*Spec){rerunsTo(2)},
			do: func(r *rig) {
				r.step(reach("a"), running("a", 0))
				r.wait(11 * time.Second)
				r.step(report("a", task.Lost, task.Rebooted))
			},
			host: "a", want: "not_confirmed [11,190 UNKNOWN]",
		},
		{
			name: "succeeded",
			do: func(r *rig) {
				r.step(reach("a"))
				r.wait(4 * time.Second)
				r.step(report("a", task.Succeeded))
			},
			host: "a", want: "settled SUCCEEDED [-,-]",
		},
		{
			name: "lost, as the scheduler concludes",
			do: func(r *rig) {
				r.step(reach("a"))
				r.wait(4 * time.Second)
				r.step(Reached{Host: "a", Incarnation: inc(2)})
			},
			host: "a", want: "settled LOST/state_wiped concluded [4,-]",
		},
		{
			name: "skipped with a new incarnation",
			do:   func(r *rig) { r.step(Reached{Host: "a", Incarnation: inc(2)}) },
			host: "a", want: "settled SKIPPED/new_incarnation concluded [0,-]",
		},
		{
			name: "expired",
			do:   func(r *rig) { r.at(65 * time.Second) },
			host: "a", want: "settled EXPIRED/start_by_passed concluded [60,-]",
		},
		{
			name: "skipped at the deadline",
			spec: []func(*Spec){func(s *Spec) { s.StartBy = s.Rollout.Deadline.Add(time.Second) }},
			do:   func(r *rig) { r.at(302 * time.Second) },
			host: "a", want: "settled SKIPPED/deadline_passed concluded [300,-]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, aSpec(c.spec...), targetsOf(t, "r1: a b c d"))
			c.do(r)
			r.wantCauses(c.host, c.want)
		})
	}
}

func TestATaskThatIsNextSaysThatNothingHoldsIt(t *testing.T) {
	r := newRig(t, aSpec(concurrency(2)), targetsOf(t, "r1: a b c"))
	for _, ev := range reachAll("a", "b", "c") {
		if err := r.m.Step(r.now, ev); err != nil {
			t.Fatal(err)
		}
	}
	r.wantCauses("b", "order 2<1 [-,60 EXPIRED]") // one before it, and two may go
	r.wantCauses("c", "order 2<2 [-,60 EXPIRED]")
	if r.m.Explain(1)[0].Blocks() || !r.m.Explain(2)[0].Blocks() {
		t.Error("who is next is not told from who is not")
	}
	wantList(t, "released", r.ready().Persist.Released, 0, 1)
}

func TestANewOwnerExplainsTheSameButForWhatNobodyWroteDown(t *testing.T) {
	r := newRig(t, aSpec(concurrency(4)), targetsOf(t, "r1: a b c d e f g"))
	ran := report("c", task.Running)
	ran.Detail.StartedAt = dawn().Add(5 * time.Second)
	r.wait(5 * time.Second)
	r.step(append(reachAll("a", "b", "c", "d", "e"), report("b", task.Accepted), ran)...)
	r.step(report("d", task.Failed), Gone{Host: "f", Since: r.now})
	r.wantCauses("a", "not_confirmed [5,130 UNKNOWN]")
	r.wantCauses("b", "executor_busy [5,130 UNKNOWN]")
	r.wantCauses("c", "running [5,130 UNKNOWN]")
	r.wantCauses("d", "settled FAILED [-,-]")
	r.wantCauses("f", "concurrency 4/4 [5,60 EXPIRED]; host_away [5,60 EXPIRED]")

	r.restart()
	r.wait(10 * time.Second)
	r.step(reachAll("a", "b", "c", "d", "e")...)
	r.wantCauses("a", "not_confirmed taken over [-,130 UNKNOWN]")
	r.step(report("b", task.Accepted), ran)
	r.wantCauses("b", "executor_busy [-,130 UNKNOWN]")
	r.wantCauses("c", "running [5,130 UNKNOWN]")
	r.wantCauses("d", "settled FAILED [-,-]")
	r.wantCauses("f", "concurrency 4/4 [-,60 EXPIRED]; host_away [-,60 EXPIRED]")

	r.wait(time.Second)
	r.step(cancelAs("stop"))
	r.wantCauses("c", "stopping [16,130 UNKNOWN]; running [5,130 UNKNOWN]")
	r.wantCauses("f", "settled SKIPPED/job_canceled concluded [16,-]")
	r.restart()
	r.step(append(reachAll("c"), ran)...)
	r.wantCauses("c", "stopping [16,130 UNKNOWN]; running [5,130 UNKNOWN]")
	r.wantCauses("f", "settled SKIPPED/job_canceled concluded [16,-]")
}

func TestWhoWaitsForOthersIsToldSomeOfThem(t *testing.T) {
	r := newRig(t, aSpec(concurrency(7)), targetsOf(t, "r1: a b c d e f g h"))
	r.step(reachAll("a", "b", "c", "d", "e", "f", "g", "h")...)
	r.step(report("a", task.Succeeded), report("c", task.Running))
	waitsFor := func(host string) (names string) {
		for _, other := range r.m.WaitsFor(r.m.Explain(r.ordinal(host))) {
			names += string(r.m.targets.At(other.Ordinal).Host) + "=" + say(other.View.Report) + " "
		}
		return names
	}
	if got := waitsFor("h"); got != "" {
		t.Errorf("what is released waits for %s", got)
	}
	r = newRig(t, aSpec(concurrency(7)), targetsOf(t, "r1: a b c d e f g h i"))
	r.step(reachAll("a", "b", "c", "d", "e", "f", "g", "h", "i")...)
	r.step(report("a", task.Succeeded), report("c", task.Running))
	if got := waitsFor("i"); got != "b=DISPATCHED c=RUNNING d=DISPATCHED e=DISPATCHED f=DISPATCHED " {
		t.Errorf("it waits for %s", got)
	}
	r.step(Pause{RequestID: requestID("look")})
	for _, host := range []string{"b", "c", "d", "e", "f", "g", "h"} {
		r.step(report(host, task.Succeeded))
	}
	if got := waitsFor("i"); got != "" {
		t.Errorf("in a pause it waits for %s", got)
	}
}

func TestAnOwnerThatComesLateGivesHostsTimeToBeHeard(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reach("a"))
	r.restart()
	r.now = dawn().Add(125 * time.Second)
	r.step(reach("a"))
	r.wantCauses("a", "not_confirmed taken over [-,165 UNKNOWN]") // 125 + 10 + 30
	r.at(165 * time.Second)
	r.wantCauses("a", "awaits_late_outcome [130,-]")
}

func TestAJobThatIsSetAsideSaysSoWithoutAMachine(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b c d"))
	r.step(reachAll("a", "b", "c")...)
	r.step(report("b", task.Succeeded))
	record := r.disk.record()
	record.Tasks = append(record.Tasks, TaskRow{Ordinal: 2, Revision: 3, Report: task.Report{
		Attempt: 1, State: task.Unknown, Exit: task.Exit{Reason: task.Silent},
	}})
	record.Row.State = Quarantined
	m := New(r.m.spec, r.m.targets)
	if err := m.Restore(record); err != nil {
		t.Fatal(err)
	}
	for o, want := range []string{
		"quarantined [-,-]", "settled SUCCEEDED [-,-]", "awaits_late_outcome [130,-]; quarantined [-,-]", "quarantined [-,-]",
	} {
		view, causes := record.SetAside(r.m.spec, uint32(o))
		if got := chain(causes); got != want {
			t.Errorf("the record says of %d\n  %s, want\n  %s", o, got, want)
		}
		if got := m.Explain(uint32(o)); !reflect.DeepEqual(got, causes) {
			t.Errorf("the machine says of %d\n  %s, and the record\n  %s", o, chain(got), chain(causes))
		}
		known := m.Task(uint32(o))
		if view.Report != known.Report || view.Revision != known.Revision || view.Released != known.Released || view.Concluded != known.Concluded {
			t.Errorf("the record has %+v of %d, the machine %+v", view, o, known)
		}
	}
}

func TestCodesTellWhatTheyMean(t *testing.T) {
	if !slices.IsSorted(CauseCodes()) {
		t.Error("the table is not ascending")
	}
	for _, c := range CauseCodes() {
		if c.Means() == "" || c.String() != strings.ToLower(c.String()) {
			t.Errorf("code %d is %q: %q", c, c, c.Means())
		}
	}
	if NoCause.String() != "" || CauseCode(200).String() != "cause_200" || CauseCode(200).Means() != "" {
		t.Error("what is no code has a name")
	}
	CauseCodes()[0] = CauseNotBefore
	if CauseCodes()[0] != CauseSettled {
		t.Error("a caller could change the table")
	}
}
