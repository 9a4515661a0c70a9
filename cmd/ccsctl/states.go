package main

import (
	"fmt"

	"github.com/ccs-project/ccs/pkg/client"
)

// The states of jobs and tasks, in the order in which they are counted.
var (
	jobStates = []string{"RUNNING", statePaused, stateStopping, "DONE", stateQuarantined}
	live      = []string{"PENDING", "DISPATCHED", "ACCEPTED", "STARTING", "RUNNING"}
	atWork    = live[1:] // released and not settled
	outcomes  = []string{
		"SUCCEEDED", "FAILED", "TIMED_OUT", "START_FAILED", "REFUSED", "LOST", "UNKNOWN", "EXPIRED", "CANCELED", "SKIPPED",
	}
	bad = outcomes[1:]
	// canBeBad are the outcomes that a failure budget counts, and a retry means
	// if it names none, but for the two that may have run: LOST and UNKNOWN.
	canBeBad = []string{"FAILED", "TIMED_OUT", "START_FAILED", "REFUSED", "LOST", "UNKNOWN", "EXPIRED"}
)

// stateQuarantined is the one state of a job that a watch does not end by
// itself.
const stateQuarantined = "QUARANTINED"

// quarantined says of a job that is followed that there is nothing to wait for.
func quarantined(j client.Job) string {
	why := "it harmed its scheduler twice"
	if j.Quarantine != "" {
		why = j.Quarantine
	}
	return fmt.Sprintf("job %s is quarantined, so that other jobs go on: %s\nNothing more of it is released or heard until an operator reinstates it (docs/quarantine.md); what runs on hosts goes on.", j.ID, why)
}

// statePaused is of a job that waits until somebody resumes it.
const statePaused = "PAUSED"

// What is wished of what is released.
const (
	wishRun      = "run"
	wishWithdraw = "withdraw"
	wishStop     = "stop"
)

// stateStopping is of a job that releases nothing more, and still has work.
const stateStopping = "STOPPING"
