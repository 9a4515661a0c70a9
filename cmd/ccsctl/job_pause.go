package main

import (
	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobPauseCommand() *cobra.Command {
	var control controlFlags
	cmd := &cobra.Command{
		Use:   "pause JOB",
		Short: "Pause a job: nothing more is started, what runs goes on",
		Long: `Pause a job: nothing more is started until somebody resumes it, and what is
started goes on to its end. It returns as soon as the pause is durable. A job that
is paused already stays so; to pause one that is done, or canceled, changes nothing.`,
		Example: `  ccsctl job pause JOB
  ccsctl job pause JOB --expect-revision 4    # unless somebody else was there before`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobsIn("RUNNING"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := control.name(); err != nil {
				return err
			}
			return a.with(func(ctl *client.Client) error {
				how := client.Pause{RequestID: control.request, ExpectedControlRevision: control.revision}
				job, err := ctl.Pause(cmd.Context(), args[0], how)
				if err != nil {
					return control.fault(cmd.Context(), ctl, args[0], "job pause "+args[0], err)
				}
				if job.State == statePaused {
					a.say("Paused %s\n%s\n", whyPaused(job), whatNow(job))
				} else {
					a.say("Nothing to pause: job %s is %s\n", job.ID, job.State)
				}
				return a.showJob(job)
			})
		},
	}
	control.add(cmd.Flags(), "; 0: any")
	completeRequest(cmd)
	return cmd
}
