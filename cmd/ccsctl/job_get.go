package main

import (
	"fmt"
	"slices"
	"time"

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
				return a.showJobSince(job, pausedSince(cmd.Context(), ctl, job))
			})
		},
	}
}

// showJob prints all there is of a job.
func (a *app) showJob(j client.Job) error { return a.showJobSince(j, time.Time{}) }

// showJobSince prints a job, and since when it is paused; zero: not known.
func (a *app) showJobSince(j client.Job, paused time.Time) error {
	if a.isDocument() {
		doc := a.jobDocument(j)
		doc.PausedSince = a.when(paused)
		return a.encode(doc)
	}
	took := ""
	if !j.DoneAt.IsZero() {
		took = span(j.DoneAt.Sub(j.CreatedAt))
	}
	pairs := []string{
		"Job", j.ID,
		"State", stateText(j),
		"Paused since", a.stamp(paused),
		"Command", j.Command,
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

// stateText is the state, and why a job is paused.
func stateText(j client.Job) string {
	if why := whyPaused(j); why != "" {
		return j.State + " " + why
	}
	return j.State
}

// releasedText is how many hosts a job has gone to; empty where that is all.
func releasedText(j client.Job) string {
	if j.Released == j.Targets || j.Done() {
		return ""
	}
	return fmt.Sprintf("%d/%d", j.Released, j.Targets)
}
