package agent

import (
	"math/rand/v2"
	"time"

	"github.com/ccs-project/ccs/pkg/core/link"
)

// dialRetry paces sessions, enrolment and reservations that failed.
var dialRetry = link.Backoff{First: 500 * time.Millisecond, Max: 30 * time.Second}

// dialer says when and where the next session is to be tried. It begins
// anywhere, so that a room spreads over its aggregators, and moves on with every
// failure.
type dialer struct {
	addresses []string
	refused   []time.Time // by address: it has asked not to be tried earlier; zero: it has not
	next      int
	failures  int
	busy      bool      // a try is under way
	at        time.Time // not before then; zero: at once
}

func newDialer(addresses []string) dialer {
	return dialer{addresses: addresses, refused: make([]time.Time, len(addresses)), next: rand.IntN(len(addresses))} //nolint:gosec // spreading needs no secret randomness
}

// ready reports whether a try may begin.
func (d *dialer) ready(now time.Time) bool { return !d.busy && !d.at.After(now) }

// take is the address to try now.
func (d *dialer) take() string {
	d.busy, d.at = true, time.Time{}
	return d.addresses[d.next]
}

// lasted notes that a session was good: the next failure is the first.
func (d *dialer) lasted() { d.failures = 0 }

// elsewhere is how long an address may ask to be left alone before another one is
// tried meanwhile. A shorter wait is a place in a queue: who leaves it for another
// queue costs both a handshake.
const elsewhere = 5 * time.Second

// failed notes that a try or a session has ended, and moves on. What the peer asks
// to wait is waited, and a little more, so that not all come back together. To be
// asked is no failure.
func (d *dialer) failed(now time.Time, retryAfter time.Duration, random float64) {
	d.refused[d.next] = time.Time{}
	if retryAfter > 0 {
		d.failures--
		d.refused[d.next] = now.Add(retryAfter + time.Duration(random*float64(retryAfter)/4))
	}
	asked := d.refused[d.next]
	d.later(now, 0, random)
	d.next = d.soonest(now)
	switch open := d.refused[d.next]; {
	case retryAfter > 0 && retryAfter <= elsewhere:
		d.at = asked
	case open.After(d.at):
		d.at = open
	}
}

// soonest is the next address that has not asked to be left alone, or the one
// whose time is over first.
func (d *dialer) soonest(now time.Time) int {
	best := (d.next + 1) % len(d.addresses)
	for i := range d.addresses {
		at := (d.next + 1 + i) % len(d.addresses)
		if d.refused[best].After(now) && d.refused[at].Before(d.refused[best]) {
			best = at
		}
	}
	return best
}

// later puts the next try off, at the same place.
func (d *dialer) later(now time.Time, retryAfter time.Duration, random float64) {
	d.busy = false
	d.failures++
	wait := dialRetry.Delay(d.failures, random)
	if retryAfter > 0 {
		wait = retryAfter + time.Duration(random*float64(retryAfter)/4)
	}
	d.at = now.Add(wait)
}
