package main

import (
	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobCancelCommand() *cobra.Command {
	var how client.Cancel
	cmd := &cobra.Command{
		Use:   "cancel JOB",
		Short: "Stop a job: what is not released is skipped, what runs is killed",
		Args:  one("a job id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				job, err := ctl.Cancel(cmd.Context(), args[0], how)
				if err != nil {
					return err
				}
				return a.showJob(job)
			})
		},
	}
	cmd.Flags().BoolVar(&how.KeepRunning, "keep-running", false, "only skip what is not released; what runs goes on")
	cmd.Flags().Uint64Var(&how.ExpectedControlRevision, "expect-revision", 0, "refuse if the control revision is another `N` by now; 0: any")
	return cmd
}
