package main

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) taskListCommand() *cobra.Command {
	var filter client.TaskFilter
	var failed bool
	cmd := &cobra.Command{
		Use:   "list JOB",
		Short: "List the tasks of a job: what became of each host",
		Long: `List the tasks of a job: what became of each host. --failed lists every target
that is settled and did not succeed: what was refused, expired, lost or was not
heard of is no success either.`,
		Example: `  ccsctl task list JOB
  ccsctl task list JOB --failed
  ccsctl task list JOB --state running,accepted -o wide
  ccsctl task list JOB --failed -o json | jq -r '.tasks[].host' > again.txt`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if failed {
				filter.States = append(filter.States, bad...)
			}
			return a.with(func(ctl *client.Client) error {
				none := fmt.Sprintf("No task of job %s is like that.", args[0])
				if failed {
					none = fmt.Sprintf("No task of job %s has failed so far.", args[0])
				}
				return hint(a.showTasks(ctl.Tasks(cmd.Context(), args[0], filter), none), seeJobs)
			})
		},
	}
	cmd.Flags().BoolVar(&failed, "failed", false, "only tasks that are settled and did not succeed, in whatever way")
	listVar(cmd.Flags(), &filter.States, "state", "only tasks in these `STATES`, such as failed,lost; beside those of --failed")
	textVar(cmd.Flags(), &filter.Host, "host", "", "only this `HOST`, by id or IP address")
	complete(cmd, "state", words(lower(slices.Concat(live, outcomes))))
	complete(cmd, "host", a.completeTargetHost)
	return cmd
}

func (a *app) showTasks(tasks iter.Seq2[client.Task, error], none string) error {
	head := []string{"HOST", "ROOM", "STATE", "EXIT", "TOOK", "STARTED", "REMARKS"}
	if a.isWide() {
		head = []string{"#", "HOST", "ROOM", "STATE", "EXIT", "ATTEMPT", "TOOK", "STARTED", "ENDED", "STDOUT", "STDERR", "SIGNED", "REMARKS"}
	}
	return show(a, tasks, shown[client.Task]{
		field: "tasks", document: func(t client.Task) any { return a.taskDocument(t) },
		head: head, row: a.taskRow, none: none,
	})
}

func (a *app) taskRow(t client.Task) []string {
	started, took, why := a.stamp(t.StartedAt), runTime(t), a.remarks(t)
	if t.State == "RUNNING" {
		started, took = a.stamp(t.Since), soFar(t)
	}
	if !a.isWide() {
		return []string{t.Host, t.Room, t.State, exitText(t), took, started, short(why, 100)}
	}
	signed := "no"
	if len(t.Signature) > 0 {
		signed = "yes"
	}
	return []string{
		fmt.Sprint(t.Ordinal), t.Host, t.Room, t.State, exitText(t), fmt.Sprint(t.Attempt), took, started, a.stamp(t.EndedAt),
		kept(t.Stdout), kept(t.Stderr), signed, oneLine(why),
	}
}

// kept is how much of an output there is, such as 5+90 cut+5.
func kept(ref client.OutputRef) string {
	if ref.Tail > 0 {
		return fmt.Sprintf("%d+%d cut+%d", ref.Size-ref.Tail, ref.Cut, ref.Tail)
	}
	if ref.Cut > 0 {
		return fmt.Sprintf("%d+%d cut", ref.Size, ref.Cut)
	}
	return fmt.Sprint(ref.Size)
}

// exitText is the exit status, or the signal in front of an S.
func exitText(t client.Task) string {
	switch {
	case t.Signal != 0:
		return fmt.Sprintf("S%d", t.Signal)
	case t.State == "SUCCEEDED", t.State == "FAILED":
		return fmt.Sprint(t.ExitCode)
	}
	return "-"
}

func runTime(t client.Task) string {
	if t.StartedAt.IsZero() || t.EndedAt.IsZero() {
		return "-"
	}
	return span(t.EndedAt.Sub(t.StartedAt))
}

// remarks are what the state does not say.
func (a *app) remarks(t client.Task) string {
	var parts []string
	if t.Reason != "" {
		parts = append(parts, t.Reason)
	}
	if t.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", t.Attempt))
	}
	if t.Unreachable {
		parts = append(parts, "host is away since "+a.stamp(t.UnreachableSince))
	}
	if t.Overdue {
		parts = append(parts, "past its timeout")
	}
	if t.Message != "" {
		parts = append(parts, t.Message)
	}
	return strings.Join(parts, ", ")
}
