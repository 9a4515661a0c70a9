package aggregator

import (
	"slices"
	"testing"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// theWish is what rides with the command of a job that came last.
func (a *agent) theWish(j *aJob) (stop, withdraw bool) {
	a.w.t.Helper()
	for _, c := range slices.Backward(a.commands()) {
		if job.ID(c.GetJobId()) == j.id {
			return c.GetStop(), c.GetWithdraw()
		}
	}
	a.w.t.Fatalf("%s has had no command of job %s", a.name, j.id)
	return false, false
}

func TestAWithdrawalReachesWhatWaitsAndWhatIsAccepted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		accepted, waiting := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(accepted, "h1")
		a.say(a.report(accepted, task.Accepted))
		s.dispatch(waiting, "h1")
		within(t, 0, "withdrawing", func() {
			s.withdraw(accepted, "h1")
			s.withdraw(waiting, "h1")
		})
		if got := a.withdrawals(); len(got) != 1 || job.ID(got[0].GetJobId()) != accepted.id || got[0].GetAttempt() != 1 {
			t.Errorf("withdrawals are %v", got)
		}
		if stop, withdraw := a.theWish(waiting); stop || !withdraw {
			t.Error("the command was not sent again with the wish")
		}
		if len(a.stops()) != 0 {
			t.Errorf("what is withdrawn is told to stop: %v", a.stops())
		}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(a.withdrawals()) != 1 {
			t.Error("the wish was not said again in the next session")
		}
		a.say(a.report(accepted, task.Starting)) // it was quicker
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(a.withdrawals()) != 0 {
			t.Error("what has started is withdrawn again")
		}
	})
}

func TestAStopOutranksAWithdrawalAndNothingTakesItBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		accepted, waiting := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(accepted, "h1")
		a.say(a.report(accepted, task.Accepted))
		s.dispatch(waiting, "h1")
		for _, j := range []*aJob{accepted, waiting} {
			s.withdraw(j, "h1")
			s.stop(j, "h1")
			s.withdraw(j, "h1")
		}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(a.stops()) != 1 || len(a.withdrawals()) != 0 {
			t.Errorf("the next session says stop %v, withdraw %v", a.stops(), a.withdrawals())
		}
		if stop, withdraw := a.theWish(waiting); !stop || withdraw {
			t.Errorf("with the command rides stop %t, withdraw %t", stop, withdraw)
		}
	})
}

// A host may accept a release while the wish that is to ride with it is on its way.
func TestAWishThatMissedItsReleaseGoesByItself(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.credits = wire.Credits{wire.EveryClass: 1}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		s.withdraw(j, "h1") // no credit is left for the command with the wish
		if _, withdraw := a.theWish(j); withdraw {
			t.Fatal("the command was sent again without credit")
		}
		a.say(a.report(j, task.Accepted))
		if got := a.withdrawals(); len(got) != 1 {
			t.Errorf("withdrawals are %v", got)
		}
	})
}

// A host of the version before overlooks the wish: what has not arrived there does
// not go there, and what has arrived is told nothing that it would misread.
func TestAHostThatDoesNotKnowTheWishGetsNothingHarmful(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.old = true
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		if a.welcome.GetVersion() != 1 {
			t.Fatalf("it is welcomed in version %d", a.welcome.GetVersion())
		}
		s := w.owner("s1", 1)
		accepted, waiting := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(accepted, "h1")
		a.say(a.report(accepted, task.Accepted))
		d := s.dispatchOf(waiting, 1, "h1")
		d.Payload = waiting.payload(t)
		d.Releases[0].Withdraw = true
		s.sendDispatch(d)
		s.withdraw(accepted, "h1")
		if n := len(a.commands()); n != 1 {
			t.Errorf("%d commands came, and one is withdrawn", n)
		}
		if len(a.stops())+len(a.withdrawals()) != 0 {
			t.Errorf("it is told stop %v, withdraw %v", a.stops(), a.withdrawals())
		}

		a.old = false // it is upgraded
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if got := a.withdrawals(); len(got) != 1 || job.ID(got[0].GetJobId()) != accepted.id {
			t.Errorf("upgraded, it is told to withdraw %v", got)
		}
		if _, withdraw := a.theWish(waiting); !withdraw {
			t.Error("upgraded, it gets the command without the wish")
		}
	})
}

func TestAStopReachesAHostThatDoesNotKnowTheWishToWithdraw(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.old = true
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		s.withdraw(j, "h1")
		s.stop(j, "h1")
		if stop, _ := a.theWish(j); !stop {
			t.Error("the stop did not ride with the command")
		}
	})
}
