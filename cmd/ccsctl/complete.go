package main

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

// Bounds of a completion: a person waits with the finger on the key.
const (
	completeFor = time.Second
	maxComplete = 50 // jobs
)

// completed is what may follow, with a description behind a tab, and what the
// shell is to do with it.
type completed = cobra.CompletionFunc

// complete gives a flag its completion. The flag must exist.
func complete(cmd *cobra.Command, flag string, with completed) {
	_ = cmd.RegisterFlagCompletionFunc(flag, with) // fails only for a flag that is not there, or twice
}

// nothing completes nothing; not files either.
func nothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// fixed completes words that are known.
func fixed(of ...string) completed {
	return cobra.FixedCompletions(of, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder)
}

// lower are the names of states as they are typed.
func lower(states []string) (out []string) {
	for _, s := range states {
		out = append(out, strings.ToLower(s))
	}
	return out
}

// words completes a list that is separated by commas.
func words(of []string) completed {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return listed(of, strings.ToLower(typed))
	}
}

// listed completes the last of several words that are separated by commas. What
// is in the list already is not offered again.
func listed(all []string, typed string) ([]string, cobra.ShellCompDirective) {
	before, last := "", typed
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		last = strings.TrimLeft(typed[i+1:], " ")
		before = strings.TrimSuffix(typed, last)
	}
	taken := strings.Split(before, ",")
	var out []string
	for _, word := range all {
		name, _, _ := strings.Cut(word, "\t")
		if strings.HasPrefix(name, last) && !slices.Contains(taken, name) {
			out = append(out, before+word)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder | cobra.ShellCompDirectiveNoSpace
}

// ask gives the servers a moment. If they do not answer, or nothing is
// configured, there is nothing to complete; a person who types is not told.
func ask[T any](a *app, cmd *cobra.Command, of func(context.Context, *client.Client) iter.Seq2[T, error]) []T {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeFor)
	defer cancel()
	ctl, err := a.client()
	if err != nil {
		return nil
	}
	defer func() { _ = ctl.Close() }() // nothing is under way
	var all []T
	for item, err := range of(ctx, ctl) {
		if err != nil {
			return nil
		}
		all = append(all, item)
	}
	return all
}

// completeTargets completes the flags that say which hosts.
func (a *app) completeTargets(cmd *cobra.Command) {
	complete(cmd, "selector", a.completeSelector)
	complete(cmd, "hosts", a.completeHosts)
	complete(cmd, "room", a.completeRooms)
}

// completeControl completes the flags of the control information.
func (a *app) completeControl(cmd *cobra.Command, control *jobFlags) {
	control.complete(cmd)
	complete(cmd, "class", a.completeClasses)
	for _, free := range []string{"ttl", "deadline", "account", "note"} {
		complete(cmd, free, nothing)
	}
}

// completeJobs completes the first argument, newest first.
func (a *app) completeJobs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a.completeJobsIn("")(cmd, args, typed)
}

// completeJobsIn completes the first argument with jobs in a state; empty: any.
func (a *app) completeJobsIn(state string) completed {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nothing(cmd, args, typed)
		}
		var out []string
		for _, j := range a.recentJobs(cmd, state) {
			if strings.HasPrefix(j.ID, typed) {
				out = append(out, j.ID+"\t"+j.State+"  "+short(j.Command, 48))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func (a *app) recentJobs(cmd *cobra.Command, state string) []client.Job {
	return ask(a, cmd, func(ctx context.Context, ctl *client.Client) iter.Seq2[client.Job, error] {
		return first(ctl.Jobs(ctx, client.JobFilter{State: state}), maxComplete)
	})
}

// completeClasses are those of recent jobs: the servers list no others to users.
func (a *app) completeClasses(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return distinct(a.recentJobs(cmd, ""), func(j client.Job) string { return j.Class }, client.DefaultClass), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeSubmitters(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return distinct(a.recentJobs(cmd, ""), func(j client.Job) string { return j.Submitter }, mine), cobra.ShellCompDirectiveNoFileComp
}

func distinct(jobs []client.Job, of func(client.Job) string, always string) []string {
	out := []string{always}
	for _, j := range jobs {
		out = append(out, of(j))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
