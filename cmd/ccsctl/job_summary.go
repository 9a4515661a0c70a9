package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobSummaryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "summary JOB",
		Short: "Say what stands out in a job: slowest and silent hosts, equal results",
		Long: `Say what stands out in a job as it is now: the hosts that took longest or run
longest, those that nothing is heard of and since when, and which results there
are, with the hosts that have them. It reads every outcome of the job.`,
		Example: `  ccsctl job summary JOB
  ccsctl job summary JOB -o json | jq -r '.silent[].host'`,
		Args:              exactly("a job id"),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				s, err := ctl.Summarize(cmd.Context(), args[0])
				if err != nil {
					return hint(err, seeJobs)
				}
				if a.isDocument() {
					return a.encode(a.summaryDocument(s))
				}
				return a.showSummary(s)
			})
		},
	}
}

func (a *app) showSummary(s client.Summary) error {
	j := s.Job
	err := a.fields(
		"Job", j.ID,
		"State", stateText(j),
		"Set aside", j.Quarantine,
		"Command", j.Command,
		"Targets", countsLine(j),
		"Batch", batchText(j),
		"Bad outcomes", badOf(j),
	)
	if err != nil {
		return err
	}
	var slowest, silent, groups [][]string
	for _, t := range s.Slowest {
		slowest = append(slowest, []string{t.Host, t.Room, t.State, soFar(t), a.stamp(t.StartedAt)})
	}
	for _, t := range s.Silent {
		since, why := t.Since, "nothing is heard of it"
		if t.Unreachable {
			since, why = t.UnreachableSince, "the host is away"
		}
		silent = append(silent, []string{t.Host, t.Room, t.State, a.stamp(since), why})
	}
	for _, g := range s.Groups {
		groups = append(groups, []string{fmt.Sprint(g.Count), g.State, groupText(g), kept(g.Stdout), kept(g.Stderr), groupHosts(g)})
	}
	for _, part := range []struct {
		title string
		of    int
		head  []string
		rows  [][]string
		more  string
	}{
		{"Slowest", len(slowest), []string{"HOST", "ROOM", "STATE", "TOOK", "STARTED"}, slowest, ""},
		{"Silent", s.SilentCount, []string{"HOST", "ROOM", "STATE", "SINCE", "WHY"}, silent, "ccsctl task list " + j.ID},
		{"Results", s.GroupCount, []string{"HOSTS", "STATE", "WHY", "STDOUT", "STDERR", "WHICH"}, groups, "ccsctl output " + j.ID + " --grouped"},
	} {
		if err := a.section(part.title, part.of, part.head, part.rows, part.more); err != nil {
			return err
		}
	}
	return nil
}

// section is a table under its title, or the title alone and that there is none.
func (a *app) section(title string, of int, head []string, rows [][]string, more string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintf(a.stdout, "\n%s: none\n", title)
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "\n%s:\n", title); err != nil {
		return err
	}
	if err := a.table(head, rows); err != nil || of <= len(rows) {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "and %d more; see all with: %s\n", of-len(rows), more)
	return err
}

// soFar is how long a command ran, or runs by this machine's clock.
func soFar(t client.Task) string {
	if t.EndedAt.IsZero() && !t.Since.IsZero() {
		return span(max(time.Since(t.Since), 0)) + " so far"
	}
	return runTime(t)
}

func groupText(g client.Group) string {
	switch {
	case g.Signal != 0:
		return fmt.Sprintf("signal %d", g.Signal)
	case g.State == "FAILED":
		return fmt.Sprintf("exit status %d", g.ExitCode)
	}
	return g.Reason
}

// groupHosts is such as "h[1-4]", or as far as the servers name them.
func groupHosts(g client.Group) string {
	text := fold(g.Hosts)
	if more := g.Count - len(g.Hosts); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
