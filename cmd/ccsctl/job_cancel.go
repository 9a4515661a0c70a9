package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobCancelCommand() *cobra.Command {
	var control controlFlags
	var keep bool
	cmd := &cobra.Command{
		Use:   "cancel JOB",
		Short: "Stop a job: what is not released is skipped, what runs is killed",
		Long: `Stop a job. Targets that are not released are skipped. What is released and has
not started does not start. A command that runs gets TERM and after its grace
KILL, with its whole tree; with --keep-running it goes on to its own end. A host
that is away hears of it when it is back: until then it may still start what it
has. It returns as soon as the wish is durable; see how it goes with: ccsctl job
watch JOB`,
		Example: `  ccsctl job cancel JOB
  ccsctl job cancel JOB --keep-running
  ccsctl job cancel JOB --expect-revision 1    # unless somebody else was there before`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := control.name(); err != nil {
				return err
			}
			return a.with(func(ctl *client.Client) error {
				how := client.Cancel{RequestID: control.request, ExpectedControlRevision: control.revision, KeepRunning: keep}
				job, err := ctl.Cancel(cmd.Context(), args[0], how)
				if err != nil {
					verb := "job cancel " + args[0]
					if keep {
						verb += " --keep-running"
					}
					return control.fault(cmd.Context(), ctl, args[0], verb, err)
				}
				a.say("%s\n", canceledText(job, keep))
				return a.showJob(job)
			})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep-running", false, "what has started goes on; what has not does not start")
	control.add(cmd.Flags(), "; 0: any")
	completeRequest(cmd)
	return cmd
}

// canceledText says what a cancel means to what is at work.
func canceledText(j client.Job, keep bool) string {
	switch {
	case j.Done() && j.Counts["SKIPPED"] > 0:
		return fmt.Sprintf("Job %s is DONE: %s skipped, nothing is at work", j.ID, plural(j.Counts["SKIPPED"], "host"))
	case j.Done():
		return fmt.Sprintf("Nothing to cancel: job %s is DONE", j.ID)
	case j.InFlight == 0:
		return "Canceled: nothing more is started, and nothing is at work"
	case keep:
		return fmt.Sprintf("Canceled: nothing more is started; what has started on %s goes on to its end. See how it goes with: ccsctl job watch %s",
			plural(j.InFlight, "host"), j.ID)
	}
	return fmt.Sprintf("Canceled: nothing more is started; %s at work must end. See how it goes with: ccsctl job watch %s", plural(j.InFlight, "host"), j.ID)
}
