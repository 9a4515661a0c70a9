package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobGetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get JOB",
		Short: "Show one job",
		Args:  one("a job id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				job, err := ctl.Job(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.showJob(job)
			})
		},
	}
}

// showJob prints all there is of a job.
func (a *app) showJob(j client.Job) error {
	if a.output != formatPlain {
		return a.encode(jobDocumentOf(j))
	}
	return a.fields(
		"Job", j.ID,
		"State", j.State,
		"Command", j.Command,
		"Selector", j.Selector,
		"Note", j.Note,
		"Submitter", j.Submitter,
		"Account", j.Account,
		"Class", fmt.Sprintf("%s (pool %s)", j.Class, j.Pool),
		"Targets", countsLine(j),
		"Concurrency", amountText(j.Concurrency),
		"Created", stamp(j.CreatedAt),
		"Start by", stamp(j.StartBy),
		"Deadline", stamp(j.Deadline),
		"Done", stamp(j.DoneAt),
		"Control revision", fmt.Sprint(j.ControlRevision),
	)
}

func amountText(a client.Amount) string {
	switch {
	case a.Count > 0:
		return fmt.Sprint(a.Count)
	case a.Percent > 0:
		return fmt.Sprintf("%d%%", a.Percent)
	}
	return ""
}

// short keeps a cell of a table within its columns.
func short(text string, limit int) string {
	runes := []rune(oneLine(text))
	if len(runes) <= limit {
		return string(runes)
	}
	return strings.TrimSpace(string(runes[:limit-3])) + "..."
}
