package aggregator

import (
	"math/rand/v2"
	"time"
)

// Waits that a host is told.
const (
	leastMove   = 10 * time.Millisecond
	leastRetry  = 500 * time.Millisecond
	mostRetry   = 30 * time.Second
	atShutdown  = 2 * time.Second
	atCapacity  = 20 * time.Second
	admitBursts = 1 // seconds' worth of sessions that may come at once
)

// admission lets in a bounded number of sessions a second, and tells the others
// when to come: spread over the time that all of them need. Its owner guards it.
type admission struct {
	every time.Duration // one session's share of a second
	burst time.Duration
	paid  time.Time // up to when admitted sessions have used the rate
	told  time.Time // up to when refused ones have been promised it
}

func newAdmission(perSecond int) admission {
	return admission{every: time.Second / time.Duration(perSecond), burst: admitBursts * time.Second}
}

// admit takes one session, or says how long it has to wait.
func (a *admission) admit(now time.Time) (wait time.Duration) {
	if a.paid.Before(now.Add(-a.burst)) {
		a.paid = now.Add(-a.burst)
	}
	if next := a.paid.Add(a.every); !next.After(now) {
		a.paid = next
		return 0
	}
	if a.told.Before(now) {
		a.told = now
	}
	a.told = a.told.Add(a.every)
	return spread(min(a.told.Sub(now)+leastRetry, mostRetry))
}

// move is how long one of n hosts waits that this aggregator sends away: they are
// spread over the time that another one needs to let all of them in, if it is
// like this one. A few are there at once, so that nobody notices.
func (a *admission) move(n int) time.Duration {
	return leastMove + rand.N(time.Duration(n)*a.every+1) //nolint:gosec // jitter needs no secret randomness
}

// spread draws from the upper half of a wait, so that nobody comes together.
func spread(wait time.Duration) time.Duration {
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // jitter needs no secret randomness
}
