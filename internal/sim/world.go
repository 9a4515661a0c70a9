package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"
)

// streams of random numbers: each has its own, so that leaving out a fault
// changes as little else as can be.
const (
	ofPlan = iota // who there is and what is asked
	ofNet
	ofFault
	ofCrash // in the middle of something
	ofHost
	ofUser
	randoms
)

// world is everything.
type world struct {
	opt    Options
	began  time.Time
	now    time.Time
	queue  queue
	seq    uint64
	steps  int
	random [randoms]*rand.Rand
	faults Fault     // kinds that are on in this seed
	calm   time.Time // the faults stop
	end    time.Time // by then all is settled
	script []string
	tally  Tally

	net    network
	store  *store
	coord  coord
	scheds []*sched
	aggs   []*agg
	hosts  []*host
	plans  []*plan
	users  []*user
	*promises
}

// Run runs the world of the options until its end, or until a promise is broken.
func Run(o Options) Result {
	w := build(o)
	for w.broken == nil && len(w.queue) > 0 {
		ev := heap.Pop(&w.queue).(*event)
		if ev.at.After(w.end) {
			break
		}
		w.now = ev.at
		w.steps++
		ev.do()
		if w.steps%quietEvery == 0 && w.now.After(w.calm) && w.quiet() {
			break
		}
	}
	if w.broken == nil {
		w.judge()
	}
	if o.Script {
		w.leftOver()
	}
	return Result{
		Broken: w.broken, Steps: w.steps, Faults: w.faults, Lasted: w.now.Sub(w.began),
		Script: w.script, Tally: w.tally, Options: o, plans: w.plans,
	}
}

// quietEvery is after how many steps it is looked whether anything is left to do.
const quietEvery = 256

// event is something that happens at a time. Of two at the same time the one
// that was planned first is first.
type event struct {
	at  time.Time
	seq uint64
	do  func()
}

type queue []*event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for container/heap only.
func (q *queue) Push(x any) { *q = append(*q, x.(*event)) }

// Pop is for container/heap only.
func (q *queue) Pop() any {
	last := len(*q) - 1
	ev := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return ev
}

func (w *world) at(t time.Time, do func()) {
	w.seq++
	heap.Push(&w.queue, &event{t, w.seq, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// every does something again and again.
func (w *world) every(d time.Duration, do func()) {
	w.after(d, func() { do(); w.every(d, do) })
}

// chance is true so often out of a thousand.
func (w *world) chance(of, perMille int) bool { return w.random[of].IntN(1000) < perMille }

// span is a time between two.
func (w *world) span(of int, from, to time.Duration) time.Duration {
	return from + time.Duration(w.random[of].Int64N(int64(to-from)+1))
}

func (w *world) pick(of, n int) int { return w.random[of].IntN(n) }

// on reports whether a kind of fault may happen now.
func (w *world) on(f Fault) bool { return w.faults&f != 0 && w.now.Before(w.calm) }

// strikes reports whether a fault happens now, that may so often out of a
// thousand.
func (w *world) strikes(f Fault, perMille int) bool {
	if !w.on(f) || !w.chance(ofCrash, perMille) {
		return false
	}
	w.struck(f)
	return true
}

// say writes a line of the transcript.
func (w *world) say(who, format string, args ...any) {
	if w.opt.Script {
		w.script = append(w.script, fmt.Sprintf("%9.3fs  %-12s ", w.now.Sub(w.began).Seconds(), who)+fmt.Sprintf(format, args...))
	}
}

// proc is a process: what it has planned is for nothing when it dies, and late
// when it is frozen.
type proc struct {
	w       *world
	name    string
	up      bool
	life    int
	frozen  time.Time // it does not run until then
	streams []*stream
}

func (p *proc) after(d time.Duration, do func()) { p.afterIn(p.life, d, do) }

// afterIn is after for what belongs to a life that may be over by now: an answer
// to who asked.
func (p *proc) afterIn(life int, d time.Duration, do func()) {
	var fire func()
	fire = func() {
		switch {
		case p.life != life || !p.up:
		case p.w.now.Before(p.frozen):
			p.w.at(p.frozen, fire)
		default:
			do()
		}
	}
	p.w.after(d, fire)
}

// every does something again and again as long as this life lasts.
func (p *proc) every(d time.Duration, do func()) {
	p.after(d, func() { do(); p.every(d, do) })
}

func (p *proc) die() {
	if !p.up {
		return
	}
	p.up = false
	p.life++
	for _, s := range p.streams {
		s.cut()
	}
	p.streams = nil
}

func (p *proc) rise() { p.up, p.frozen = true, time.Time{} }

// awake reports whether it runs now.
func (p *proc) awake() bool { return p.up && !p.w.now.Before(p.frozen) }
