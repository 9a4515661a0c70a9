package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobGetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get JOB",
		Short: "Show one job",
		Example: `  ccsctl job get JOB
  ccsctl job get JOB -o json | jq .counts`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				job, err := ctl.Job(cmd.Context(), args[0])
				if err != nil {
					return hint(err, seeJobs)
				}
				return a.showJob(job)
			})
		},
	}
}

// showJob prints all there is of a job.
func (a *app) showJob(j client.Job) error {
	if a.isDocument() {
		return a.encode(a.jobDocument(j))
	}
	took := ""
	if !j.DoneAt.IsZero() {
		took = span(j.DoneAt.Sub(j.CreatedAt))
	}
	pairs := []string{
		"Job", j.ID,
		"State", stateText(j),
		"Set aside", j.Quarantine,
		"Paused since", a.stamp(j.PausedAt),
		"Command", j.Command,
		"Settings", j.Settings,
		"Selector", j.Selector,
		"Note", j.Note,
		"Retry of", j.ParentID,
		"Submitter", j.Submitter,
		"Account", j.Account,
		"Class", fmt.Sprintf("%s (pool %s)", j.Class, j.Pool),
		"Targets", countsLine(j),
		"Released", releasedText(j),
		"Batch", batchText(j),
		"Next pause", nextPause(j),
		"Bad outcomes", badOf(j),
		"Plan", planOf(j),
		"Created", a.stamp(j.CreatedAt),
		"Start by", a.stamp(j.StartBy),
		"Deadline", a.stamp(j.Deadline),
		"Done", a.stamp(j.DoneAt),
		"Took", took,
		"Control revision", fmt.Sprint(j.ControlRevision),
	}
	if a.isWide() {
		pairs = append(pairs, "Revision", fmt.Sprint(j.Revision), "In flight", fmt.Sprint(j.InFlight))
		for _, state := range slices.Concat(live, outcomes) {
			if n := j.Counts[state]; n > 0 {
				pairs = append(pairs, state, fmt.Sprint(n))
			}
		}
	}
	return a.fields(pairs...)
}

// stateText is the state, why a job is paused, and what becomes of what runs when
// it is stopped.
func stateText(j client.Job) string {
	if why := whyPaused(j); why != "" {
		return j.State + " " + why
	}
	if rest := whatRuns(j); rest != "" {
		return j.State + ": " + rest
	}
	return j.State
}

// whatRuns says what becomes of what runs when a job is stopped; empty of a job
// that is not, or of which that is not known.
func whatRuns(j client.Job) string {
	switch {
	case j.State != stateStopping:
		return ""
	case j.Wish == wishStop:
		return "what runs is killed"
	case j.Wish == wishWithdraw:
		return "what has started goes on, the rest does not start"
	case j.Wish == wishRun:
		return "what is released goes on"
	}
	return ""
}

// releasedText is how many hosts a job has gone to; empty where that is all.
func releasedText(j client.Job) string {
	if j.Released == j.Targets || j.Done() {
		return ""
	}
	return fmt.Sprintf("%d/%d", j.Released, j.Targets)
}
