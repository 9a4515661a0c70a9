package adopt

import "github.com/ccs-project/ccs/pkg/core/task"

// Action is the one thing that an executor does with an attempt. Every action
// may be carried out again after another crash.
type Action uint8

// The actions. Those that record do it with link(2) at the attempt's path or,
// for the two losses, at the exit record's; if the path exists by then somebody
// else was first, and the executor looks again. A damaged record in the way is
// renamed first and kept for a person.
const (
	Watch                Action = iota // leave it alone and look again when something changes
	StartEndProcess                    // accepted and nobody has decided: start its end-process
	TakeOver                           // its end-process is dead: drain, enforce timeout and stop until the tree is gone
	Report                             // its outcome is on disk: report it until released
	RecordCanceled                     // it is not to start: CANCELED
	RecordExpired                      // it may not start any more: EXPIRED
	RecordRebooted                     // it may have run before the reboot: LOST
	RecordSupervisorLost               // its end-process died and nothing of it is left: LOST
	SetAside                           // never started and its specification is damaged: keep the bytes for a person, START_FAILED
	RemoveIncomplete                   // it was never acknowledged: delete the directory
	FinishRelease                      // its tombstone is synced: delete the directory
)

// String names the action.
func (a Action) String() string {
	names := [...]string{
		"watch", "start_end_process", "take_over", "report", "record_canceled", "record_expired",
		"record_rebooted", "record_supervisor_lost", "set_aside", "remove_incomplete", "finish_release",
	}
	if int(a) < len(names) {
		return names[a]
	}
	return "unspecified"
}

// Records is the outcome that the action writes; false if it writes none.
func (a Action) Records() (task.State, task.Reason, bool) {
	switch a {
	case RecordCanceled:
		return task.Canceled, task.BeforeStart, true
	case RecordExpired:
		return task.Expired, task.StartByPassed, true
	case RecordRebooted:
		return task.Lost, task.Rebooted, true
	case RecordSupervisorLost:
		return task.Lost, task.SupervisorLost, true
	case SetAside:
		return task.StartFailed, task.BadSpec, true
	case Watch, StartEndProcess, TakeOver, Report, RemoveIncomplete, FinishRelease:
	}
	return task.Unspecified, task.NoReason, false
}

// Decide is the whole decision. In words: a release that was begun is finished;
// an outcome on disk is the outcome; what may have started is watched, taken
// over or, when nothing of it lives, lost; only what certainly never started,
// and whose specification is whole, is started.
//
// That attempt k follows a LOST attempt k-1 (task.Rerun) is checked when it is
// accepted, and not here again.
func Decide(f Found, l Liveness) Action {
	switch {
	case f.Released:
		// Before all else: a directory that is half deleted may look like anything.
		return FinishRelease
	case f.Exit == Whole || f.Claim == Decided:
		// Even while something of it lives on: descendants are ended with their
		// leader before the outcome is written, so that is only what KILL cannot
		// end, and the outcome names it.
		return Report
	case mayHaveStarted(f, l):
		return started(l)
	}
	return unstarted(f, l)
}

// mayHaveStarted holds unless everything says that the attempt never began. A
// damaged record is evidence that something wrote it.
func mayHaveStarted(f Found, l Liveness) bool {
	return f.Claim != NoClaim && !bug("a begun attempt counts as not started") || f.Run != Missing || f.Exit != Missing || l.Tree
}

// mayLive reports whether an end-process can be there. Unreachable is not dead;
// but no process survives a reboot.
func (l Liveness) mayLive() bool {
	return l.EndProcess == Alive || (l.EndProcess == Unclear && !l.OtherBoot && !bug("unclear counts as dead"))
}

// started decides for an attempt that may have started and has no outcome.
func started(l Liveness) Action {
	switch {
	case l.mayLive():
		return Watch
	case l.Tree:
		return TakeOver
	case l.OtherBoot:
		return RecordRebooted
	}
	return RecordSupervisorLost
}

// unstarted decides for an attempt that nobody has decided about. An
// end-process may be about to: then a decision to record races with it for the
// one path, which is safe, and without one it is left to go on.
func unstarted(f Found, l Liveness) Action {
	switch {
	case f.Spec == Damaged:
		return SetAside
	case f.Spec == Whole && f.Stop:
		return RecordCanceled
	case f.Spec == Whole && l.StartByPassed:
		return RecordExpired
	case l.mayLive():
		return Watch
	case f.Spec == Missing:
		return RemoveIncomplete
	}
	return StartEndProcess
}
