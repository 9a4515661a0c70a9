package sim

import "math/bits"

// Tally counts what has happened, by name, to show that the runs reach what they
// are for. Faults have the names of their kinds.
type Tally map[string]int

// saw counts something that has happened.
func (w *world) saw(what string) { w.tally[what]++ }

// sawIf counts it if it has.
func (w *world) sawIf(has bool, what string) {
	if has {
		w.tally[what]++
	}
}

// struck counts a fault.
func (w *world) struck(f Fault) { w.tally[faultNames[bits.TrailingZeros32(uint32(f))]]++ }

// Add adds what another run has counted.
func (t Tally) Add(o Tally) {
	for what, n := range o {
		t[what] += n
	}
}
