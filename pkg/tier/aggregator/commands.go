package aggregator

import (
	"slices"

	"github.com/ccs-project/ccs/pkg/core/task"
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

// send puts a release on its way, or once more. What is to be withdrawn does not
// go to a host that would overlook that.
func (r *record) send() {
	if !r.queued {
		r.queued = true
		r.host.queued++
	}
	if !r.host.session.knows(r.want) {
		r.dirty = false
		return
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

// tell lets the host know what is wanted of the task. A release that is on its
// way carries the wish itself. To stop outranks to withdraw.
func (r *record) tell(want task.Desired) {
	r.changed()
	if r.queued {
		r.want = max(r.want, want)
		r.send()
		return
	}
	r.wish = max(r.wish, want)
	if !r.wishSet {
		r.wishSet = true
		r.host.wishes = append(r.host.wishes, r)
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

// wishDue reports whether a wish is to be sent.
func (ho *host) wishDue() bool {
	for len(ho.wishes) > 0 {
		if r := ho.wishes[0]; r.wish != 0 && ho.session.knows(r.wish) {
			return true
		}
		ho.wishes[0].wishSet = false
		ho.wishes = ho.wishes[1:]
	}
	ho.wishes = nil
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
				r.wish = 0
				r.tidy()
				continue
			}
			if r.isLive() {
				ho.live.n++
			}
			if r.queued {
				r.send()
			}
			if r.wish != 0 {
				r.tell(r.wish)
			}
			if r.ended() && !planted.Bug("outcomes are not said again") {
				r.route()
			}
		}
	}
}
