package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) taskListCommand() *cobra.Command {
	var filter client.TaskFilter
	cmd := &cobra.Command{
		Use:   "list JOB",
		Short: "List the tasks of a job: what became of each host",
		Args:  one("a job id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				var tasks []client.Task
				for t, err := range ctl.Tasks(cmd.Context(), args[0], filter) {
					if err != nil {
						return err
					}
					tasks = append(tasks, t)
				}
				return a.showTasks(tasks)
			})
		},
	}
	cmd.Flags().StringSliceVar(&filter.States, "state", nil, "only tasks in these `STATES`, such as failed,lost")
	cmd.Flags().StringVar(&filter.Host, "host", "", "only this host, by id or IP address")
	return cmd
}

func (a *app) showTasks(tasks []client.Task) error {
	if a.output != formatPlain {
		doc := struct {
			Tasks []taskDocument `json:"tasks"`
		}{make([]taskDocument, 0, len(tasks))}
		for _, t := range tasks {
			doc.Tasks = append(doc.Tasks, taskDocumentOf(t))
		}
		return a.encode(doc)
	}
	var rows [][]string
	for _, t := range tasks {
		rows = append(rows, []string{t.Host, t.Room, t.State, exitText(t), runTime(t), stamp(t.StartedAt), remarks(t)})
	}
	return a.table([]string{"HOST", "ROOM", "STATE", "EXIT", "TOOK", "STARTED", "REMARKS"}, rows)
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
	return t.EndedAt.Sub(t.StartedAt).Round(time.Millisecond).String()
}

// remarks are what the state does not say.
func remarks(t client.Task) string {
	var parts []string
	if t.Reason != "" {
		parts = append(parts, t.Reason)
	}
	if t.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", t.Attempt))
	}
	if t.Unreachable {
		parts = append(parts, "host is away since "+stamp(t.UnreachableSince))
	}
	if t.Overdue {
		parts = append(parts, "past its timeout")
	}
	if t.Message != "" {
		parts = append(parts, short(t.Message, 80))
	}
	return strings.Join(parts, ", ")
}
