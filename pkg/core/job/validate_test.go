package job

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestAGoodJobIsTaken(t *testing.T) {
	for name, spec := range map[string]Spec{
		"the usual":               aSpec(),
		"one at a time":           aSpec(concurrency(1)),
		"a share at a time":       aSpec(func(s *Spec) { s.Rollout.Concurrency = Amount{Percent: 100} }),
		"start-by is deadline":    aSpec(func(s *Spec) { s.StartBy = s.Rollout.Deadline }),
		"with reruns":             aSpec(rerunsTo(3)),
		"not before its start-by": aSpec(func(s *Spec) { s.NotBefore = s.StartBy }),
		"a long note":             aSpec(func(s *Spec) { s.Note = strings.Repeat("n", MaxNote) }),
		"thirty days":             aSpec(func(s *Spec) { s.Rollout.Deadline = s.ID.Time().Add(MaxLife) }),
		"an id of yesterday":      aSpec(func(s *Spec) { s.ID = NewID(dawn().Add(-MaxIDSkew), [10]byte{}) }),
		"batches and pauses": aSpec(func(s *Spec) {
			s.Rollout.Batches, s.Rollout.PauseBatches, s.Rollout.PauseAfter = []Amount{{Count: 1}, {Percent: 25}}, []uint32{1, 3}, []uint32{1, 50}
		}),
		"no failure at all": aSpec(func(s *Spec) { s.Rollout.MaxFailures.Limited = true }),
		"a budget to abort": aSpec(func(s *Spec) {
			s.Rollout.MaxFailures, s.Rollout.FailureAction = Budget{true, 0, 5}, AbortOnFailure
			s.Rollout.Tolerated = []task.State{task.Failed, task.Unknown}
		}),
		"an id of tomorrow": aSpec(func(s *Spec) { s.ID = NewID(dawn().Add(MaxIDSkew), [10]byte{}) }),
	} {
		if err := Validate(spec, targetsOf(t, "r1: a"), dawn()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABadJobIsRefusedByNameOfItsFault(t *testing.T) {
	deadline := aSpec().Rollout.Deadline
	for _, c := range []struct {
		name   string
		change func(*Spec)
		want   error
		says   string
	}{
		{"no id", func(s *Spec) { s.ID = ID{} }, ErrBadID, "id: "},
		{"an id of last week", func(s *Spec) { s.ID = NewID(dawn().AddDate(0, 0, -7), [10]byte{}) }, ErrIDClock, "2026-02-22T08:00:00Z"},
		{"an id of next week", func(s *Spec) { s.ID = NewID(dawn().AddDate(0, 0, 7), [10]byte{}) }, ErrIDClock, "set the client's clock"},
		{"no deadline", func(s *Spec) { s.Rollout.Deadline = time.Time{} }, ErrNoDeadline, "rollout.deadline"},
		{"a deadline of the past", func(s *Spec) { s.Rollout.Deadline = dawn() }, ErrDeadlinePassed, "give a later one"},
		{"a deadline next year", func(s *Spec) { s.Rollout.Deadline = dawn().AddDate(1, 0, 0) }, ErrDeadlineTooFar, "give 2026-03-31"},
		{"no start-by", func(s *Spec) { s.StartBy = time.Time{} }, ErrNoStartBy, "start_by"},
		{"a start-by of the past", func(s *Spec) { s.StartBy = dawn() }, ErrStartByPassed, "sign the job again"},
		{"a start-by after the deadline", func(s *Spec) { s.StartBy = deadline.Add(1) }, ErrStartByTooLate, "start_by"},
		{"not before it is too late", func(s *Spec) { s.NotBefore = s.StartBy.Add(1) }, ErrNotBeforeTooFar, "not_before"},
		{"a negative timeout", func(s *Spec) { s.Timeout = -1 }, ErrBadDuration, "timeout"},
		{"a negative grace", func(s *Spec) { s.Grace = -1 }, ErrBadDuration, "grace"},
		{"a negative wait", func(s *Spec) { s.Rollout.WaitOffline = -1 }, ErrBadDuration, "rollout.wait_offline"},
		{"reruns for ever", func(s *Spec) { s.MaxAttempts = 2 }, ErrBadRerun, "sign a rerun_until"},
		{"reruns after the deadline", func(s *Spec) { s.MaxAttempts, s.RerunUntil = 2, deadline.Add(1) }, ErrBadRerun, "rerun_until"},
		{"a novel for a note", func(s *Spec) { s.Note = strings.Repeat("n", MaxNote+1) }, ErrTooLong, "at most 1024"},
		{"a novel for a selector", func(s *Spec) { s.Selector = strings.Repeat("s", MaxSelector+1) }, ErrTooLong, "at most 4096"},
		{"two concurrencies", func(s *Spec) { s.Rollout.Concurrency = Amount{Count: 1, Percent: 1} }, ErrBadAmount, "rollout.concurrency"},
		{"more than all of them", func(s *Spec) { s.Rollout.Concurrency = Amount{Percent: 101} }, ErrBadAmount, "1..100 percent"},
		{"an empty batch", func(s *Spec) { s.Rollout.Batches = []Amount{{Count: 1}, {}} }, ErrBadAmount, "rollout.batches: size 2"},
		{"too many batch sizes", func(s *Spec) { s.Rollout.Batches = slices.Repeat([]Amount{{Count: 1}}, 101) }, ErrBadRollout, "at most 100"},
		{"a pause before all", func(s *Spec) { s.Rollout.PauseAfter = []uint32{0, 1} }, ErrBadRollout, "rollout.pause_after"},
		{"pauses that go back", func(s *Spec) { s.Rollout.PauseAfter = []uint32{5, 5} }, ErrBadRollout, "5 comes after 5"},
		{"too many pauses", func(s *Spec) { s.Rollout.PauseAfter = make([]uint32, 101) }, ErrBadRollout, "at most 100"},
		{"a pause after no batch", func(s *Spec) { s.Rollout.PauseBatches = []uint32{1} }, ErrBadRollout, "there are no batches"},
		{"an order of its own", func(s *Spec) { s.Rollout.Order = 2 }, ErrBadRollout, "rollout.order"},
		{"a budget of two kinds", func(s *Spec) { s.Rollout.MaxFailures = Budget{true, 1, 1} }, ErrBadAmount, "rollout.max_failures"},
		{"a budget of more than all", func(s *Spec) { s.Rollout.MaxFailures = Budget{true, 0, 101} }, ErrBadAmount, "rollout.max_failures"},
		{"a budget that is none", func(s *Spec) { s.Rollout.MaxFailures = Budget{false, 1, 0} }, ErrBadAmount, "rollout.max_failures"},
		{"an action of no budget", func(s *Spec) { s.Rollout.FailureAction = AbortOnFailure }, ErrBadRollout, "give max_failures"},
		{"an action of its own", func(s *Spec) { s.Rollout.FailureAction = 3 }, ErrBadRollout, "give pause or abort"},
		{"tolerance without a budget", func(s *Spec) { s.Rollout.Tolerated = []task.State{task.Failed} }, ErrBadRollout, "give max_failures"},
		{"tolerated success", func(s *Spec) {
			s.Rollout.MaxFailures.Limited, s.Rollout.Tolerated = true, []task.State{task.Succeeded}
		}, ErrBadRollout, "SUCCEEDED is never bad"},
		{"tolerated silence", func(s *Spec) {
			s.Rollout.MaxFailures.Limited, s.Rollout.Tolerated = true, []task.State{task.Unknown, task.Lost}
		}, ErrBadRollout, "together with FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Validate(aSpec(c.change), targetsOf(t, "r1: a"), dawn())
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v with %q", err, c.want, c.says)
			}
			if n := len(strings.Split(err.Error(), "\n")); n != 1 {
				t.Errorf("%d faults for one: %v", n, err)
			}
		})
	}
}

func TestAJobWithoutTargetsIsRefused(t *testing.T) {
	for _, targets := range []*Targets{nil, targetsOf(t)} {
		if err := Validate(aSpec(), targets, dawn()); !errors.Is(err, ErrEmptyTargets) {
			t.Errorf("error %v", err)
		}
	}
}

func TestAJobOfMoreThanTheWholeFleetIsRefused(t *testing.T) {
	targets := &Targets{ends: make([]uint32, MaxTargets+1)}
	if err := Validate(aSpec(), targets, dawn()); !errors.Is(err, ErrTooManyTargets) {
		t.Errorf("error %v", err)
	}
}

func TestEveryFaultOfAJobIsNamedAtOnce(t *testing.T) {
	err := Validate(Spec{Timeout: -1, MaxAttempts: 9, Rollout: Rollout{Batches: []Amount{{}}, PauseAfter: []uint32{0}, PauseBatches: []uint32{0}}}, nil, dawn())
	for _, want := range []error{ErrBadID, ErrEmptyTargets, ErrNoDeadline, ErrNoStartBy, ErrBadDuration, ErrBadRerun, ErrBadAmount, ErrBadRollout} {
		if !errors.Is(err, want) {
			t.Errorf("%v is missing in: %v", want, err)
		}
	}
	if n := strings.Count(err.Error(), ErrBadRollout.Error()); n != 2 {
		t.Errorf("%d contradictions in: %v", n, err)
	}
}

// An exact reckoning with rationals is the oracle.
func TestAShareIsRoundedUpAndNeverNothing(t *testing.T) {
	for _, c := range []struct{ percent, total, want int }{
		{1, 1, 1}, {1, 100, 1}, {1, 101, 2}, {10, 8, 1}, {25, 8, 2}, {25, 9, 3}, {33, 100, 33}, {50, 3, 2}, {100, 7, 7}, {50, 0, 1},
	} {
		if got := (Amount{Percent: uint32(c.percent)}).Of(c.total); got != c.want {
			t.Errorf("%d %% of %d is %d, want %d", c.percent, c.total, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		percent, total := rapid.IntRange(1, 100).Draw(t, "percent"), rapid.IntRange(1, MaxTargets).Draw(t, "total")
		got := Amount{Percent: uint32(percent)}.Of(total)
		if got < 1 || got > total || got*100 < percent*total || (got-1)*100 >= percent*total && got > 1 {
			t.Fatalf("%d %% of %d is %d", percent, total, got)
		}
	})
}

func TestACountIsWhatItSays(t *testing.T) {
	if got := (Amount{Count: 7}).Of(3); got != 7 {
		t.Error(got)
	}
	if (Amount{}).Valid() || !(Amount{}).IsZero() || !(Amount{Count: 1}).Valid() || (Amount{Count: 1}).IsZero() {
		t.Error("an amount is given in exactly one way")
	}
}
