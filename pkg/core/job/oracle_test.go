package job

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// dumb is the machine written a second time, by the words of the architecture
// and without a thought for speed: no sets, no counters, every rule a loop over
// all tasks. It knows nothing of revisions and of what is durable.
type dumb struct {
	spec    Spec
	targets *Targets
	now     time.Time
	state   State
	wish    task.Desired
	used    map[string]Event // requests by id
	roll    dumbRollout
	tasks   []dumbTask
	pull    time.Time // the next one, while there is something to pull
	retryAt time.Time

	dispatch, stop, forget, query, fresh map[uint32]bool
}

type dumbTask struct {
	seen                  task.Report
	released, here, retry bool
	lost                  task.Reason // why the attempt before was
	guess                 bool        // it is final, and no host said so
}

func newDumb(spec Spec, targets *Targets) *dumb {
	d := &dumb{spec: spec, targets: targets, state: Running, wish: task.DesiredRun, used: map[string]Event{}, roll: newDumbRollout(spec.Rollout, targets)}
	for range targets.Len() {
		d.tasks = append(d.tasks, dumbTask{seen: task.Report{Attempt: 1, State: task.Pending}})
	}
	d.clear()
	return d
}

func (d *dumb) clear() {
	for _, set := range []*map[uint32]bool{&d.dispatch, &d.stop, &d.forget, &d.query, &d.fresh} {
		*set = map[uint32]bool{}
	}
}

func (d *dumb) inFlight(t dumbTask) bool { return t.released && !t.seen.State.Settled() }
func (d *dumb) talkable(t dumbTask) bool { return t.released && t.here && !t.seen.State.Final() }

func (d *dumb) count(is func(dumbTask) bool) int {
	n := 0
	for _, t := range d.tasks {
		if is(t) {
			n++
		}
	}
	return n
}

func (d *dumb) end(o int, s task.State, why task.Reason) {
	d.tasks[o].seen.State, d.tasks[o].seen.Exit = s, task.Exit{Reason: why}
	d.tasks[o].guess = s.Final()
}

func (d *dumb) step(now time.Time, ev Event) {
	if now.After(d.now) {
		d.now = now
	}
	quiet := d.count(d.talkable) == 0
	d.clock()
	before := d.badOnes()
	switch ev := ev.(type) {
	case Reached:
		d.reached(ev)
	case Gone:
		o, _ := d.targets.Find(ev.Host)
		d.tasks[o].here = d.tasks[o].here && d.tasks[o].seen.State.Final()
		delete(d.roll.away, int(o))
		if !ev.Since.IsZero() {
			d.roll.away[int(o)] = ev.Since
		}
	case Reported:
		d.reported(ev)
	case PastW:
		d.pastW(ev)
	case NotKnown:
		for _, o := range ev.Ordinals {
			if d.talkable(d.tasks[o]) {
				d.dispatch[o] = true
			}
		}
	case NotHere:
		d.notHere(ev)
	case Cancel:
		d.cancel(ev)
	case Pause:
		d.pauseAsked(ev)
	case Resume:
		d.resumeAsked(ev)
	case Tick:
	}
	d.unforgive(before)
	if quiet && d.count(d.talkable) > 0 {
		d.pull = d.now.Add(30 * time.Second)
	}
}

func (d *dumb) reached(ev Reached) {
	o, _ := d.targets.Find(ev.Host)
	t := &d.tasks[o]
	same := ev.Incarnation == d.targets.At(o).Incarnation
	switch {
	case t.seen.State.Final():
		return
	case !same && t.released:
		d.end(int(o), task.Lost, task.StateWiped)
		return
	case !same:
		d.end(int(o), task.Skipped, task.NewIncarnation)
		return
	}
	t.here = true
	delete(d.roll.away, int(o))
	if t.released {
		switch {
		case t.seen.State == task.Unknown:
			d.query[o] = true
		case t.seen.State < task.Accepted:
			d.dispatch[o] = true
		}
		if d.wishes(*t) {
			d.stop[o] = true
		}
	}
}

func (d *dumb) reported(ev Reported) {
	o, _ := d.targets.Find(ev.Host)
	t := &d.tasks[o]
	own := ev.Incarnation == d.targets.At(o).Incarnation
	final := ev.Report.State.Final()
	r := d.standing(*t, ev.Report)
	switch {
	case t.seen.State.Final() && (!t.guess || !own):
		if final {
			d.forget[o] = true
		}
		byHost := t.seen.Exit.Reason == task.Rebooted || t.seen.Exit.Reason == task.SupervisorLost
		if final && own && byHost && r.Attempt > t.seen.Attempt && ev.Report.Attempt <= d.spec.MaxAttempts {
			t.seen, t.guess = r, r.Exit.Reason == task.Forgotten
		}
		return
	case !own || ev.Report.Attempt > max(1, d.spec.MaxAttempts):
		return
	case t.seen.State.Final() && final:
		d.forget[o] = true
		if t.seen.State == task.Lost && task.Join(t.seen, r) == t.seen {
			return // it may have started: that is never false
		}
		d.wasReleased(o)
		t.seen, t.guess = r, r.Exit.Reason == task.Forgotten
		return
	case t.seen.State.Final():
		if t.seen.State == task.Lost || r.State == task.Dispatched {
			return
		}
		d.wasReleased(o)
		wiped := t.seen.Exit.Reason == task.NewIncarnation
		t.seen, t.guess = task.Report{Attempt: r.Attempt, State: task.Lost, Exit: task.Exit{Reason: task.StateWiped}}, wiped
		if !wiped {
			t.seen.State, t.seen.Exit.Reason = task.Unknown, task.StillRunning
			t.here = true
			delete(d.roll.away, int(o))
			delete(d.forget, o)
			d.stop[o] = d.stop[o] || d.wishes(*t)
		}
		return
	}
	d.wasReleased(o)
	switch {
	case t.seen.State.Settled() && !final:
	case ev.Report.Attempt < t.seen.Attempt:
		if d.talkable(*t) {
			d.dispatch[o] = true
		}
	case d.again(*t, ev.Report):
		t.seen = task.Report{Attempt: ev.Report.Attempt + 1, State: task.Dispatched}
		t.lost = ev.Report.Exit.Reason
		if d.talkable(*t) {
			d.dispatch[o] = true
		}
	case final:
		t.seen, t.guess = r, r.Exit.Reason == task.Forgotten
		d.forget[o] = true
	default:
		if ev.Report.Attempt > t.seen.Attempt {
			t.lost = 0
		}
		t.seen = task.Join(t.seen, ev.Report)
	}
}

// wasReleased: its host proves it.
func (d *dumb) wasReleased(o uint32) {
	t := &d.tasks[o]
	if t.released {
		return
	}
	t.released, d.fresh[o] = true, true
	d.roll.released++
	if t.seen.State == task.Pending {
		t.seen.State = task.Dispatched
	}
}

// standing: that a later attempt was not started says nothing of those before.
func (d *dumb) standing(t dumbTask, r task.Report) task.Report {
	notStarted := r.State >= task.Expired && r.State <= task.StartFailed && r.Exit.Reason != task.Killed
	if r.Attempt == 1 || !notStarted {
		return r
	}
	why := task.Forgotten
	if t.seen.Attempt == r.Attempt && t.lost != 0 {
		why = t.lost
	}
	return task.Report{Attempt: r.Attempt - 1, State: task.Lost, Exit: task.Exit{Reason: why}}
}

func (d *dumb) again(t dumbTask, r task.Report) bool {
	byHost := r.Exit.Reason == task.Rebooted || r.Exit.Reason == task.SupervisorLost
	return r.State == task.Lost && byHost && !t.seen.State.Settled() && d.state != Stopping &&
		r.Attempt < d.spec.MaxAttempts && d.now.Before(d.spec.RerunUntil)
}

func (d *dumb) pastW(ev PastW) {
	o, _ := d.targets.Find(ev.Host)
	t := &d.tasks[o]
	final := t.seen.State.Final()
	own := ev.Incarnation == d.targets.At(o).Incarnation
	if own && ev.Forgotten && (!final || t.guess && t.seen.State != task.Lost) {
		if ev.SameGeneration {
			return // nobody can rightly say so
		}
		d.forget[o] = true
		d.wasReleased(o)
		d.end(int(o), task.Lost, task.Forgotten)
		return
	}
	if !final && (!own || !t.released) {
		return
	}
	d.forget[o] = true
	if final {
		return
	}
	first := task.Report{Attempt: 1, State: task.Dispatched}
	silent := task.Report{Attempt: 1, State: task.Unknown, Exit: task.Exit{Reason: task.Silent}}
	if ev.SameGeneration && (t.seen == first || t.seen == silent) {
		d.end(int(o), task.Expired, task.StartByPassed)
	} else {
		d.end(int(o), task.Lost, task.Forgotten)
	}
}

func (d *dumb) notHere(ev NotHere) {
	waiting := d.count(func(t dumbTask) bool { return t.retry }) > 0
	for _, o := range ev.Ordinals {
		t := &d.tasks[o]
		if !d.talkable(*t) || t.seen.State >= task.Accepted {
			continue
		}
		if !waiting {
			d.retryAt, waiting = d.now.Add(time.Second), true
		}
		t.retry = true
	}
}

func (d *dumb) cancel(ev Cancel) {
	wish := task.DesiredStop
	if ev.KeepRunning {
		wish = task.DesiredWithdraw
	}
	unsettled := d.count(func(t dumbTask) bool { return !t.seen.State.Settled() })
	if d.used[ev.RequestID] != nil || unsettled == 0 || d.state == Stopping && d.wish >= wish {
		return
	}
	d.used[ev.RequestID] = ev
	d.skip(task.Skipped, task.JobCanceled)
	d.halt(wish)
}

func (d *dumb) skip(s task.State, why task.Reason) {
	for o, t := range d.tasks {
		if t.seen.State == task.Pending {
			d.end(o, s, why)
		}
	}
}

func (d *dumb) halt(wish task.Desired) {
	d.state, d.roll.cause = Stopping, NotPaused
	if d.wish >= wish {
		return
	}
	d.wish = wish
	for o, t := range d.tasks {
		if d.talkable(t) {
			switch {
			case t.seen.State < task.Accepted:
				d.dispatch[uint32(o)] = true
			case d.wishes(t):
				d.stop[uint32(o)] = true
			}
		}
	}
}

// wishes reports whether the host is told what is wanted of its task.
func (d *dumb) wishes(t dumbTask) bool {
	running := t.seen.State == task.Starting || t.seen.State == task.Running
	return d.wish == task.DesiredStop || d.wish == task.DesiredWithdraw && !running
}

func (d *dumb) clock() {
	passed := func(t time.Time) bool { return !d.now.Before(t) }
	if passed(d.spec.StartBy) {
		d.skip(task.Expired, task.StartByPassed)
	}
	if passed(d.spec.Rollout.Deadline) && d.count(d.inFlight) > 0 {
		d.halt(task.DesiredStop)
	}
	if passed(d.spec.Rollout.Deadline) && d.wish < task.DesiredStop && d.count(d.talkable) > 0 {
		d.wish = task.DesiredStop // of what was given up alone
		for o, t := range d.tasks {
			d.stop[uint32(o)] = d.stop[uint32(o)] || d.talkable(t)
		}
	}
	for o, t := range d.tasks {
		by := d.spec.StartBy
		if t.seen.Attempt > 1 {
			by = d.spec.RerunUntil
		}
		by = by.Add(d.spec.Timeout)
		if d.spec.Timeout == 0 || d.spec.TimeoutReportOnly || by.After(d.spec.Rollout.Deadline) {
			by = d.spec.Rollout.Deadline
		}
		if !d.inFlight(t) || !passed(by.Add(40*time.Second)) {
			continue
		}
		if t.seen.State == task.Dispatched {
			d.end(o, task.Unknown, task.Silent)
		} else {
			d.end(o, task.Unknown, task.StillRunning)
		}
	}
	d.repeat(passed)
}

func (d *dumb) repeat(passed func(time.Time) bool) {
	if d.count(d.talkable) > 0 && passed(d.pull) {
		d.pull = d.now.Add(30 * time.Second)
		for o, t := range d.tasks {
			if d.talkable(t) {
				d.query[uint32(o)] = true
				d.stop[uint32(o)] = d.stop[uint32(o)] || d.wishes(t)
			}
		}
	}
	for o := range d.tasks {
		t := &d.tasks[o]
		if t.retry && passed(d.retryAt) {
			t.retry = false
			if d.talkable(*t) && t.seen.State < task.Accepted {
				d.dispatch[uint32(o)] = true
			}
		}
	}
}

// ready returns what is released, and what is sent.
func (d *dumb) ready() (fresh []uint32, s Send, settled bool) {
	d.clock()
	d.steer()
	quiet := d.count(d.talkable) == 0
	for pos, o := range d.roll.order {
		t := &d.tasks[o]
		if !t.released && t.here && !t.seen.State.Settled() && d.mayRelease(pos) {
			t.released, t.seen.State = true, task.Dispatched
			d.dispatch[uint32(o)], d.fresh[uint32(o)] = true, true
			d.roll.released++
		}
	}
	if quiet && d.count(d.talkable) > 0 {
		d.pull = d.now.Add(30 * time.Second)
	}
	for i, t := range d.tasks {
		o := uint32(i)
		talk := d.talkable(t)
		switch {
		case talk && d.dispatch[o]:
			s.Dispatch = append(s.Dispatch, Dispatch{o, t.seen.Attempt, d.wish})
		case talk:
			if d.stop[o] {
				s.Wishes = append(s.Wishes, Wish{o, t.seen.Attempt, d.wish})
			}
			if d.query[o] {
				s.Query = append(s.Query, o)
			}
		}
		if d.forget[o] {
			s.Forget = append(s.Forget, o)
		}
		if d.fresh[o] {
			fresh = append(fresh, o)
		}
	}
	d.clear()
	if d.state != Done && d.count(func(t dumbTask) bool { return !t.seen.State.Settled() }) == 0 {
		d.state, d.roll.cause, settled = Done, NotPaused, true
	}
	return fresh, s, settled
}

func drawSpec(t *rapid.T) Spec {
	second := func(name string, from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, name)) * time.Second
	}
	s := aSpec()
	s.StartBy = dawn().Add(second("start-by", 1, 100))
	s.Rollout.Deadline = s.StartBy.Add(second("deadline after it", 0, 100))
	s.Timeout, s.TimeoutReportOnly = second("timeout", 0, 100), rapid.Bool().Draw(t, "report only")
	drawRollout(t, &s.Rollout)
	if rapid.Bool().Draw(t, "not before") {
		s.NotBefore = dawn().Add(second("not-before", 0, 30))
	}
	if s.MaxAttempts = rapid.Uint32Range(0, 3).Draw(t, "attempts"); s.MaxAttempts > 1 {
		s.RerunUntil = dawn().Add(second("rerun-until", 1, 100))
	}
	return s
}

// drawEvent draws anything that the outside could say, true or not.
func drawEvent(t *rapid.T, targets *Targets) Event {
	host := targets.At(rapid.Uint32Range(0, uint32(targets.Len()-1)).Draw(t, "ordinal")).Host
	who := inc(rapid.SampledFrom([]byte{1, 1, 1, 1, 1, 1, 1, 2}).Draw(t, "incarnation"))
	list := rapid.SliceOfN(rapid.Uint32Range(0, uint32(targets.Len()-1)), 1, 4)
	switch rapid.SampledFrom([]string{"reached", "reached", "gone", "reported", "reported", "reported", "reported", "pastW", "notKnown", "notHere", "cancel", "control", "control", "tick"}).Draw(t, "event") {
	case "reached":
		return Reached{host, who}
	case "gone":
		return Gone{Host: host, Since: rapid.SampledFrom([]time.Time{{}, dawn(), dawn().Add(9 * time.Second), dawn().Add(time.Minute)}).Draw(t, "away since")}
	case "reported":
		return Reported{Host: host, Incarnation: who, Report: drawReport(t)}
	case "pastW":
		return PastW{host, who, rapid.Bool().Draw(t, "same generation"), rapid.IntRange(0, 3).Draw(t, "forgotten") == 0}
	case "notKnown":
		return NotKnown{list.Draw(t, "ordinals")}
	case "notHere":
		return NotHere{list.Draw(t, "ordinals")}
	case "control":
		return drawControl(t)
	case "cancel":
		if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
			return Tick{}
		}
		return Cancel{RequestID: fmt.Sprintf("request-%08d", rapid.IntRange(0, 3).Draw(t, "request")), KeepRunning: rapid.Bool().Draw(t, "keep")}
	}
	return Tick{}
}

func drawReport(t *rapid.T) task.Report {
	r := rapid.SampledFrom([]task.Report{
		{State: task.Dispatched},
		{State: task.Accepted},
		{State: task.Running},
		{State: task.Running},
		{State: task.Succeeded},
		{State: task.Failed, Exit: task.Exit{Code: 3}},
		{State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}},
		{State: task.Lost, Exit: task.Exit{Reason: task.SupervisorLost}},
		{State: task.Canceled, Exit: task.Exit{Reason: task.Killed}},
		{State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}},
		{State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}},
	}).Draw(t, "report")
	r.Attempt = rapid.SampledFrom([]uint32{1, 1, 1, 2, 3}).Draw(t, "attempt")
	return r
}

// TestTheMachineDoesWhatTheDumbOneDoes steps both with whatever may be said, at
// whatever pace, and compares all that can be seen.
//
// Rules: concurrency order batches wait-offline pause-after pause-after-batches
// Rules: pause resume cancel budget forgiven tolerated abort not-before start-by
// Rules: deadline timeout-kill timeout-report settle-by late-truth rerun
func TestTheMachineDoesWhatTheDumbOneDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets := targetsOf(t, "r1: a b c d", "r2: e f g")
		spec := drawSpec(t)
		smart, plain := New(spec, targets), newDumb(spec, targets)
		disk := newDisk(t, smart)
		disk.anything = true
		now := dawn()
		for range rapid.IntRange(1, 60).Draw(t, "rounds") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 3, 10, 45}).Draw(t, "seconds")) * time.Second)
			for range rapid.IntRange(1, 4).Draw(t, "events") {
				ev := drawEvent(t, targets)
				_ = smart.Step(now, ev) // what it refuses the dumb one ignores
				plain.step(now, ev)
			}
			rd := smart.Ready()
			disk.take(rd)
			fresh, send, settled := plain.ready()
			if !reflect.DeepEqual(rd.Persist.Released, fresh) || !reflect.DeepEqual(rd.Send, send) || rd.Settled != settled {
				t.Fatalf("it owes\n%+v, want\n%v %+v %v", rd, fresh, send, settled)
			}
			if row := smart.Row(); row.State != plain.state || row.Wish != plain.wish || row.Pause != plain.roll.cause || int(row.Batch) != plain.roll.batch {
				t.Fatalf("it is %+v, want %v %v, pause %d in batch %d", row, plain.state, plain.wish, plain.roll.cause, plain.roll.batch)
			}
			for o, want := range plain.tasks {
				if got := smart.Task(uint32(o)); got.Report != want.seen || got.Released != want.released {
					t.Fatalf("ordinal %d is %+v, want %+v", o, got, want)
				}
			}
			if due, ok := smart.Due(); ok && !due.After(now) {
				t.Fatalf("at %s a tick is due at %s", now, due)
			}
		}
	})
}

// Nothing that a Reached, a report or a release does may depend on the order in
// which a map is walked.
func TestTheSameEventsGiveTheSameReadys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets := targetsOf(t, "r1: a b c d", "r2: e f g")
		spec := drawSpec(t)
		one, two := New(spec, targets), New(spec, targets)
		now := dawn()
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			for range rapid.IntRange(1, 6).Draw(t, "events") {
				ev := drawEvent(t, targets)
				if a, b := one.Step(now, ev), two.Step(now, ev); a != b { //nolint:errorlint // bare errors
					t.Fatalf("%v and %v", a, b)
				}
			}
			if a, b := one.Ready(), two.Ready(); !reflect.DeepEqual(a, b) {
				t.Fatalf("%+v and %+v", a, b)
			}
		}
	})
}
