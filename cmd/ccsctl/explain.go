package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain JOB HOST",
		Short: "Say why a host of a job is where it is, and what it waits for",
		Long: `Say why a host of a job is where it is: what it waits for now, since when, and
what ends the wait at the latest. The nearest reason stands first. Where it waits
for others to end (concurrency, batch, failure budget), some of those are named.`,
		Example: `  ccsctl explain JOB h1
  ccsctl explain JOB 10.0.0.7 -o json | jq -r '.causes[0].code'`,
		Args:              exactly("a job id", "a host"),
		ValidArgsFunction: a.completeJobAndHost,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				e, err := ctl.Explain(cmd.Context(), args[0], args[1])
				if err != nil {
					return hint(err, seeTargets)
				}
				return a.showExplanation(e)
			})
		},
	}
}

type explanationDocument struct {
	Job    jobDocument     `json:"job"`
	Task   taskDocument    `json:"task"`
	Causes []causeDocument `json:"causes"`            // the nearest first
	AtWork []taskDocument  `json:"at_work,omitempty"` // some of those that it waits for
}

type causeDocument struct {
	Code  string    `json:"code"`
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"` // at the latest
	Text  string    `json:"text"`
}

// showHolders names some of those that a host waits for.
func (a *app) showHolders(e client.Explanation) error {
	if len(e.AtWork) == 0 {
		return nil
	}
	var rows [][]string
	for _, t := range e.AtWork {
		rows = append(rows, []string{t.Host, t.Room, t.State, a.stamp(t.Since), a.remarks(t)})
	}
	return a.section("At work", e.Job.InFlight, []string{"HOST", "ROOM", "STATE", "SINCE", "REMARKS"}, rows,
		"ccsctl task list "+e.Job.ID+" --state "+strings.Join(lower(atWork), ","))
}

func (a *app) showExplanation(e client.Explanation) error {
	if a.isDocument() {
		doc := explanationDocument{Job: a.jobDocument(e.Job), Task: a.taskDocument(e.Task), Causes: []causeDocument{}}
		for _, c := range e.Causes {
			doc.Causes = append(doc.Causes, causeDocument{Code: c.Code, Since: a.when(c.Since), Until: a.when(c.Until), Text: c.Text})
		}
		for _, t := range e.AtWork {
			doc.AtWork = append(doc.AtWork, a.taskDocument(t))
		}
		return a.encode(doc)
	}
	g := groups([]client.Task{e.Task})[0]
	err := a.fields(
		"Host", fmt.Sprintf("%s in %s", e.Task.Host, e.Task.Room),
		"Task", g.outcome(),
		"Job", e.Job.ID,
		"Command", e.Job.Command,
		"Job state", stateText(e.Job),
		"Targets", countsLine(e.Job),
	)
	if err != nil {
		return err
	}
	for i, c := range e.Causes {
		if _, err := fmt.Fprintf(a.stdout, "\n%d. %s: %s\n%s", i+1, c.Code, a.localized(oneLine(c.Text)), a.causeTimes(c)); err != nil {
			return err
		}
	}
	return a.showHolders(e)
}

// causeTimes is such as "   since 2000-01-01 00:00:00 +0000 (5s ago), until ... (in 55s)".
func (a *app) causeTimes(c client.Cause) string {
	var parts []string
	if !c.Since.IsZero() {
		parts = append(parts, fmt.Sprintf("since %s%s", a.stamp(c.Since), distance(time.Until(c.Since))))
	}
	if !c.Until.IsZero() {
		parts = append(parts, fmt.Sprintf("until %s at the latest%s", a.stamp(c.Until), distance(time.Until(c.Until))))
	}
	if len(parts) == 0 {
		return ""
	}
	return "   " + strings.Join(parts, ", ") + "\n"
}

// distance is such as " (5s ago)"; by this machine's clock, so not for less than
// a second.
func distance(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf(" (in %s)", span(d.Round(time.Second)))
	case d <= -time.Second:
		return fmt.Sprintf(" (%s ago)", span(-d.Round(time.Second)))
	}
	return ""
}
