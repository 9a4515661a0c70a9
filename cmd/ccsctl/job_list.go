package main

import (
	"fmt"
	"iter"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// mine stands for the user who asks.
const mine = "mine"

func (a *app) jobListCommand() *cobra.Command {
	var filter client.JobFilter
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, newest first",
		Example: `  ccsctl job list
  ccsctl job list --state running --submitter mine
  ccsctl job list -n 0 -o json | jq -r '.jobs[].id'`,
		Args:              none,
		ValidArgsFunction: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usagef("--limit %d is negative: give a number of jobs, or 0 for all", limit)
			}
			return a.with(func(ctl *client.Client) error {
				var err error
				if filter.Submitter == mine {
					filter.Submitter, err = a.whoami()
				}
				if err != nil {
					return err
				}
				return a.showJobs(first(ctl.Jobs(cmd.Context(), filter), limit))
			})
		},
	}
	textVar(cmd.Flags(), &filter.State, "state", "", "only jobs in this `STATE`: "+strings.ToLower(strings.Join(jobStates, ", ")))
	textVar(cmd.Flags(), &filter.Submitter, "submitter", "", "only jobs of this `USER`; mine: yours")
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "at most `N`; 0: all")
	complete(cmd, "state", fixed(lower(jobStates)...))
	complete(cmd, "submitter", a.completeSubmitters)
	return cmd
}

// whoami is the user's name, by the certificate.
func (a *app) whoami() (string, error) {
	f, err := a.loadConfig()
	if err != nil {
		return "", err
	}
	me, err := identity.NewSource(identity.Files{Cert: f.TLS.Cert, Key: f.TLS.Key, CA: f.TLS.CA}, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", usagef("cannot tell whose jobs are yours:\n%s", indent(strings.TrimPrefix(err.Error(), "cannot load identity: ")))
	}
	return me.ID().Name, nil
}

// first are the first n of a sequence; 0: all.
func first[T any](all iter.Seq2[T, error], n int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		left := n
		for item, err := range all {
			if !yield(item, err) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

func (a *app) showJobs(jobs iter.Seq2[client.Job, error]) error {
	head := []string{"JOB", "STATE", "SETTLED", "OK", "CLASS", "SUBMITTER", "CREATED", "COMMAND"}
	if a.isWide() {
		head = []string{"JOB", "STATE", "SETTLED", "OK", "AT WORK", "RELEASED", "BATCH", "BAD", "NEXT PAUSE", "PAUSED", "CLASS", "POOL", "SUBMITTER", "ACCOUNT", "CREATED", "TOOK", "NOTE", "COMMAND"}
	}
	return show(a, jobs, shown[client.Job]{
		field: "jobs", document: func(j client.Job) any { return a.jobDocument(j) },
		head: head, row: a.jobRow, none: "No jobs.",
	})
}

func (a *app) jobRow(j client.Job) []string {
	settled, ok := fmt.Sprintf("%d/%d", j.Settled(), j.Targets), fmt.Sprint(j.Counts["SUCCEEDED"])
	if !a.isWide() {
		return []string{j.ID, j.State, settled, ok, j.Class, j.Submitter, a.stamp(j.CreatedAt), short(j.Command, 48)}
	}
	took := ""
	if !j.DoneAt.IsZero() {
		took = span(j.DoneAt.Sub(j.CreatedAt))
	}
	return []string{
		j.ID, j.State, settled, ok, fmt.Sprint(j.InFlight),
		fmt.Sprintf("%d/%d", j.Released, j.Targets), batchText(j), badShort(j), nextPause(j), whyPaused(j), j.Class, j.Pool, j.Submitter, j.Account,
		a.stamp(j.CreatedAt), took, short(j.Note, 48), oneLine(j.Command),
	}
}

// badShort is such as 2/1, bad outcomes of those that are tolerated; empty
// without a budget.
func badShort(j client.Job) string {
	if j.MaxFailures == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", j.Bad, j.Tolerates)
}
