package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobListCommand() *cobra.Command {
	var filter client.JobFilter
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, newest first",
		Args:  none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit %d is negative: give a number of jobs, or 0 for all", limit)
			}
			return a.with(func(ctl *client.Client) error {
				var jobs []client.Job
				for j, err := range ctl.Jobs(cmd.Context(), filter) {
					if err != nil {
						return err
					}
					if jobs = append(jobs, j); len(jobs) == limit {
						break
					}
				}
				return a.showJobs(jobs)
			})
		},
	}
	cmd.Flags().StringVar(&filter.State, "state", "", "only jobs in this `STATE`, such as running")
	cmd.Flags().StringVar(&filter.Submitter, "submitter", "", "only jobs of this `USER`")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many; 0: all")
	return cmd
}

func (a *app) showJobs(jobs []client.Job) error {
	if a.output != formatPlain {
		doc := struct {
			Jobs []jobDocument `json:"jobs"`
		}{make([]jobDocument, 0, len(jobs))}
		for _, j := range jobs {
			doc.Jobs = append(doc.Jobs, jobDocumentOf(j))
		}
		return a.encode(doc)
	}
	var rows [][]string
	for _, j := range jobs {
		rows = append(rows, []string{
			j.ID, j.State, fmt.Sprintf("%d/%d", j.Settled(), j.Targets), fmt.Sprint(j.Counts["SUCCEEDED"]),
			j.Class, j.Submitter, stamp(j.CreatedAt), short(j.Command, 48),
		})
	}
	return a.table([]string{"JOB", "STATE", "SETTLED", "OK", "CLASS", "SUBMITTER", "CREATED", "COMMAND"}, rows)
}
