package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// executor is the host's layer that runs commands. What it knows is what is on
// the disk; in memory it has only what is under way.
type executor struct {
	proc
	host       *host
	busy       []bool     // by plan: a write that decides whether it exists is under way
	line       [][]func() // who waits for that
	supervised []bool     // by plan: an end-process of this executor is starting
	watched    []bool     // by plan: it is told when its end-process ends
	tries      []int
	purging    bool
	volatileW  time.Time // W, if a planted bug keeps it in memory alone
}

// acceptance is what became of a request.
type acceptance uint8

const (
	recorded acceptance = iota + 1
	pastW
	released
	invalid
)

type answer struct {
	kind   acceptance
	report task.Report
	told   task.Desired
}

func (x *executor) start() {
	n := len(x.host.disk.commands)
	x.busy, x.line, x.supervised, x.watched, x.tries = make([]bool, n), make([][]func(), n), make([]bool, n), make([]bool, n), make([]int, n)
	x.purging, x.volatileW = false, time.Time{}
	x.rise()
	for _, p := range x.host.w.plans {
		if x.host.disk.commands[p.n] == nil {
			continue
		}
		if x.host.disk.tombs[p.n] != nil {
			x.host.disk.commands[p.n] = nil // the tombstone is the later word
			continue
		}
		if !x.host.w.bug("no re-adoption") {
			x.look(p)
		}
	}
	x.every(10*time.Second, x.purge)
	x.every(5*time.Second, func() {
		for _, p := range x.host.w.plans {
			if x.watched[p.n] || x.tries[p.n] > 0 {
				x.look(p)
			}
		}
	})
}

// write makes a synced write and goes on when it is done. Who dies meanwhile may
// have written or not.
func (x *executor) write(do, then func()) {
	w := x.host.w
	first, second := w.span(ofHost, 100*time.Microsecond, 4*time.Millisecond), w.span(ofHost, 100*time.Microsecond, 4*time.Millisecond)
	if w.chance(ofHost, 500) {
		x.after(first, do)
	} else {
		x.host.machine.after(first, do) // the kernel finishes it
	}
	x.after(first+second, then)
	x.host.crashPoint("between two writes")
}

// inLine waits for the write of a command that is under way.
func (x *executor) inLine(p *plan, again func()) bool {
	if x.busy[p.n] {
		x.line[p.n] = append(x.line[p.n], again)
		return true
	}
	return false
}

func (x *executor) free(p *plan) {
	line := x.line[p.n]
	x.busy[p.n], x.line[p.n] = false, nil
	for _, again := range line {
		again()
	}
}

// absent answers for what has no directory; false: it may be made.
func (x *executor) absent(p *plan, reply func(answer)) bool {
	d := x.host.disk
	w := d.w
	if x.host.w.bug("W not kept") {
		w = x.volatileW
	}
	switch t := d.tombs[p.n]; {
	case t != nil && t.released:
		reply(answer{kind: released})
	case t != nil:
		reply(answer{kind: recorded, report: t.outcome})
	case !w.IsZero() && !p.until().After(w):
		reply(answer{kind: pastW})
	default:
		return false
	}
	return true
}

// accept takes an attempt: it is on disk before it is answered, and answered
// before it is started.
func (x *executor) accept(p *plan, attempt uint32, reply func(answer)) {
	if x.inLine(p, func() { x.accept(p, attempt, reply) }) {
		return
	}
	d := x.host.disk
	c := d.commands[p.n]
	switch {
	case c == nil && x.absent(p, reply):
	case c == nil && attempt != 1:
		reply(answer{kind: invalid})
	case c == nil:
		x.busy[p.n] = true
		x.write(func() {
			if d.commands[p.n] == nil && d.tombs[p.n] == nil {
				d.commands[p.n] = &command{plan: p, accepted: 1}
			}
		}, func() { x.taken(p, reply) })
	case attempt <= c.accepted:
		reply(answer{kind: recorded, report: d.report(p)})
	default:
		next, ok := task.Rerun(d.report(p))
		if !ok || next.Attempt != attempt {
			reply(answer{kind: invalid})
			return
		}
		x.busy[p.n] = true
		x.write(func() { c.accepted = max(c.accepted, attempt) }, func() {
			x.tries[p.n] = 0
			x.taken(p, reply)
		})
	}
}

func (x *executor) taken(p *plan, reply func(answer)) {
	x.free(p)
	x.host.w.say(string(x.host.id), "has accepted %s", p.name)
	reply(answer{kind: recorded, report: x.host.disk.report(p)})
	x.look(p)
}

// pass carries a verdict out: REFUSED, EXPIRED, or CANCELED for a wish to stop.
func (x *executor) pass(p *plan, verdict task.Report, stop bool, reply func(answer)) {
	if x.inLine(p, func() { x.pass(p, verdict, stop, reply) }) {
		return
	}
	d := x.host.disk
	c := d.commands[p.n]
	if c == nil {
		if !x.absent(p, reply) {
			x.bury(p, verdict, reply)
		}
		return
	}
	seen := d.report(p)
	next, follows := task.Rerun(seen)
	switch {
	case !seen.State.Final() && verdict.Attempt > c.accepted:
		reply(answer{kind: invalid})
	case !seen.State.Final() && verdict.Attempt < c.accepted:
		reply(answer{kind: recorded, report: seen})
	case !seen.State.Final():
		x.passLive(c, verdict, stop, reply)
	case follows && next.Attempt == verdict.Attempt:
		x.busy[p.n] = true
		x.write(func() {
			c.stop = c.stop || stop
			c.accepted = max(c.accepted, verdict.Attempt)
			x.host.decide(p, verdict.Attempt, verdict)
		}, func() { x.taken(p, reply) })
	default:
		reply(answer{kind: recorded, report: seen})
	}
}

// bury records the verdict on what has no directory, and never will have.
func (x *executor) bury(p *plan, verdict task.Report, reply func(answer)) {
	d := x.host.disk
	x.busy[p.n] = true
	x.write(func() {
		if d.tombs[p.n] == nil && d.commands[p.n] == nil {
			d.tombs[p.n] = &tomb{until: p.until(), outcome: verdict}
			x.host.w.recorded(x.host, p, verdict)
		}
	}, func() {
		x.free(p)
		x.host.w.say(string(x.host.id), "has decided %s: %s", p.name, verdict.State)
		reply(answer{kind: recorded, report: d.report(p)})
	})
}

// passLive makes the wish durable, then tries to decide, then tells whoever was
// first.
func (x *executor) passLive(c *command, verdict task.Report, stop bool, reply func(answer)) {
	p, h := c.plan, x.host
	x.busy[p.n] = true
	if h.w.bug("cancel without the record") && c.attempt(c.accepted).claim == adopt.NoClaim {
		h.w.recorded(h, p, verdict)
		x.free(p)
		reply(answer{kind: recorded, report: verdict})
		return
	}
	x.write(func() { c.stop = c.stop || stop }, func() {
		x.write(func() { h.decide(p, verdict.Attempt, verdict) }, func() {
			x.free(p)
			if a := c.attempt(c.accepted); stop && a.by != nil {
				a.by.knock()
			}
			reply(answer{kind: recorded, report: h.disk.report(p)})
			x.look(p)
		})
	})
}

// release forgets an ended command but for its tombstone, which is durable
// before the directory goes.
func (x *executor) release(p *plan, era int, reply func(answer)) {
	if x.inLine(p, func() { x.release(p, era, reply) }) {
		return
	}
	d, w := x.host.disk, x.host.w
	if t := d.tombs[p.n]; t != nil && t.released {
		reply(answer{kind: released})
		return
	}
	if r := d.report(p); !r.State.Final() {
		reply(answer{kind: recorded, report: r})
		return
	}
	x.busy[p.n] = true
	w.forgetting(x.host, p, era)
	x.write(func() {
		switch {
		case w.bug("no tombstone"):
		case w.bug("tombstone not synced"):
			d.tombs[p.n] = &tomb{until: p.until(), released: true}
			d.unsynced = append(d.unsynced, p.n)
		default:
			d.tombs[p.n] = &tomb{until: p.until(), released: true}
		}
	}, func() {
		x.write(func() { d.commands[p.n] = nil }, func() {
			if w.bug("no tombstone") {
				d.tombs[p.n] = nil
			}
			x.free(p)
			w.say(string(x.host.id), "has forgotten %s", p.name)
			reply(answer{kind: released})
		})
	})
}

// purge forgets tombstones whose E is past by the clock of this host, which also
// refuses late starts, and by the time from above. W is durable first.
func (x *executor) purge() {
	d := x.host.disk
	var gone []int
	top := d.w
	for n, t := range d.tombs {
		if t != nil && t.until.Before(x.host.clock()) && t.until.Before(x.host.agent.time) && !x.busy[n] && t.released {
			gone = append(gone, n)
			if t.until.After(top) {
				top = t.until
			}
		}
	}
	if len(gone) == 0 || x.purging {
		return
	}
	x.purging = true
	x.w.saw("a tombstone was purged")
	x.write(func() { d.w = top }, func() {
		x.volatileW = top
		x.write(func() {
			for _, n := range gone {
				d.tombs[n] = nil
			}
		}, func() { x.purging = false })
	})
}
