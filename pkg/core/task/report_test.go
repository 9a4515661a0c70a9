package task

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestJoinIsASemilattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genReport(t, "a"), genReport(t, "b"), genReport(t, "c")
		switch {
		case Join(a, b) != Join(b, a):
			t.Fatal("Join is not commutative")
		case Join(a, a) != a:
			t.Fatal("Join is not idempotent")
		case Join(Join(a, b), c) != Join(a, Join(b, c)):
			t.Fatal("Join is not associative")
		case Join(a, b) != a && Join(a, b) != b:
			t.Fatal("Join invents a report")
		}
	})
}

func TestWhatIsKnownOnlyGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genReport(t, "a"), genReport(t, "b")
		j := Join(a, b)
		if Compare(j, a) < 0 || Compare(j, b) < 0 {
			t.Fatalf("%v forgot something of %v and %v", j, a, b)
		}
		if a.Attempt == b.Attempt && (a.State.Settled() || b.State.Settled()) && !j.State.Settled() {
			t.Fatal("a settled attempt came back to life")
		}
	})
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genReport(t, "a"), genReport(t, "b"), genReport(t, "c")
		if Compare(a, b) != -Compare(b, a) || (Compare(a, b) == 0) != (a == b) {
			t.Fatal("not antisymmetric")
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatal("not transitive")
		}
	})
}

func TestAnyNetworkEndsInTheSameKnowledge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Report { return genReport(t, "r") }), 1, 12).Draw(t, "said")
		var inOrder, shuffled Report
		for _, r := range said {
			inOrder = Join(inOrder, r)
		}
		heard := append(rapid.Permutation(said).Draw(t, "shuffled"), said[0], said[len(said)/2])
		for _, r := range heard {
			shuffled = Join(shuffled, r)
		}
		if inOrder != shuffled || inOrder != slices.MaxFunc(said, Compare) {
			t.Fatalf("%v in order, %v shuffled and repeated", inOrder, shuffled)
		}
	})
}

func TestWhatOutranksWhat(t *testing.T) {
	lost := func(r Reason) Report { return Report{1, Lost, Exit{Reason: r}} }
	for _, c := range []struct {
		sentence       string
		greater, lower Report
	}{
		{"a late outcome replaces UNKNOWN", Report{1, Failed, Exit{Code: 3}}, Report{1, Unknown, Exit{Reason: Silent}}},
		{"even a late EXPIRED replaces UNKNOWN", Report{1, Expired, Exit{Reason: StartByPassed}}, Report{1, Unknown, Exit{Reason: StillRunning}}},
		{"UNKNOWN outranks a late RUNNING", Report{1, Unknown, Exit{Reason: StillRunning}}, Report{1, Running, Exit{}}},
		{"the next attempt outranks every outcome of the one before", Report{2, Dispatched, Exit{}}, Report{1, Succeeded, Exit{}}},
		{"an inferred loss gives way to what the old incarnation ran", Report{1, Succeeded, Exit{}}, lost(StateWiped)},
		{"an inferred loss gives way to a timeout", Report{1, TimedOut, Exit{Reason: Timeout}}, lost(Forgotten)},
		{"a new incarnation's refusal does not undo that it may have run", lost(StateWiped), Report{1, Refused, Exit{Reason: NotTarget}}},
		{"nor does its claim that it was never started", lost(StateWiped), Report{1, Expired, Exit{Reason: StartByPassed}}},
		{"silence becomes still_running when the host was heard", Report{1, Unknown, Exit{Reason: StillRunning}}, Report{1, Unknown, Exit{Reason: Silent}}},
		{"anything outranks nothing", Report{1, Pending, Exit{}}, Report{}},
	} {
		if Compare(c.greater, c.lower) != 1 || Join(c.lower, c.greater) != c.greater {
			t.Errorf("%s: does not hold", c.sentence)
		}
	}
}

func TestConflictIsWhenAHostContradictsItself(t *testing.T) {
	ok := Report{1, Succeeded, Exit{}}
	for _, c := range []struct {
		sentence string
		a, b     Report
		want     bool
	}{
		{"two exit statuses of one attempt: it ran twice", Report{1, Failed, Exit{Code: 1}}, Report{1, Failed, Exit{Code: 2}}, true},
		{"succeeded and failed", ok, Report{1, Failed, Exit{Code: 1}}, true},
		{"ran, though it was certainly not started", ok, Report{1, Expired, Exit{Reason: StartByPassed}}, true},
		{"ran, though it was refused", ok, Report{1, Refused, Exit{Reason: BadRole}}, true},
		{"ran, though it was canceled, whoever canceled it", ok, Report{1, Canceled, Exit{Reason: BeforeStart}}, true},
		{"ended, though the host itself had lost it", ok, Report{1, Lost, Exit{Reason: Rebooted}}, true},
		{"lost for two reasons of the host's own", Report{1, Lost, Exit{Reason: Rebooted}}, Report{1, Lost, Exit{Reason: SupervisorLost}}, true},
		{"two reasons for one failed start", Report{1, StartFailed, Exit{Reason: NoFile}}, Report{1, StartFailed, Exit{Reason: NoAccount}}, true},
		{"the same twice is only delivery", ok, ok, false},
		{"two attempts may end differently", Report{1, Lost, Exit{Reason: Rebooted}}, Report{2, Succeeded, Exit{}}, false},
		{"UNKNOWN was only waiting", ok, Report{1, Unknown, Exit{Reason: Silent}}, false},
		{"the scheduler inferred a loss from a new incarnation", ok, Report{1, Lost, Exit{Reason: StateWiped}}, false},
		{"the scheduler inferred a loss after a restore", ok, Report{1, Lost, Exit{Reason: Forgotten}}, false},
		{"the scheduler's inference beside the host's own loss", Report{1, Lost, Exit{Reason: Rebooted}}, Report{1, Lost, Exit{Reason: StateWiped}}, false},
		{"SKIPPED is the scheduler's; who holds the releases sees it", ok, Report{1, Skipped, Exit{Reason: JobCanceled}}, false},
		{"on the way and at the end", ok, Report{1, Running, Exit{}}, false},
	} {
		if Conflict(c.a, c.b) != c.want || Conflict(c.b, c.a) != c.want {
			t.Errorf("%s: Conflict is not %v", c.sentence, c.want)
		}
	}
}

func TestConflictsAreAmongFinalReportsOfOneAttempt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genReport(t, "a"), genReport(t, "b")
		if Conflict(a, b) != Conflict(b, a) || Conflict(a, a) {
			t.Fatal("not symmetric, or a report contradicts itself")
		}
		if Conflict(a, b) && (a.Attempt != b.Attempt || !a.State.Final() || !b.State.Final()) {
			t.Fatalf("%v and %v do not contradict each other", a, b)
		}
	})
}

func TestLiveSettledFinalAndBad(t *testing.T) {
	for _, s := range States() {
		if s.Live() == s.Settled() {
			t.Errorf("%v is both live and settled, or neither", s)
		}
		if s.Final() && !s.Settled() || s.Settled() && !s.Final() && s != Unknown {
			t.Errorf("%v: only UNKNOWN is settled without being final", s)
		}
		good := s.Live() || s == Succeeded || s == Canceled || s == Skipped
		if s.Bad() == good {
			t.Errorf("%v: Bad is %v", s, s.Bad())
		}
	}
	if Unspecified.Live() || Unspecified.Settled() || Unspecified.Bad() {
		t.Error("what is not set is something")
	}
}

func TestReportsThatCannotBeSaidAreNotValid(t *testing.T) {
	for _, c := range []struct {
		sentence string
		r        Report
		want     bool
	}{
		{"a plain success", Report{1, Succeeded, Exit{}}, true},
		{"a failure with its status", Report{2, Failed, Exit{Code: 255}}, true},
		{"a failure by a signal", Report{1, Failed, Exit{Reason: Signaled, Signal: 64}}, true},
		{"a command killed on request, with the signal that ended it", Report{1, Canceled, Exit{Reason: Killed, Signal: 9}}, true},
		{"a running command", Report{1, Running, Exit{}}, true},
		{"no attempt", Report{0, Running, Exit{}}, false},
		{"no state", Report{1, Unspecified, Exit{}}, false},
		{"a state that does not exist", Report{1, State(961), Exit{}}, false},
		{"a live state with an exit", Report{1, Running, Exit{Code: 1}}, false},
		{"a success with a status", Report{1, Succeeded, Exit{Code: 1}}, false},
		{"a reason of another state", Report{1, Lost, Exit{Reason: Killed}}, false},
		{"a reason that does not exist", Report{1, Lost, Exit{Reason: Reason(9999)}}, false},
		{"a status past 255", Report{1, Failed, Exit{Code: 256}}, false},
		{"a negative status", Report{1, Failed, Exit{Code: -1}}, false},
		{"a signal past 64", Report{1, Failed, Exit{Reason: Signaled, Signal: 65}}, false},
		{"a negative signal", Report{1, TimedOut, Exit{Reason: Timeout, Signal: -9}}, false},
	} {
		if c.r.Valid() != c.want {
			t.Errorf("%s: Valid is not %v", c.sentence, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if r := genReport(t, "r"); !r.Valid() {
			t.Fatalf("%v is not valid", r)
		}
	})
}

func TestOnlyALossInTheHostsOwnWordsIsRunAgain(t *testing.T) {
	for _, s := range States() {
		for _, reason := range append(reasonsOf(s), NoReason) {
			next, ok := Rerun(Report{3, s, Exit{Reason: reason}})
			if want := s == Lost && (reason == Rebooted || reason == SupervisorLost); ok != want {
				t.Errorf("%v %v: Rerun is %v", s, reason, ok)
			}
			if ok && next != (Report{4, Dispatched, Exit{}}) || !ok && next != (Report{}) {
				t.Errorf("%v %v: the next attempt is %v", s, reason, next)
			}
		}
	}
	for _, attempt := range []uint32{0, math.MaxUint32} {
		if _, ok := Rerun(Report{attempt, Lost, Exit{Reason: Rebooted}}); ok {
			t.Errorf("attempt %d has a next one", attempt)
		}
	}
}

func TestTheNextAttemptOutranksTheLostOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		last := genReport(t, "last")
		if next, ok := Rerun(last); ok && (Join(last, next) != next || !next.Valid()) {
			t.Fatalf("%v does not outrank %v", next, last)
		}
	})
}
