package job

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// asked is a control request that was taken, and under which revision.
type askedControl struct {
	ev       Event
	expected uint64
}

// expecting is a control request with the revision that its user has seen.
func expecting(ev Event, revision uint64) Event {
	switch ev := ev.(type) {
	case Pause:
		ev.Expected = revision
		return ev
	case Resume:
		ev.Expected = revision
		return ev
	case Cancel:
		ev.Expected = revision
		return ev
	}
	return ev
}

// drawRequest draws a request under an id of its own.
func drawRequest(t *rapid.T, nth int) Event {
	id := requestID(fmt.Sprintf("n%d", nth))
	if rapid.IntRange(0, 9).Draw(t, "cancel") == 0 {
		return Cancel{RequestID: id, KeepRunning: rapid.Bool().Draw(t, "keep")}
	}
	switch ev := drawControl(t).(type) {
	case Pause:
		ev.RequestID = id
		return ev
	case Resume:
		ev.RequestID = id
		return ev
	}
	return nil
}

// TestAControlRequestHasOneEffectAtMost repeats, at any later moment and to any
// owner, every request that had an effect: nothing comes of it. And a request that
// expects another control revision than the one in force has none at all. In the
// world of hosts that do not lie, with take-overs and a network that loses.
//
// Rules: repeat stale-revision pause resume cancel take-over
func TestAControlRequestHasOneEffectAtMost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		var had []askedControl
		for nth := range rapid.IntRange(1, 60).Draw(t, "acts") {
			w.act()
			w.step(Tick{}) // what is due is done
			w.ready(true)
			before := w.m.Row()
			ev := drawRequest(t, nth)
			off := rapid.Uint64Range(1, 3).Draw(t, "off by")
			if err := w.m.Step(w.now, expecting(ev, before.ControlRevision+off)); err == nil || w.m.Row() != before {
				t.Fatalf("%+v expects a revision that there is not: %v, and the row goes from %+v to %+v", ev, err, before, w.m.Row())
			}
			recorded := len(w.disk.controls)
			err := w.m.Step(w.now, expecting(ev, before.ControlRevision))
			w.ready(true)
			if len(w.disk.controls) > recorded {
				had = append(had, askedControl{ev, before.ControlRevision})
			}
			if err != nil && len(w.disk.controls) > recorded {
				t.Fatalf("%+v is refused, %v, and recorded", ev, err)
			}
			repeatOne(w, had)
		}
	})
}

// repeatOne says again, word for word, one request that had its effect.
func repeatOne(w *world, had []askedControl) {
	if len(had) == 0 {
		return
	}
	again := had[rapid.IntRange(0, len(had)-1).Draw(w.t, "again")]
	before, recorded := w.m.Row(), len(w.disk.controls)
	if err := w.m.Step(w.now, expecting(again.ev, again.expected)); err != nil {
		w.t.Fatalf("%+v, said again, is refused: %v", again.ev, err)
	}
	if w.m.Row() != before {
		w.t.Fatalf("%+v, said again, makes of %+v %+v", again.ev, before, w.m.Row())
	}
	w.ready(true)
	if len(w.disk.controls) != recorded {
		w.t.Fatalf("%+v, said again, is recorded again", again.ev)
	}
}

// TestAWithdrawnJobKillsNothingAndStartsNothingMore: whatever the job has been
// through, a cancel that keeps what runs ends nothing, and of what is sent after it
// nothing is started. What was on its way before it is lost here.
//
// Rules: cancel take-over
func TestAWithdrawnJobKillsNothingAndStartsNothingMore(t *testing.T) {
	withdrawn := 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 40).Draw(t, "acts") {
			w.act()
		}
		w.ready(true)
		w.step(Cancel{RequestID: requestID("keep"), KeepRunning: true})
		w.ready(false)
		w.down = nil
		if w.m.Row().Wish != task.DesiredWithdraw {
			return // it had ended, or was stopped
		}
		withdrawn++
		had, before := make([]bool, len(w.hosts)), make([]int, len(w.hosts))
		for i, h := range w.hosts {
			had[i], before[i] = h.report.State >= task.Accepted, len(h.starts)
		}
		for range rapid.IntRange(1, 60).Draw(t, "acts after it") {
			host := rapid.IntRange(0, len(w.hosts)-1).Draw(t, "host")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				w.attach(host)
			case 1:
				w.leave(host)
			case 2:
				w.takeOver()
			case 3:
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 10).Draw(t, "seconds")) * time.Second)
				w.step(Tick{})
			case 4:
				w.live(host, false, task.Succeeded)
			default:
				w.network()
			}
			w.ready(true)
			if w.m.Row().Wish > task.DesiredWithdraw {
				return // its deadline has passed
			}
			for i, h := range w.hosts {
				if h.want > task.DesiredWithdraw {
					t.Fatalf("%s is told to %s", h.id, h.want)
				}
				if !had[i] && len(h.starts) > before[i] {
					t.Fatalf("%s did not have it, and starts it after the cancel", h.id)
				}
			}
		}
	})
	if withdrawn == 0 {
		t.Error("no job was ever withdrawn: this tries nothing")
	}
}

// TestANumberReleasesThatManyAndNoMore: whatever the job is and has been through,
// a resume by a number releases at most so many more until it pauses again.
//
// Rules: resume pause-after repeat
func TestANumberReleasesThatManyAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 30).Draw(t, "acts") {
			w.act()
		}
		w.ready(true)
		if w.m.Row().State == Running {
			w.step(Pause{RequestID: requestID("look")})
			w.ready(true)
		}
		row, n := w.m.Row(), rapid.Uint32Range(1, 4).Draw(t, "targets")
		ask := Resume{RequestID: requestID("some"), Until: UntilNumber, Targets: n}
		if row.State != Paused || w.m.Step(w.now, ask) != nil {
			return // it had ended
		}
		for range rapid.IntRange(1, 60).Draw(t, "acts after it") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "seconds")) * time.Second)
			w.network()
			w.live(rapid.IntRange(0, len(w.hosts)-1).Draw(t, "host"), false, task.Succeeded)
			w.step(ask)
			if rapid.IntRange(0, 9).Draw(t, "a new owner") == 0 {
				w.takeOver()
			}
			w.ready(true)
			if got := w.m.Row().Released; got > row.Released+n {
				t.Fatalf("%d were released, and %d more were asked for; now there are %d", row.Released, n, got)
			}
		}
	})
}
