package main

import (
	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobWatchCommand() *cobra.Command {
	var detachOnPause bool
	cmd := &cobra.Command{
		Use:   "watch JOB",
		Short: "Follow a job to its end and show its results, as run does",
		Long: `Follow a job to its end and show its results, as run does. Of a job that is done
it shows the results at once. Ctrl-C stops watching and leaves the job alone.

When the job pauses it says why and what to type next, and goes on waiting, on a
terminal or not, until somebody resumes or cancels it.`,
		Example: `  ccsctl job watch JOB
  ccsctl job watch JOB --detach-on-pause
  ccsctl job watch JOB -o json | jq .job.counts`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				return hint(a.follow(cmd.Context(), ctl, args[0], following{detachOnPause: detachOnPause}), seeJobs)
			})
		},
	}
	addDetachOnPause(cmd.Flags(), &detachOnPause)
	return cmd
}
