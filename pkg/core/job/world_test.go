package job

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// world is a job, its store, its hosts and a network that loses, repeats and
// reorders. Everything random is drawn, so a failure shrinks.
type world struct {
	t     *rapid.T
	spec  Spec
	m     *Machine
	disk  *disk
	now   time.Time
	hosts []*simHost
	down  []toHost
	up    []Event

	backup   *disk
	restores bool // the store is restored from a backup now and then
	era      int  // how often the store was restored from the backup
}

// toHost is one thing on its way to a host.
type toHost struct {
	host      int
	attempt   uint32
	want      task.Desired
	ask, gone bool
	era       int
}

// simHost is a host with a disk. Its rules are those of architecture section 8,
// and not the machine's.
type simHost struct {
	id      fleet.HostID
	inc     fleet.Incarnation
	here    bool
	dead    bool        // it will never be heard again
	report  task.Report // what its disk says; zero: nothing
	forgot  bool        // told to forget: it keeps a tombstone and reports no more by itself
	excused bool        // told so on the word of a store that was restored since
	starts  map[string]int
	want    task.Desired
}

func newWorld(t *rapid.T) *world { return newWorldOf(t, drawSpec(t)) }

func newWorldOf(t *rapid.T, spec Spec) *world {
	w := &world{t: t, spec: spec, now: dawn()}
	targets := targetsOf(t, "r1: a b c", "r2: d e")
	w.m = New(w.spec, targets)
	w.disk = newDisk(t, w.m)
	for o := range uint32(targets.Len()) {
		w.hosts = append(w.hosts, &simHost{id: targets.At(o).Host, inc: inc(1), starts: map[string]int{}})
	}
	w.ready(true)
	w.backup = w.disk.copy()
	return w
}

func (w *world) step(ev Event) {
	_ = w.m.Step(w.now, ev) // what is refused has no effect; the shell counts it
}

// ready persists, perhaps sends, and proves that a restart would lose nothing.
func (w *world) ready(sends bool) {
	rd := w.m.Ready()
	w.disk.take(rd)
	w.compareWithRestart()
	if !sends {
		return
	}
	send := func(x toHost) {
		x.era = w.era
		w.down = append(w.down, x)
	}
	for _, d := range rd.Send.Dispatch {
		send(toHost{host: int(d.Ordinal), attempt: d.Attempt, want: d.Want})
	}
	for _, s := range rd.Send.Wishes {
		send(toHost{host: int(s.Ordinal), want: s.Want})
	}
	for _, o := range rd.Send.Query {
		send(toHost{host: int(o), ask: true})
	}
	for _, o := range rd.Send.Forget {
		send(toHost{host: int(o), gone: true})
	}
}

func (w *world) compareWithRestart() {
	again := New(w.spec, w.m.targets)
	if err := again.Restore(w.disk.record()); err != nil {
		w.t.Fatal(err)
	}
	want, got := w.m.Row(), again.Row()
	want.Counts = want.Counts.durable()
	if got != want {
		w.t.Fatalf("the row is %+v after a restart, want %+v", got, want)
	}
	if again.reruns != w.m.reruns {
		w.t.Fatalf("%d reruns after a restart, want %d", again.reruns, w.m.reruns)
	}
	for o := range uint32(w.m.targets.Len()) {
		one, two := w.m.Task(o), again.Task(o)
		if e := &w.m.tasks[o]; !e.seen.State.Final() && e.lost != again.tasks[o].lost || e.is(concluded) != again.tasks[o].is(concluded) {
			w.t.Fatalf("ordinal %d is %+v after a restart, want %+v", o, again.tasks[o], *e)
		}
		if durable(one.Report) != two.Report || one.Revision != two.Revision || one.Released != two.Released {
			w.t.Fatalf("ordinal %d is %+v after a restart, want %+v", o, two, one)
		}
	}
}

// takeOver is a new owner. What the old one had stepped and not persisted is
// gone with it.
func (w *world) takeOver() {
	w.m = New(w.spec, w.m.targets)
	if err := w.m.Restore(w.disk.record()); err != nil {
		w.t.Fatal(err)
	}
	for _, h := range w.hosts {
		if h.here {
			w.step(Reached{h.id, h.inc})
		}
	}
}

// restore is an operator who puts the backup in place of the store. What hosts
// were told to forget since then nobody knows any more.
func (w *world) restore() {
	w.disk = w.backup.copy()
	w.disk.anything = true // releases are found beyond what was decided
	w.era++
	for _, h := range w.hosts {
		h.excused = h.excused || h.forgot
	}
	w.takeOver()
}

func (w *world) attach(i int) {
	h := w.hosts[i]
	h.here = true
	w.step(Reached{h.id, h.inc})
	w.say(i) // all that is not forgotten is said in a new session
}

func (w *world) leave(i int) {
	w.hosts[i].here = false
	w.step(Gone{w.hosts[i].id, w.now})
}

func (w *world) wipe(i int) {
	h := w.hosts[i]
	h.inc = fleet.Incarnation{14: 1, 15: byte(len(h.starts)) + 2}
	h.report, h.forgot, h.excused, h.want = task.Report{}, false, false, 0
	w.leave(i)
}

func (w *world) say(i int) {
	h := w.hosts[i]
	if h.report.State != task.Unspecified && !h.forgot {
		w.up = append(w.up, Reported{Host: h.id, Incarnation: h.inc, Report: h.report})
	}
}

func (w *world) become(i int, s task.State, why task.Reason) {
	h := w.hosts[i]
	h.report.State, h.report.Exit = s, task.Exit{Reason: why}
	h.forgot, h.excused = false, false
	w.say(i)
}

// arrive is a host that gets something.
func (w *world) arrive(x toHost) {
	h := w.hosts[x.host]
	known := h.report.State != task.Unspecified
	switch {
	case !h.here:
		if !x.gone && !x.ask {
			w.up = append(w.up, NotHere{[]uint32{uint32(x.host)}})
		}
	case x.gone:
		h.forgot = h.forgot || h.report.State.Final()
		h.excused = h.forgot && (h.excused || x.era != w.era)
	case x.ask && known:
		w.up = append(w.up, Reported{Host: h.id, Incarnation: h.inc, Report: h.report})
	case x.ask:
		w.up = append(w.up, NotKnown{[]uint32{uint32(x.host)}})
	case x.attempt == 0:
		if known {
			h.want = max(h.want, x.want)
		}
	default:
		w.dispatched(x, known)
	}
}

func (w *world) dispatched(x toHost, known bool) {
	h := w.hosts[x.host]
	h.want = max(h.want, x.want)
	next, mayRerun := task.Rerun(h.report)
	switch {
	case h.inc != inc(1):
		h.report = task.Report{Attempt: x.attempt}
		w.become(x.host, task.Refused, task.NotTarget)
	case !known && x.attempt == 1, mayRerun && x.attempt == next.Attempt:
		h.report = task.Report{Attempt: x.attempt}
		switch {
		case x.want >= task.DesiredWithdraw:
			w.become(x.host, task.Canceled, task.BeforeStart)
		case !w.now.Before(w.spec.startBy(x.attempt)):
			w.become(x.host, task.Expired, task.StartByPassed)
		default:
			w.become(x.host, task.Accepted, task.NoReason)
		}
	default:
		h.forgot, h.excused = false, false // it says what it knows
		w.say(x.host)
	}
}

// live lets a host go on with what it has.
func (w *world) live(i int, rebooted bool, end task.State) {
	h := w.hosts[i]
	switch {
	case h.report.State == task.Accepted && h.want >= task.DesiredWithdraw:
		w.become(i, task.Canceled, task.BeforeStart)
	case h.report.State == task.Accepted && !w.now.Before(w.spec.startBy(h.report.Attempt)):
		w.become(i, task.Expired, task.StartByPassed)
	case h.report.State == task.Accepted:
		h.starts[fmt.Sprint(h.inc, h.report.Attempt)]++
		w.become(i, task.Running, task.NoReason)
	case h.report.State == task.Running && rebooted:
		w.become(i, task.Lost, task.Rebooted)
	case h.report.State == task.Running && h.want >= task.DesiredStop:
		w.become(i, task.Canceled, task.Killed)
	case h.report.State == task.Running:
		w.become(i, end, task.NoReason)
	}
}

// act is one thing that happens.
func (w *world) act() {
	t := w.t
	host := rapid.IntRange(0, len(w.hosts)-1).Draw(t, "host")
	actions := []string{
		"attach", "attach", "leave", "live", "live", "live", "reboot", "time", "time", "time", "wipe",
		"take over", "crash", "backup", "cancel", "control", "control", "deliver", "deliver", "deliver", "deliver", "hear", "hear", "hear", "hear", "lose", "repeat",
	}
	switch rapid.SampledFrom(actions).Draw(t, "act") {
	case "attach":
		w.attach(host)
	case "leave":
		w.leave(host)
	case "live":
		w.live(host, false, rapid.SampledFrom([]task.State{task.Succeeded, task.Failed}).Draw(t, "end"))
	case "reboot":
		w.live(host, true, task.Succeeded)
	case "wipe":
		if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
			w.wipe(host)
		}
	case "time":
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
		w.step(Tick{})
	case "take over":
		w.takeOver()
	case "crash":
		w.ready(false) // durable, and not one message left
		w.takeOver()
	case "backup":
		if !w.restores {
			return
		}
		if rapid.Bool().Draw(t, "restore") {
			w.restore()
		} else {
			w.backup = w.disk.copy()
		}
	case "control":
		w.step(drawControl(t))
	case "cancel":
		if rapid.IntRange(0, 5).Draw(t, "really") == 0 {
			w.step(Cancel{RequestID: "request-of-somebody", KeepRunning: rapid.Bool().Draw(t, "keep")})
		}
	default:
		w.network()
	}
	if rapid.Bool().Draw(t, "ready") {
		w.ready(true)
	}
}

func (w *world) network() {
	t := w.t
	if n := len(w.down); n > 0 && rapid.Bool().Draw(t, "downwards") {
		i := rapid.IntRange(0, n-1).Draw(t, "message")
		x := w.down[i]
		if what := rapid.SampledFrom([]string{"take", "take", "take", "keep", "lose"}).Draw(t, "what"); what != "keep" {
			w.down = slices.Delete(w.down, i, i+1)
			if what == "lose" {
				return
			}
		}
		w.arrive(x)
		return
	}
	if n := len(w.up); n > 0 {
		i := rapid.IntRange(0, n-1).Draw(t, "message")
		ev := w.up[i]
		if what := rapid.SampledFrom([]string{"take", "take", "take", "keep", "lose"}).Draw(t, "what"); what != "keep" {
			w.up = slices.Delete(w.up, i, i+1)
			if what == "lose" {
				return
			}
		}
		w.step(ev)
	}
}

// calm lets the world run on without faults until nothing is owed any more.
// Some hosts never come back. What is sent as the others come is lost once
// more, so that only the pull can find it out.
func (w *world) calm() {
	w.down, w.up = nil, nil
	for i, h := range w.hosts {
		if h.dead = rapid.IntRange(0, 5).Draw(w.t, "dead") == 0; h.dead {
			w.leave(i)
		} else {
			w.attach(i)
		}
	}
	w.ready(false)
	for range 100 {
		w.ready(true)
		down := w.down
		w.down = nil
		for _, x := range down {
			w.arrive(x)
		}
		for i, h := range w.hosts {
			if !h.dead {
				w.live(i, false, task.Succeeded)
			}
		}
		up := w.up
		w.up = nil
		for _, ev := range up {
			w.step(ev)
		}
		w.now = w.now.Add(5 * time.Second)
		w.step(Tick{})
	}
	w.ready(true)
}

func (w *world) judge() {
	if w.m.Row().State != Done || w.disk.settled != 1 && w.era == 0 {
		w.t.Fatalf("faults have stopped and the job is %+v, settled %d times", w.m.Row(), w.disk.settled)
	}
	for i, h := range w.hosts {
		v := w.m.Task(uint32(i))
		for attempt, n := range h.starts {
			if n > 1 {
				w.t.Fatalf("%s started %s %d times", h.id, attempt, n)
			}
		}
		if h.dead {
			continue
		}
		if !v.Report.State.Final() {
			w.t.Fatalf("%s can be heard and its task is %s", h.id, say(v.Report))
		}
		truth := h.report.State != task.Unspecified && h.inc == inc(1) && !h.excused
		if want := whole(h.report); truth && v.Report != want && !w.agrees(uint32(i), want) {
			w.t.Fatalf("%s says %s and the job says %s", h.id, say(h.report), say(v.Report))
		}
		if truth && !h.forgot {
			w.t.Fatalf("%s was never told to forget %s", h.id, say(h.report))
		}
	}
	if n := w.m.Row().Conflicts; n != 0 && w.era == 0 {
		w.t.Fatalf("%d conflicts among hosts that do not lie", n)
	}
}

// agrees reports whether the job says as much of a task as it can after the
// store was restored: why an attempt was lost may be forgotten, and why nothing
// was started may be said in two ways, which is counted.
func (w *world) agrees(o uint32, truth task.Report) bool {
	v := w.m.Task(o)
	said := v.Report
	said.Exit.Reason = truth.Exit.Reason
	return w.era > 0 && v.Concluded && (said == truth || !mayHaveRun(truth) && v.Report.State < task.Canceled && w.m.Row().Conflicts > 0)
}

// whole is the outcome of a task by the last report of its host. Hosts here lose
// attempts by reboots alone.
func whole(r task.Report) task.Report {
	if r.Attempt > 1 && (r.State == task.Expired || r.Exit.Reason == task.BeforeStart) {
		return task.Report{Attempt: r.Attempt - 1, State: task.Lost, Exit: task.Exit{Reason: task.Rebooted}}
	}
	return r
}

// TestEveryTaskSettlesWithItsTruthOnceFaultsStop is promises 1, 2 and 3 of the
// architecture for one job: concurrency and durability are checked at every
// Ready, the restart at every Ready too, the rest at the end.
//
// Rules: concurrency batches pause-after budget forgiven take-over late-truth rerun
func TestEveryTaskSettlesWithItsTruthOnceFaultsStop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 120).Draw(t, "acts") {
			w.act()
		}
		w.calm()
		w.judge()
	})
}

// TestHostsAreBelievedAfterTheStoreWasRestored is promises 1 and 2 over restores
// of the store to any earlier moment: nothing starts twice, and whatever a host
// can still say becomes the truth, released on record or not.
func TestHostsAreBelievedAfterTheStoreWasRestored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.restores = true
		for range rapid.IntRange(0, 120).Draw(t, "acts") {
			w.act()
		}
		w.calm()
		w.judge()
	})
}
