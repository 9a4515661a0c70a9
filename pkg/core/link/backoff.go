package link

import (
	"math"
	"time"
)

// Backoff says how long to wait before the next try. The zero value has usable
// defaults. Safe for concurrent use: it keeps nothing.
type Backoff struct {
	First time.Duration // before the first repetition; default 200 ms
	Max   time.Duration // never more; default 30 s
}

// Delay is the wait after that many failures in a row, doubling from First up to
// Max, of which the upper half is drawn: random in [0,1) from the caller. Half is
// kept so that nobody comes back at once; half is drawn so that a room that lost
// its aggregator does not come back together. No failure means no wait.
func (b Backoff) Delay(failures int, random float64) time.Duration {
	if failures <= 0 {
		return 0
	}
	first, most := b.First, b.Max
	if first <= 0 {
		first = 200 * time.Millisecond
	}
	if most <= 0 {
		most = 30 * time.Second
	}
	top := min(first, most)
	for i := 1; i < failures && top < most; i++ {
		if top > most/2 {
			top = most
			break
		}
		top *= 2
	}
	half := top / 2
	drawn := min(half, time.Duration(float64(half)*clamp(random))) // a float may round up
	return top - half + drawn
}

// clamp makes a number that nobody should have passed harmless.
func clamp(random float64) float64 {
	if math.IsNaN(random) {
		return 0
	}
	return max(0, min(random, 1))
}
