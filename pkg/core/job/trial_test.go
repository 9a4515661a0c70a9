package job

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestAJobIsCondemnedByTwoCrashesOrDeaths(t *testing.T) {
	for _, c := range []struct {
		trial Trial
		want  bool
	}{
		{Trial{}, false},
		{Trial{Unproven: true, Why: "its owner died"}, false},
		{Trial{Crashes: 1}, false},
		{Trial{Deaths: 1, Unproven: true}, false},
		{Trial{Crashes: 1, Deaths: 1}, true},
		{Trial{Crashes: 2}, true},
		{Trial{Deaths: 2}, true},
		{Trial{Crashes: 255, Deaths: 255}, true},
	} {
		if got := c.trial.Condemned(); got != c.want {
			t.Errorf("%+v: condemned %t", c.trial, got)
		}
	}
}

func TestWhatOutlivesAProofIsWhatIsCertain(t *testing.T) {
	if got := (Trial{Deaths: 1, Unproven: true, Why: "a death"}).Proven(); got != (Trial{}) {
		t.Errorf("of a death is left %+v", got)
	}
	panicked := Trial{Crashes: 1, Deaths: 1, Unproven: true, Why: "a panic"}
	if got, want := panicked.Proven(), (Trial{Crashes: 1, Why: "a panic"}); got != want {
		t.Errorf("of a panic is left %+v, want %+v", got, want)
	}
}

func TestAJobThatIsReinstatedGoesOnWhereItWasSetAside(t *testing.T) {
	for _, c := range []struct {
		row  Row
		want State
	}{
		{Row{State: Running}, Running},
		{Row{State: Stopping, Wish: task.DesiredStop}, Stopping},
		{Row{State: Stopping}, Stopping}, // aborted, and what runs goes on
		{Row{State: Paused, Pause: PausedByUser}, Paused},
	} {
		c.row.Revision, c.row.ControlRevision, c.row.Trial.Crashes = 7, 3, 2
		aside := c.row.PutAside("it panicked").PutAside("it panicked again")
		if aside.State != Quarantined || aside.Trial.Why != "it panicked again" || aside.Revision != 9 || aside.ControlRevision != 5 || aside.Trial.Crashes != 2 {
			t.Errorf("%+v is set aside as %+v", c.row, aside)
		}
		got, ok := aside.Reinstated()
		want := c.row
		want.State, want.Trial, want.Revision, want.ControlRevision = c.want, Trial{}, 10, 6
		if !ok || got != want {
			t.Errorf("%+v is reinstated as %+v, %t", c.row, got, ok)
		}
		if again, ok := got.Reinstated(); ok || again != got {
			t.Errorf("a job that is %s can be reinstated: %+v", got.State, again)
		}
	}
}

func TestAJobThatWasSetAsideByAnOlderReleaseGoesOnAsItsRowSays(t *testing.T) {
	for _, c := range []struct {
		row  Row
		want State
	}{
		{Row{}, Running},
		{Row{Pause: PausedAtPoint}, Paused},
		{Row{Wish: task.DesiredStop}, Stopping},
	} {
		c.row.State = Quarantined
		if got, ok := c.row.Reinstated(); !ok || got.State != c.want {
			t.Errorf("%+v is reinstated as %s", c.row, got.State)
		}
	}
}

func TestWhyAJobIsSetAsideIsShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 2*MaxWhy, -1).Draw(t, "text")
		got := Row{State: Running}.PutAside(text).Trial.Why
		switch {
		case len(text) <= MaxWhy && got != text:
			t.Errorf("%q became %q", text, got)
		case len(got) > MaxWhy || !utf8.ValidString(got):
			t.Errorf("%d bytes, valid %t", len(got), utf8.ValidString(got))
		}
	})
	if got := (Row{}).PutAside("a\xffb").Trial.Why; got != "a\uFFFDb" {
		t.Errorf("bytes that are no text became %q", got)
	}
}

func TestAMachineCarriesTheTrialOfItsJob(t *testing.T) {
	r := newRig(t, aSpec(), targetsOf(t, "r1: a b"))
	r.step(reachAll("a", "b")...)
	want := Trial{Crashes: 1, Why: "a panic"}
	r.disk.row.Trial = want
	r.restart()
	rd := r.step(report("a", task.Succeeded))
	if rd.Persist.Row == nil || rd.Persist.Row.Trial != want || r.m.Row().Trial != want {
		t.Errorf("after a restart it writes %+v", rd.Persist.Row)
	}
}
