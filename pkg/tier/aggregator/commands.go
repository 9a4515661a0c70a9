package aggregator

import (
	"slices"

	"github.com/ccs-project/ccs/pkg/run/planted"
)

// mostLeftOver is how many entries that are no longer wanted a queue may have
// beyond those that are.
const mostLeftOver = 64

// commandQueue is the releases of one class for one host that are to be sent, in
// the order in which they became so. Entries that are no longer wanted are
// passed over. The outbox of core/link is not used on this hop: what is sent is
// bounded by bytes as well as by number, so the next one has to be looked at
// before it is taken.
type commandQueue struct {
	class string
	dirty []*record
}

// head is the next release to be sent; nil: there is none.
func (q *commandQueue) head() *record {
	for len(q.dirty) > 0 {
		if r := q.dirty[0]; r.dirty {
			return r
		}
		q.pop()
	}
	return nil
}

func (q *commandQueue) pop() {
	q.dirty[0] = nil
	if q.dirty = q.dirty[1:]; len(q.dirty) == 0 {
		q.dirty = nil
	}
}

// send puts a release on its way, or once more.
func (r *record) send() {
	if !r.queued {
		r.queued = true
		r.host.queued++
	}
	if r.dirty {
		return
	}
	r.dirty = true
	q := r.host.class(r.job.class)
	if len(q.dirty) > 2*r.host.queued+mostLeftOver { // a host without credit, whose releases come and go
		q.dirty = slices.DeleteFunc(q.dirty, func(old *record) bool { return !old.dirty || old == r })
	}
	q.dirty = append(q.dirty, r)
}

// wishStop lets the host know that the task is to end. A release that is on its
// way carries the wish itself.
func (r *record) wishStop() {
	r.changed()
	if r.queued {
		r.stop = true
		r.send()
		return
	}
	r.stopping = true
	if !r.stopSet {
		r.stopSet = true
		r.host.stops = append(r.host.stops, r)
	}
}

func (ho *host) class(name string) *commandQueue {
	for _, q := range ho.classes {
		if q.class == name {
			return q
		}
	}
	q := &commandQueue{class: name}
	ho.classes = append(ho.classes, q)
	return q
}

// sendable is the next release that may be sent, in turn by class, within the
// window that the host has given; nil: there is none.
func (ho *host) sendable() (*commandQueue, *record) {
	for range ho.classes {
		q := ho.classes[ho.next%len(ho.classes)]
		if r := q.head(); r != nil && ho.session.down.free(q.class) > 0 {
			return q, r
		}
		ho.next++
	}
	return nil, nil
}

// stopDue reports whether a stop is to be sent.
func (ho *host) stopDue() bool {
	for len(ho.stops) > 0 {
		if r := ho.stops[0]; r.stopping {
			return true
		}
		ho.stops[0].stopSet = false
		ho.stops = ho.stops[1:]
	}
	ho.stops = nil
	return false
}

// reopen makes everything that the host has not answered due again: a new
// session has begun, and what the one before has taken over may be lost.
// Outcomes, and that one is past W, go up again: their Forget may have been made
// while the host was away, and then it has come to nothing.
func (ho *host) reopen() {
	ho.forgets.reopen()
	ho.live.fresh = false
	ho.live.n = 0
	for _, first := range ho.tasks {
		for r := first; r != nil; r = r.next {
			if !ho.here(r.inc) { // what was for it is for nobody now
				r.answered()
				r.stopping = false
				r.tidy()
				continue
			}
			if r.isLive() {
				ho.live.n++
			}
			if r.queued {
				r.send()
			}
			if r.stopping {
				r.wishStop()
			}
			if r.ended() && !planted.Bug("outcomes are not said again") {
				r.route()
			}
		}
	}
}
