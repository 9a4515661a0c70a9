package aggregator

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestNowAndThenASchedulerIsToldOfAllHostsThatAreHere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.here("h1"), w.here("h2")
		s := w.scheduler("s1", nil)
		s.clear()
		both := func(d time.Duration) {
			for range d / (5 * time.Second) {
				a.idle(5 * time.Second)
				b.idle(time.Millisecond)
			}
		}
		both(tellAllEvery - time.Minute)
		if got := s.attachments(); len(got) != 0 {
			t.Errorf("although nothing has changed it was told %v", got)
		}
		for range 2 {
			both(2 * time.Minute)
			got := s.attachments()
			if len(got) != 1 || !got[0].GetSnapshotBegin() || !got[0].GetSnapshotEnd() || len(got[0].GetItems()) != 2 {
				t.Errorf("it was told %v", got)
			}
			s.clear()
			both(tellAllEvery - 2*time.Minute)
		}
	})
}

func TestAnOutcomeThatIsSaidAgainGoesUpAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		ended, runs := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		a.say(a.report(ended, task.Succeeded), a.report(runs, task.Running))
		s.have("standard", 1)
		s.clear()
		a.say(a.report(ended, task.Succeeded), a.report(runs, task.Running))
		if got := s.reports(); len(got) != 1 || len(states(got, ended.id)) != 1 {
			t.Errorf("up went %v, want the outcome alone", got)
		}
		s.forget(ended, "h1")
		a.say() // and it is told to forget
		s.clear()
		a.say(a.report(ended, task.Succeeded)) // it was not told, for whatever reason
		if got := states(s.reports(), ended.id); len(got) != 1 {
			t.Errorf("up went %v", got)
		}
	})
}

func TestWithoutPushCommandsAndStopsWaitForAHeartbeat(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		running, next := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		a.say(a.report(running, task.Running))
		s.dispatch(next, "h1")
		s.stop(running, "h1")
		w.pass(5 * time.Second)
		if len(a.commands())+len(a.stops()) != 0 {
			t.Errorf("%d commands and %d stops came before the heartbeat", len(a.commands()), len(a.stops()))
		}
		a.say()
		if len(a.commands()) != 1 || len(a.stops()) != 1 {
			t.Errorf("%d commands and %d stops came with the heartbeat", len(a.commands()), len(a.stops()))
		}
	}, func(c *Config) { c.Push = false })
}
