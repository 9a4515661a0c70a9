package executor

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// jumps are the ways in which a host's clock may be wrong.
var jumps = map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour}

// The times in records are for people: what is left of a timeout is told by a
// clock that does not jump.
func TestATimeoutIsTheSameWhereverTheClockJumps(t *testing.T) {
	leader, err := proc.Self()
	if err != nil {
		t.Fatal(err)
	}
	const timeout = time.Hour
	for name, jump := range jumps {
		s := sight{run: spool.Started{Leader: leader, At: time.Now().Add(jump)}}
		if left := remaining(timeout, s); left > timeout || left < timeout-5*time.Minute {
			t.Errorf("with the clock an hour %s there are %v left of %v", name, left, timeout)
		}
	}
}

// A command that was accepted by another clock is run, once, in its turn, and
// its start-by is held against the clock of now, which also purges.
func TestACommandAcceptedByAClockThatHasJumpedIsRunOrExpires(t *testing.T) {
	for name, jump := range jumps {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			witness := filepath.Join(t.TempDir(), "witness")
			late, timely := shell("late", "echo x >>"+witness), shell("timely", "echo x >>"+witness)
			for _, o := range []*spool.Spec{&late.Spec, &timely.Spec} {
				o.Accepted = time.Now().Add(jump)
			}
			late.Spec.StartBy = time.Now().Add(-time.Second)
			acceptOnly(t, h, late.Spec)
			acceptOnly(t, h, timely.Spec)
			h.launch()
			h.becomes("late", task.Expired, task.Exit{Reason: task.StartByPassed})
			h.becomes("timely", task.Succeeded, task.Exit{})
			if n := lines(t, witness); n != 1 {
				t.Errorf("%d were started", n)
			}
		})
	}
}

// The clock that purges is the clock that refuses, and the caller's must agree:
// an hour that the host's clock is ahead forgets nothing early.
func TestAClockThatIsAheadForgetsNothingEarly(t *testing.T) {
	e := open(t, t.TempDir())
	defer e.root.Close()
	now := time.Now()
	e.tombs.add("a", now.Add(10*time.Minute))
	e.serverTime = now
	e.purge(now.Add(time.Hour))
	if e.purging || !e.tombs.has("a") || len(e.tombs.due) != 1 {
		t.Error("it is being forgotten by the host's clock alone")
	}
	e.serverTime = now.Add(time.Hour)
	e.purge(now)
	if e.purging || !e.tombs.has("a") || len(e.tombs.due) != 1 {
		t.Error("it is being forgotten by the caller's clock alone")
	}
}
