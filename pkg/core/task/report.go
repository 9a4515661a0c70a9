package task

import "cmp"

// Live reports whether the task is recorded and not settled.
func (s State) Live() bool { return s > Unspecified && s < Unknown }

// Bad reports whether the state counts against a failure budget by default:
// every settled state but SUCCEEDED, CANCELED and SKIPPED (architecture
// section 5, promise 3). UNKNOWN is bad: not having heard is not success.
func (s State) Bad() bool {
	return s.Settled() && s != Succeeded && s != Canceled && s != Skipped
}

// Valid reports whether the report can be said at all: a known state, an
// attempt from 1, an exit only with a settled state, a reason only of that
// state, an exit status in 0..255 and a signal in 0..64. Edges ask it of
// whatever comes in.
func (r Report) Valid() bool {
	switch {
	case r.Attempt == 0 || r.State.Means() == "":
		return false
	case r.State.Live():
		return r.Exit == Exit{}
	case r.Exit.Reason != NoReason && r.Exit.Reason.Of() != r.State:
		return false
	case r.State == Succeeded && r.Exit != Exit{}:
		return false
	}
	return r.Exit.Code >= 0 && r.Exit.Code <= 255 && r.Exit.Signal >= 0 && r.Exit.Signal <= 64
}

// Compare is a total order over reports: attempt, state, then the exit, so
// that two observers who saw the same reports in any order agree.
func Compare(a, b Report) int {
	return cmp.Or(
		cmp.Compare(a.Attempt, b.Attempt),
		cmp.Compare(a.State, b.State),
		cmp.Compare(a.Exit.Reason, b.Exit.Reason),
		cmp.Compare(a.Exit.Code, b.Exit.Code),
		cmp.Compare(a.Exit.Signal, b.Exit.Signal),
	)
}

// Join merges two observations of one task: the greater one. It is
// commutative, associative and idempotent, so lost, repeated, delayed and
// reordered reports are harmless.
//
// Reports are of attempts, and the outcome of a task is not always that of its
// greatest one: an attempt above the first that was not started (EXPIRED,
// REFUSED, START_FAILED, CANCELED before start) leaves the task with the LOST of
// the attempt before it. That is the scheduler's to say, not Join's (core/job).
//
// A LOST that the scheduler only inferred (state_wiped, forgotten) gives way
// to TIMED_OUT, FAILED and SUCCEEDED, which the old incarnation may have sent
// before it was wiped. It does not give way to EXPIRED, REFUSED, CANCELED and
// START_FAILED: a new incarnation says those in good faith of a task that the
// one before it ran. "May have started" is never false; "did not start" may be.
func Join(a, b Report) Report {
	if Compare(a, b) >= 0 {
		return a
	}
	return b
}

// Conflict reports whether a host said two different outcomes of one attempt:
// it ran twice, or a record lied. Callers count it and alert; they never
// repair it, and Join still decides alike everywhere.
//
// What the scheduler says by itself is opinion and conflicts with nothing:
// UNKNOWN (it only stopped waiting), LOST by state_wiped or forgotten (it
// inferred), SKIPPED (a host that speaks of an unreleased task is another
// fault, seen by who holds the releases). CANCELED and EXPIRED may be either's
// and count as the host's: beside a different outcome of a host they are wrong
// whoever said them.
func Conflict(a, b Report) bool {
	return a.Attempt == b.Attempt && hostSaid(a) && hostSaid(b) && a != b
}

// hostSaid reports whether the report is an outcome that only a host can know.
func hostSaid(r Report) bool {
	if !r.State.Final() || r.State == Skipped {
		return false
	}
	return r.State != Lost || (r.Exit.Reason != StateWiped && r.Exit.Reason != Forgotten)
}

// Rerun is the start of the next attempt after one that was lost: DISPATCHED
// again, one attempt up. False if there may be none: only a LOST that is the
// host's own word (rebooted, supervisor_lost) may be followed by another start;
// after state_wiped or forgotten nobody knows what the host did. The scheduler
// asks before it releases again, the host before it accepts. How many attempts
// and until when is the command's signed recovery, not asked here.
func Rerun(last Report) (Report, bool) {
	if !bug("rerun without LOST") && (last.State != Lost || (last.Exit.Reason != Rebooted && last.Exit.Reason != SupervisorLost)) {
		return Report{}, false
	}
	if last.Attempt == 0 || last.Attempt+1 == 0 {
		return Report{}, false
	}
	return Report{Attempt: last.Attempt + 1, State: Dispatched}, true
}
