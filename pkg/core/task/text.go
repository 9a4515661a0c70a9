package task

import "strconv"

// stateTable is every state that can be on the wire or on disk, ascending,
// with its text and what it means to a person (architecture section 4).
var stateTable = [...]struct {
	state       State
	text, means string
}{
	{Pending, "PENDING", "recorded, not released"},
	{Dispatched, "DISPATCHED", "released: the scheduler has durably decided to let it go to its host"},
	{Accepted, "ACCEPTED", "on the executor's disk"},
	{Starting, "STARTING", "the attempt's record exists: from here on it may have run"},
	{Running, "RUNNING", "the user's process runs"},
	{Unknown, "UNKNOWN", "no outcome was heard by the settle-by; one that comes later replaces it"},
	{Skipped, "SKIPPED", "never released"},
	{Expired, "EXPIRED", "the start-by passed; certainly not started"},
	{Refused, "REFUSED", "the host would not"},
	{Canceled, "CANCELED", "canceled before it started, or killed on request"},
	{StartFailed, "START_FAILED", "could not be started"},
	{Lost, "LOST", "may have started, and its end cannot be known"},
	{TimedOut, "TIMED_OUT", "killed for its timeout; the whole tree is gone"},
	{Failed, "FAILED", "ended with another exit status than 0, or by a signal that was not ours"},
	{Succeeded, "SUCCEEDED", "ended with exit status 0"},
}

// reasonTable is every reason but NoReason, ascending, with the one state that
// it explains. Texts are the names of ccs.types.v1.Reason in lower case.
var reasonTable = [...]struct {
	reason      Reason
	of          State
	text, means string
}{
	{Silent, Unknown, "silent", "nothing was ever heard of it"},
	{StillRunning, Unknown, "still_running", "the host said that it runs, and no more"},

	{BadSignature, Refused, "signature", "the signature does not verify against the bundle"},
	{BadToken, Refused, "token", "the token is missing, expired, or does not bind the key that signed"},
	{BadTime, Refused, "time", "outside the signed times"},
	{NotTarget, Refused, "not_target", "this host and incarnation are not in the signed target list"},
	{BadRole, Refused, "role", "the role does not allow it"},
	{Frozen, Refused, "freeze", "an operator froze the host"},
	{Malformed, Refused, "malformed", "the bytes are not a capsule that this host can read"},
	{BundleStale, Refused, "bundle_stale", "the bundle of keys is missing or past its expiry"},
	{ParentLives, Refused, "parent_lives", "the task of the job that this one retries still lives on this host"},

	{BeforeStart, Canceled, "before_start", "before it started"},
	{Killed, Canceled, "killed", "killed on request"},

	{NoAccount, StartFailed, "no_account", "no such account"},
	{NoFile, StartFailed, "no_file", "no such file or directory"},
	{NoPermission, StartFailed, "no_permission", "permission denied"},
	{ForkFailed, StartFailed, "fork_failed", "fork failed after back-off: no pids or no memory"},
	{NoResources, StartFailed, "no_resources", "no space or no descriptors for its files"},
	{BadSpec, StartFailed, "bad_spec", "the specification cannot be carried out"},

	{StartByPassed, Expired, "start_by_passed", "the start-by passed"},

	{Rebooted, Lost, "rebooted", "the host was rebooted while it may have run"},
	{SupervisorLost, Lost, "supervisor_lost", "its end-process died and nobody could wait for it"},
	{StateWiped, Lost, "state_wiped", "the host came back with a new incarnation"},
	{Forgotten, Lost, "forgotten", "the host has forgotten it, and the store was restored since"},

	{Aborted, Skipped, "aborted", "the job was aborted by its failure budget"},
	{JobCanceled, Skipped, "job_canceled", "the job was canceled"},
	{DeadlinePassed, Skipped, "deadline_passed", "the job's deadline passed"},
	{NewIncarnation, Skipped, "new_incarnation", "the host has a new incarnation and is no longer the target"},

	{Timeout, TimedOut, "timeout", "the command's timeout passed"},
	{Signaled, Failed, "signaled", "ended by a signal that was not ours"},
}

// States returns every state but Unspecified, ascending; the slice is the
// caller's.
func States() []State {
	all := make([]State, 0, len(stateTable))
	for _, row := range stateTable {
		all = append(all, row.state)
	}
	return all
}

// Reasons returns every reason but NoReason, ascending; the slice is the
// caller's.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasonTable))
	for _, row := range reasonTable {
		all = append(all, row.reason)
	}
	return all
}

// String is the state's name as users see it, such as "START_FAILED".
func (s State) String() string {
	for _, row := range stateTable {
		if row.state == s {
			return row.text
		}
	}
	if s == Unspecified {
		return "UNSPECIFIED"
	}
	return "STATE_" + strconv.Itoa(int(s))
}

// Means says in a few words what the state means; empty if it is not a state.
func (s State) Means() string {
	for _, row := range stateTable {
		if row.state == s {
			return row.means
		}
	}
	return ""
}

// ParseState reads a state's name exactly as String writes it; false if there
// is no such state. UNSPECIFIED is not one: it is never on disk or on the wire.
func ParseState(text string) (State, bool) {
	for _, row := range stateTable {
		if row.text == text {
			return row.state, true
		}
	}
	return Unspecified, false
}

// String is the reason's name as users see it, such as "supervisor_lost";
// empty for NoReason.
func (r Reason) String() string {
	for _, row := range reasonTable {
		if row.reason == r {
			return row.text
		}
	}
	if r == NoReason {
		return ""
	}
	return "reason_" + strconv.Itoa(int(r))
}

// Means says in a few words what the reason means; empty if it is not one.
func (r Reason) Means() string {
	for _, row := range reasonTable {
		if row.reason == r {
			return row.means
		}
	}
	return ""
}

// Of is the one state that the reason explains; Unspecified if there is none.
func (r Reason) Of() State {
	for _, row := range reasonTable {
		if row.reason == r {
			return row.of
		}
	}
	return Unspecified
}

// ParseReason reads a reason's name exactly as String writes it; the empty
// text is NoReason. False if there is no such reason.
func ParseReason(text string) (Reason, bool) {
	for _, row := range reasonTable {
		if row.text == text {
			return row.reason, true
		}
	}
	return NoReason, text == ""
}
