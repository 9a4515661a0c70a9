package limits

import "slices"

// Full is what happens when a limit is reached. Nothing in the set loses what
// was accepted (architecture, promise 8).
type Full string

// The answers.
const (
	// Refused at the door: with an error that says what to do.
	Refused Full = "refused"
	// Waits is back-pressure: who brings more waits.
	Waits Full = "waits"
	// Parts: what is above comes in the next message, page or round.
	Parts Full = "in parts"
	// Ended: the call, stream or session is; what was accepted is taken up again
	// by the next one.
	Ended Full = "ended"
	// Renewed: what is dropped is a copy, and is asked for again.
	Renewed Full = "renewed"
	// Removed: what is done, and was kept to be looked at, goes, the oldest first.
	Removed Full = "removed"
	// Cut: what is only shown to people is shortened.
	Cut Full = "cut"
	// Held is a limit of the configuration's own values: others are faults.
	Held Full = "a fault"
)

// Limit is one row.
type Limit struct {
	At   string // the package below pkg; or a directory below the root that begins with cmd
	Name string // a constant; or a key of the configuration, such as trace.per_second
	Unit string // bytes are written with their binary unit; empty: a time
	Of   string // what it bounds
	Full Full
	How  string // more exactly, a part of a sentence; may be empty
	Test string // that fills it: a name, after its package and a dot if that is another one
}

// Table is all rows, in the order of the page.
func Table() []Limit {
	return slices.Concat(accessLimits(), schedulerLimits(), meshLimits(), aggregatorLimits(), hostLimits(), issuerLimits(), inputLimits(), processLimits())
}

// Exempt is a number that bounds nothing that fills.
type Exempt struct {
	At, Name string
	Why      string
}
