package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobCancelCommand() *cobra.Command {
	var how client.Cancel
	cmd := &cobra.Command{
		Use:   "cancel JOB",
		Short: "Stop a job: what is not released is skipped, what runs is killed",
		Long: `Stop a job. Targets that are not released are skipped. A command that runs gets
TERM and after its grace KILL, with its whole tree; a host that is away hears of
it when it is back. It returns as soon as the wish is durable; see how it goes
with: ccsctl job watch JOB`,
		Example: `  ccsctl job cancel JOB
  ccsctl job cancel JOB --keep-running
  ccsctl job cancel JOB --expect-revision 1    # unless somebody else was there before`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				job, err := ctl.Cancel(cmd.Context(), args[0], how)
				if err != nil && statusOf(err) == exitUnknown {
					return &exit{exitUnknown, fmt.Sprintf("it is not known whether job %s was told to stop: %v\nLook with: ccsctl job get %s; or say it again, which does no harm", args[0], err, args[0])}
				}
				if err != nil {
					return hint(err, seeJobs)
				}
				return a.showJob(job)
			})
		},
	}
	cmd.Flags().BoolVar(&how.KeepRunning, "keep-running", false, "only skip what is not released; what runs goes on")
	cmd.Flags().Uint64Var(&how.ExpectedControlRevision, "expect-revision", 0, "refuse if the control revision is another `N` by now; 0: any")
	return cmd
}
