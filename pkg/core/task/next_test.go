package task

import (
	"testing"

	"pgregory.net/rapid"
)

var wishes = []Desired{DesiredRun, DesiredWithdraw, DesiredStop, DesiredGone}

// TestTheHostsWholePolicy writes Next down a second time, as a table.
func TestTheHostsWholePolicy(t *testing.T) {
	policy := map[State][4]Action{
		Unspecified: {Wait, Wait, Wait, Wait},
		Pending:     {Wait, Wait, Wait, Wait},
		Dispatched:  {Accept, Drop, Drop, Drop},
		Accepted:    {Spawn, Drop, Drop, Drop},
		Starting:    {Wait, Wait, Stop, Stop},
		Running:     {Wait, Wait, Stop, Stop},
		Unknown:     {Wait, Wait, Wait, Wait},
		Skipped:     {Wait, Wait, Wait, Forget},
		Expired:     {Wait, Wait, Wait, Forget},
		Refused:     {Wait, Wait, Wait, Forget},
		Canceled:    {Wait, Wait, Wait, Forget},
		StartFailed: {Wait, Wait, Wait, Forget},
		Lost:        {Wait, Wait, Wait, Forget},
		TimedOut:    {Wait, Wait, Wait, Forget},
		Failed:      {Wait, Wait, Wait, Forget},
		Succeeded:   {Wait, Wait, Wait, Forget},
	}
	if len(policy) != len(States())+1 {
		t.Fatalf("the policy names %d states of %d", len(policy), len(States())+1)
	}
	for s, row := range policy {
		for i, want := range row {
			if got := Next(Report{1, s, Exit{}}, wishes[i]); got != want {
				t.Errorf("Next(%v, %v) = %v, want %v", s, wishes[i], got, want)
			}
		}
		if got := Next(Report{1, s, Exit{}}, 0); got != Wait {
			t.Errorf("without a wish Next(%v) = %v", s, got)
		}
	}
}

// carryOut does what an action means and says who does it.
func carryOut(do Action, seen Report) (by Actor, to State) {
	switch do {
	case Accept:
		return Executor, Accepted
	case Spawn:
		return EndProcess, Starting
	case Drop:
		return Executor, Canceled
	case Stop:
		return EndProcess, Canceled
	case Wait, Forget:
	}
	return 0, seen.State
}

func TestAHostThatFollowsTheWishNeverLeavesTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen, want := Report{Attempt: 1, State: Dispatched}, DesiredRun
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "the wish grows") {
				want = max(want, rapid.SampledFrom(wishes).Draw(t, "wish"))
			}
			do := Next(seen, want)
			by, to := carryOut(do, seen)
			if do == Wait && seen.State == Starting {
				by, to = EndProcess, Running
			}
			if do == Spawn && seen.State != Accepted {
				t.Fatalf("a start from %v", seen.State)
			}
			if do == Forget && (!seen.State.Final() || want != DesiredGone) {
				t.Fatalf("forgets %v on the wish %v", seen.State, want)
			}
			if by != 0 && !May(by, seen.State, to) {
				t.Fatalf("%v on %v, wish %v: %v may not", do, seen.State, want, by)
			}
			seen = Join(seen, Report{Attempt: 1, State: to})
		}
	})
}

func TestAWishToStopEndsEverythingAndStartsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := Report{Attempt: 1, State: rapid.SampledFrom([]State{Dispatched, Accepted, Starting, Running}).Draw(t, "seen")}
		want := rapid.SampledFrom([]Desired{DesiredStop, DesiredGone}).Draw(t, "want")
		do := Next(seen, want)
		if do != Stop && do != Drop {
			t.Fatalf("told to %v in %v it does %v", want, seen.State, do)
		}
		_, seen.State = carryOut(do, seen)
		if got := Next(seen, want); (got == Forget) != (want == DesiredGone) {
			t.Fatalf("after the end, told to %v, it does %v", want, got)
		}
	})
}

// TestAWithdrawnTaskStartsNotAndWhatHasStartedGoesOn follows a host from any live
// state to the end, with whatever happens by itself in between.
func TestAWithdrawnTaskStartsNotAndWhatHasStartedGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := Report{Attempt: 1, State: rapid.SampledFrom([]State{Dispatched, Accepted, Starting, Running}).Draw(t, "seen")}
		had := seen.State >= Starting
		for !seen.State.Final() {
			do := Next(seen, DesiredWithdraw)
			by, to := carryOut(do, seen)
			switch {
			case do == Drop && !had, do == Wait && had:
			default:
				t.Fatalf("withdrawn in %v, it does %v", seen.State, do)
			}
			if do == Wait { // it goes on by itself
				by = EndProcess
				to = rapid.SampledFrom([]State{Running, Failed, Succeeded}).Draw(t, "becomes")
				if seen.State == Starting {
					to = Running
				}
			}
			if to != seen.State && !May(by, seen.State, to) {
				t.Fatalf("%v on %v: %v may not", do, seen.State, by)
			}
			seen.State = to
		}
		if canceled := seen.State == Canceled; canceled == had {
			t.Fatalf("it had started: %t, and it ends as %v", had, seen.State)
		}
		if Next(seen, DesiredWithdraw) != Wait || Next(seen, DesiredGone) != Forget {
			t.Fatalf("ended, it does %v", Next(seen, DesiredWithdraw))
		}
	})
}

func TestTheSameQuestionHasTheSameAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genReport(t, "a"), genReport(t, "b")
		b.State = a.State
		want := rapid.SampledFrom(wishes).Draw(t, "want")
		if Next(a, want) != Next(b, want) {
			t.Fatal("the action depends on more than the state and the wish")
		}
	})
}

func TestWishesAndActionsAreNamed(t *testing.T) {
	for d, want := range map[Desired]string{DesiredRun: "run", DesiredWithdraw: "withdraw", DesiredStop: "stop", DesiredGone: "gone", 0: "unspecified", 65: "unspecified"} {
		if d.String() != want {
			t.Errorf("wish %d is %q", d, d.String())
		}
	}
	for i, want := range []string{"wait", "accept", "spawn", "stop", "drop", "forget", "unspecified"} {
		if got := Action(i).String(); got != want {
			t.Errorf("action %d is %q, want %q", i, got, want)
		}
	}
	if DesiredRun >= DesiredWithdraw || DesiredWithdraw >= DesiredStop || DesiredStop >= DesiredGone {
		t.Error("wishes do not grow")
	}
}
