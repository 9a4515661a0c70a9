package main

import (
	"fmt"
	"strings"

	"github.com/ccs-project/ccs/pkg/client"
)

// Why a job is paused.
const (
	pausedByUser   = "user"
	pausedAtPoint  = "point"
	pausedByBudget = "budget"
)

// whyPaused is such as "at a pause point, after 3 hosts"; empty of a job that is
// not paused.
func whyPaused(j client.Job) string {
	switch {
	case j.State != statePaused:
		return ""
	case j.PauseCause == pausedByUser:
		return "by a user"
	case j.PauseCause == pausedByBudget:
		return fmt.Sprintf("by its failure budget, at %s with %d tolerated", plural(j.Bad, "bad outcome"), j.Tolerates)
	case j.PauseCause == pausedAtPoint && pointReached(j):
		return fmt.Sprintf("at a pause point, after %s", plural(j.Released, "host"))
	case j.PauseCause == pausedAtPoint:
		return fmt.Sprintf("at a pause point, after batch %d", j.Batch)
	}
	return j.PauseCause // of a later version
}

// pointReached reports whether it is a pause point after a number of hosts that
// a job stands at, and not one after a batch.
func pointReached(j client.Job) bool {
	return j.NextPauseAfter > 0 && j.Released >= j.NextPauseAfter && j.InFlight == 0
}

// badOf is such as "2, 1 tolerated"; empty without a budget.
func badOf(j client.Job) string {
	if j.MaxFailures == nil {
		return ""
	}
	return fmt.Sprintf("%d, %d tolerated", j.Bad, j.Tolerates)
}

// nextPause is such as "after 3 hosts or after batch 2": the points that are
// ahead, whichever comes first. Of a job that stands at one it is those after it,
// to which job resume goes if nothing else is said.
func nextPause(j client.Job) string {
	if j.State != "RUNNING" && j.State != statePaused {
		return ""
	}
	hosts, batch := j.NextPauseAfter, j.NextPauseAfterBatch
	if j.PauseCause == pausedAtPoint {
		if pointReached(j) {
			hosts = beyond(j.PauseAfter, j.Released)
		}
		if batch > 0 && j.Batch >= batch {
			batch = beyond(j.PauseAfterBatches, j.Batch)
		}
	}
	var ahead []string
	if hosts > 0 && hosts < j.Targets && (hosts > j.Released || j.InFlight > 0) {
		ahead = append(ahead, "after "+plural(hosts, "host"))
	}
	if batch > 0 && batch < j.Batches {
		ahead = append(ahead, fmt.Sprintf("after batch %d", batch))
	}
	return strings.Join(ahead, " or ")
}

// beyond is the first of ascending points after n; 0: there is none.
func beyond(points []uint32, n int) int {
	for _, p := range points {
		if int(p) > n {
			return int(p)
		}
	}
	return 0
}

// whatNow are the commands that may follow on a pause. The revision is that of
// what is shown: whoever was quicker is not overruled.
func whatNow(j client.Job) string {
	look := "ccsctl job summary " + j.ID
	if j.PauseCause == pausedByBudget {
		look = "ccsctl task list " + j.ID + " --failed"
	}
	how := "    # no pause point is ahead"
	if next := nextPause(j); next != "" {
		how = "    # it pauses again " + next
	}
	return fmt.Sprintf("  look:   %s\n  go on:  ccsctl job resume %s --expect-revision %d%s\n  stop:   ccsctl job cancel %s", look, j.ID, j.ControlRevision, how, j.ID)
}

// notice says when a job has paused, and when it goes on.
func (f *follower) notice() error {
	j, paused := f.job, f.job.State == statePaused
	if !paused && f.paused == 0 || paused && f.paused == j.ControlRevision {
		return nil
	}
	switch {
	case paused && f.detachOnPause:
		return &exit{exitUnknown, fmt.Sprintf("detached: job %s is paused %s, and stays so until somebody resumes it\n%s", j.ID, whyPaused(j), whatNow(j))}
	case paused:
		f.paused = j.ControlRevision
		f.progress.end()
		f.app.say("Paused %s: %s\n%s\nWaiting until then; Ctrl-C only stops watching.\n", whyPaused(j), countsLine(j), whatNow(j))
	default:
		f.paused = 0
		f.progress.end()
		if j.State == "RUNNING" {
			f.app.say("Resumed%s\n", goesOn(j))
		}
	}
	return nil
}

// goesOn says how far a job goes that has been resumed.
func goesOn(j client.Job) string {
	if next := nextPause(j); next != "" {
		return "; it pauses again " + next
	}
	return "; no pause point is ahead"
}
