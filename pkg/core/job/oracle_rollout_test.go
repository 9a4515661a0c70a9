package job

import (
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// dumbRollout is the rollout of the dumb machine: which targets come when.
type dumbRollout struct {
	order              []int // ordinals as they are released
	ends               []int // of all batches
	batch              int
	gate, batchGate    int // 0: none
	forgiven           int
	cause              PauseCause
	away               map[int]time.Time
	released           int
	limited            bool
	budget             int
	wait               time.Duration
	points, batchPoint []uint32
}

func newDumbRollout(r Rollout, targets *Targets) dumbRollout {
	n := targets.Len()
	d := dumbRollout{away: map[int]time.Time{}, limited: r.MaxFailures.Limited, wait: r.WaitOffline, points: r.PauseAfter, batchPoint: r.PauseBatches}
	if d.wait == 0 {
		d.wait = 30 * time.Second
	}
	d.budget = int(r.MaxFailures.Count)
	if r.MaxFailures.Percent > 0 {
		d.budget = n * int(r.MaxFailures.Percent) / 100
	}
	taken := map[int]bool{}
	for len(d.order) < n { // one round: the first of each room that is left, or simply the first
		for _, room := range targets.Rooms() {
			for o := int(room.First); o < int(room.First+room.Count); o++ {
				if !taken[o] {
					taken[o] = true
					d.order = append(d.order, o)
					if r.Order == SpreadRooms {
						break
					}
				}
			}
		}
	}
	for end, i := 0, 0; end < n; i++ {
		size := n
		if len(r.Batches) > 0 {
			size = r.Batches[min(i, len(r.Batches)-1)].Of(n)
		}
		end = min(n, end+size)
		d.ends = append(d.ends, end)
	}
	d.gate, d.batchGate = d.nextPoint(d.points, 0), d.nextPoint(d.batchPoint, 0)
	return d
}

func (d *dumbRollout) nextPoint(points []uint32, beyond int) int {
	for _, p := range points {
		if int(p) > beyond {
			return int(p)
		}
	}
	return 0
}

// bad counts outcomes against the budget.
func (d *dumb) bad() int {
	n := 0
	for _, bad := range d.badOnes() {
		if bad {
			n++
		}
	}
	return n
}

// badOnes says of each task whether it is bad.
func (d *dumb) badOnes() (all []bool) {
	tolerated := map[task.State]bool{task.Succeeded: true, task.Canceled: true, task.Skipped: true}
	for _, s := range d.spec.Rollout.Tolerated {
		tolerated[s] = true
	}
	for _, t := range d.tasks {
		all = append(all, t.seen.State.Settled() && !tolerated[t.seen.State])
	}
	return all
}

// unforgive takes what was bad and is not any more from what was forgiven.
func (d *dumb) unforgive(before []bool) {
	for o, bad := range d.badOnes() {
		if before[o] && !bad && d.roll.forgiven > 0 {
			d.roll.forgiven--
		}
	}
}

func (d *dumb) pending() int {
	return d.count(func(t dumbTask) bool { return t.seen.State == task.Pending })
}

// barrier reports whether the next batch may begin.
func (d *dumb) barrier() bool {
	r := &d.roll
	if d.count(d.inFlight) > 0 {
		return false
	}
	if last := r.batch == len(r.ends)-1; last && (d.pending() == 0 || r.batchGate == 0 || r.batch+1 < r.batchGate) {
		return false // nothing is behind it
	}
	begin := 0
	if r.batch > 0 {
		begin = r.ends[r.batch-1]
	}
	some := false
	for pos := range r.ends[r.batch] {
		o := r.order[pos]
		t := d.tasks[o]
		since, away := r.away[o]
		switch {
		case t.seen.State.Settled():
			some = some || pos >= begin
		case !away || d.now.Before(since.Add(r.wait)):
			return false
		}
	}
	return some
}

func (d *dumb) atPoint() bool {
	return d.roll.gate > 0 && d.roll.released >= d.roll.gate && d.count(d.inFlight) == 0
}

func (d *dumb) atBatchPoint() bool {
	return d.roll.batchGate > 0 && d.roll.batch+1 >= d.roll.batchGate && d.barrier()
}

func (d *dumb) hold(why PauseCause) { d.state, d.roll.cause = Paused, why }

// steer is the rollout before a release.
func (d *dumb) steer() {
	if d.state != Running && d.state != Paused || d.pending() == 0 {
		return
	}
	if d.roll.limited && d.bad()-d.roll.forgiven > d.roll.budget {
		if d.spec.Rollout.FailureAction == AbortOnFailure {
			d.skip(task.Skipped, task.Aborted)
			d.halt(task.DesiredRun)
		} else {
			d.hold(PausedByBudget)
		}
		return
	}
	for d.state == Running {
		switch {
		case d.atPoint(), d.atBatchPoint():
			d.hold(PausedAtPoint)
		case d.barrier():
			d.roll.batch++
		default:
			return
		}
	}
}

// mayRelease is the whole rollout for one more target.
func (d *dumb) mayRelease(pos int) bool {
	r := &d.roll
	flying := d.count(d.inFlight)
	limit := len(d.tasks)
	switch c := d.spec.Rollout.Concurrency; {
	case c.Count > 0:
		limit = int(c.Count)
	case c.Percent > 0:
		for limit = 1; 100*limit < len(d.tasks)*int(c.Percent); { // the least that is not below the share
			limit++
		}
	}
	return d.state == Running && !d.now.Before(d.spec.NotBefore) && d.now.Before(d.spec.StartBy) &&
		flying < limit && pos < r.ends[r.batch] &&
		(r.gate == 0 || r.released < r.gate) &&
		(!r.limited || max(0, d.bad()-r.forgiven)+flying <= r.budget)
}

func (d *dumb) live() bool {
	return (d.state == Running || d.state == Paused) && d.count(func(t dumbTask) bool { return !t.seen.State.Settled() }) > 0
}

func (d *dumb) pauseAsked(ev Pause) {
	if d.used[ev.RequestID] != nil || !d.live() {
		return
	}
	d.used[ev.RequestID] = ev
	if d.state == Running {
		d.hold(PausedByUser)
	}
}

func (d *dumb) resumeAsked(ev Resume) {
	if d.used[ev.RequestID] != nil || d.state != Paused || (ev.Until == UntilNumber) != (ev.Targets > 0) {
		return
	}
	d.used[ev.RequestID] = ev
	r := &d.roll
	if r.cause == PausedByBudget {
		r.forgiven = d.bad()
	}
	if r.cause == PausedAtPoint && !d.atPoint() || d.atBatchPoint() {
		r.batchGate = r.nextPoint(r.batchPoint, r.batch+1)
	}
	switch ev.Until {
	case UntilEnd:
		r.gate, r.batchGate = 0, 0
	case UntilNumber:
		r.gate = r.released + min(int(ev.Targets), len(d.tasks))
	case UntilNext:
		if d.atPoint() {
			r.gate = r.nextPoint(r.points, r.released)
		}
	}
	d.state, r.cause = Running, NotPaused
}

// drawRollout draws all that a rollout may be made of, for a job of a few
// targets.
func drawRollout(t *rapid.T, r *Rollout) {
	amount := func(name string) Amount {
		if rapid.Bool().Draw(t, name+" as a share") {
			return Amount{Percent: rapid.Uint32Range(1, 60).Draw(t, name)}
		}
		return Amount{Count: rapid.Uint32Range(1, 3).Draw(t, name)}
	}
	ascending := func(name string) (list []uint32) {
		at := uint32(0)
		for range rapid.IntRange(0, 2).Draw(t, name+"s") {
			at += rapid.Uint32Range(1, 3).Draw(t, name)
			list = append(list, at)
		}
		return list
	}
	if rapid.Bool().Draw(t, "limited") {
		r.Concurrency = amount("concurrency")
	}
	r.Order = rapid.SampledFrom([]Order{AsListed, SpreadRooms}).Draw(t, "order")
	for range rapid.IntRange(0, 3).Draw(t, "batches") {
		r.Batches = append(r.Batches, amount("batch"))
	}
	r.PauseAfter = ascending("pause point")
	if len(r.Batches) > 0 {
		r.PauseBatches = ascending("pause after batch")
	}
	if rapid.Bool().Draw(t, "budget") {
		r.MaxFailures = Budget{Limited: true, Count: rapid.Uint32Range(0, 2).Draw(t, "tolerated number")}
		if rapid.Bool().Draw(t, "a budget as a share") {
			r.MaxFailures = Budget{Limited: true, Percent: rapid.Uint32Range(1, 40).Draw(t, "tolerated share")}
		}
		r.FailureAction = rapid.SampledFrom([]FailureAction{DefaultAction, PauseOnFailure, AbortOnFailure}).Draw(t, "action")
		r.Tolerated = rapid.SampledFrom([][]task.State{nil, nil, {task.Failed}, {task.Failed, task.Unknown}, {task.Expired, task.Lost}}).Draw(t, "tolerated")
	}
	r.WaitOffline = time.Duration(rapid.SampledFrom([]int{0, 1, 20}).Draw(t, "wait offline")) * time.Second
}

func drawControl(t *rapid.T) Event {
	id := requestID(rapid.SampledFrom([]string{"p", "q", "r", "s"}).Draw(t, "request"))
	if rapid.Bool().Draw(t, "pause") {
		return Pause{RequestID: id}
	}
	ev := Resume{RequestID: id, Until: rapid.SampledFrom([]Until{UntilEnd, UntilNext, UntilNumber}).Draw(t, "until")}
	if ev.Until == UntilNumber {
		ev.Targets = rapid.Uint32Range(1, 3).Draw(t, "number")
	}
	return ev
}
