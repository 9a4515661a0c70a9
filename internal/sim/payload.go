package sim

import "time"

// A payload is what all releases of a job have in common: the capsule and the
// targets. An aggregator gets it with the first release on a stream. A capsule
// that is large is not in the command: its agent fetches it.

// evict forgets payloads for which there is no room.
func (g *agg) evict() {
	for n := range g.payloads {
		g.payloads[n] = g.payloads[n] && !g.w.chance(ofNet, 200)
	}
}

// lacksCapsule reports whether an attempt was asked for by the name of its capsule
// alone, and nothing is known of it yet.
func (e *entry) lacksCapsule() bool {
	return e.asked != nil && e.plan.large && !e.asked.whole && e.asked.attempt > e.seen.Attempt
}

// fetched goes on with the capsule. Without one the command is as if it had never
// come, and its owner asks for it when it misses the answer.
func (a *agent) fetched(e *entry, has bool) {
	switch {
	case has:
		a.w.saw("a capsule was fetched")
		if e.asked != nil {
			e.asked.whole = true
			a.host.disk.copies[e.plan.n] = e.asked
		}
		a.drive(e)
	default:
		a.w.saw("an aggregator did not have a capsule")
		a.handed(e)
		if e.seen.Attempt == 0 {
			a.drop(e)
		}
	}
}

// fetch gets the capsule from the aggregator of the session. Without one, or if
// that does not have it, it is tried again.
func (a *agent) fetch(e *entry) {
	e.busy = true
	again := func() {
		a.after(a.w.span(ofHost, 200*time.Millisecond, 2*time.Second), func() {
			e.busy = false
			if a.entries[e.plan.n] == e {
				a.drive(e)
			}
		})
	}
	if a.stream == nil || !a.welcomed {
		again()
		return
	}
	g := a.w.aggOf(a.stream)
	a.w.call(&a.proc, &g.proc, 3*time.Second, func(reply func(func())) {
		has := g.payloads[e.plan.n]
		reply(func() {
			if e.busy = false; a.entries[e.plan.n] == e {
				a.fetched(e, has)
			}
		})
	}, again)
}
