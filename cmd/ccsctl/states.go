package main

// The states of jobs and tasks, in the order in which they are counted.
var (
	jobStates = []string{"RUNNING", "PAUSED", "STOPPING", "DONE", stateQuarantined}
	live      = []string{"PENDING", "DISPATCHED", "ACCEPTED", "STARTING", "RUNNING"}
	outcomes  = []string{
		"SUCCEEDED", "FAILED", "TIMED_OUT", "START_FAILED", "REFUSED", "LOST", "UNKNOWN", "EXPIRED", "CANCELED", "SKIPPED",
	}
	bad = outcomes[1:]
)

// stateQuarantined is the one state of a job that a watch does not end by
// itself.
const stateQuarantined = "QUARANTINED"
