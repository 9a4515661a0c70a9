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
	next      int
	failures  int
	busy      bool      // a try is under way
	at        time.Time // not before then; zero: at once
}

func newDialer(addresses []string) dialer {
	return dialer{addresses: addresses, next: rand.IntN(len(addresses))} //nolint:gosec // spreading needs no secret randomness
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

// failed notes that a try or a session has ended. What the peer asks to wait is
// waited, and a little more, so that not all come back together.
func (d *dialer) failed(now time.Time, retryAfter time.Duration, random float64) {
	d.next = (d.next + 1) % len(d.addresses)
	d.later(now, retryAfter, random)
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
