package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

const resumeText = `Let a paused job go on: to the pause point that comes next, by a number of hosts, or
to its end.

Without any of the three it goes to the next pause point, and to the end if there
is none: so it never passes a point that you have asked for and not come to yet.
By a number of hosts, it pauses when so many more are done, or at a batch's pause
point before that. --to-end passes all pause points.

The failure budget stays in force. Of a job that it has paused, the bad outcomes so
far count no more: the whole budget is there again.

Two people who resume one pause resume it once: the request is refused if the
control revision of the job is not the one expected. Give the one that you have
seen with --expect-revision; without it, it is the one that ccsctl has just read.`

// resumeFlags say how far a job goes.
type resumeFlags struct {
	controlFlags
	next, toEnd bool
	by          uint32
}

func (a *app) jobResumeCommand() *cobra.Command {
	var how resumeFlags
	cmd := &cobra.Command{
		Use:   "resume JOB [--next | --by N | --to-end]",
		Short: "Let a paused job go on, to the next pause point or further",
		Long:  resumeText,
		Example: `  ccsctl job resume JOB --expect-revision 4
  ccsctl job resume JOB --by 10
  ccsctl job resume JOB --to-end`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobsIn(statePaused),
		RunE: func(cmd *cobra.Command, args []string) error {
			by := cmd.Flags().Changed("by")
			switch {
			case how.next && how.toEnd || by && (how.next || how.toEnd):
				return usagef("a job goes to the next pause point, by a number of hosts, or to its end: give one of --next, --by and --to-end")
			case by && how.by == 0:
				return usagef("--by 0 would let it stay where it is: give a number of hosts from 1")
			}
			if err := how.name(); err != nil {
				return err
			}
			return a.with(func(ctl *client.Client) error { return a.resume(cmd.Context(), ctl, args[0], how) })
		},
	}
	cmd.Flags().BoolVar(&how.next, "next", false, "to the pause point that comes next; the default")
	cmd.Flags().Uint32Var(&how.by, "by", 0, "by `N` hosts more, and then it pauses again")
	cmd.Flags().BoolVar(&how.toEnd, "to-end", false, "to its end, past all pause points")
	how.add(cmd.Flags(), " (default the one just read)")
	cmd.Flags().SortFlags = false
	completeRequest(cmd)
	complete(cmd, "by", nothing)
	return cmd
}

// verb is the request as it is typed.
func (how *resumeFlags) verb(id string) string {
	text := "job resume " + id
	switch {
	case how.toEnd:
		text += " --to-end"
	case how.by > 0:
		text += fmt.Sprintf(" --by %d", how.by)
	}
	return text
}

func (a *app) resume(ctx context.Context, ctl *client.Client, id string, how resumeFlags) error {
	before, err := ctl.Job(ctx, id)
	if err != nil {
		return hint(err, seeJobs)
	}
	if how.revision == 0 {
		how.revision = before.ControlRevision
	}
	job, err := ctl.Resume(ctx, id, client.Resume{
		RequestID: how.request, ExpectedControlRevision: how.revision,
		ToNextPoint: !how.toEnd && how.by == 0, Targets: how.by,
	})
	if err != nil {
		return how.fault(ctx, ctl, id, how.verb(id), err)
	}
	switch {
	case job.State != "RUNNING": // it was heard before, or came to a pause at once
		a.say("Job %s is %s by now\n", id, stateText(job))
	case before.PauseCause == pausedByBudget:
		a.say("Resumed%s; the bad outcomes so far count no more, %d from here are tolerated\n", goesOn(job), job.Tolerates)
	default:
		a.say("Resumed%s\n", goesOn(job))
	}
	return a.showJob(job)
}
