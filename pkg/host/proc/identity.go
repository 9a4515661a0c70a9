package proc

import "errors"

// Identity names one process for ever: no two processes of a host share it.
type Identity struct {
	Boot  string // the kernel's boot id
	PID   int    // process id, meaningful in that boot only
	Start uint64 // start time in clock ticks since that boot
}

// IsZero reports whether no process is named.
func (i Identity) IsZero() bool { return i == Identity{} }

// ErrGone says that the process named has ended, or that its pid belongs to
// another process by now.
var ErrGone = errors.New("the process has ended")

// Status is how a process ended: exactly one of the two is meaningful.
type Status struct {
	Code   int32 // exit status 0..255, if Signal is 0
	Signal int32 // signal that ended it, 0 if none did
}
