package main

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) allHosts(cmd *cobra.Command) []client.Host {
	return ask(a, cmd, func(ctx context.Context, ctl *client.Client) iter.Seq2[client.Host, error] { return ctl.Hosts(ctx, "") })
}

// hostNames are ids, with room and state beside them.
func (a *app) hostNames(cmd *cobra.Command) (names []string) {
	for _, h := range a.allHosts(cmd) {
		names = append(names, h.ID+"\t"+h.Room+"  "+presence(h))
	}
	return names
}

// completeHosts completes a list of hosts.
func (a *app) completeHosts(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return listed(a.hostNames(cmd), typed)
}

// completeHost completes the one argument.
func (a *app) completeHost(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nothing(cmd, args, typed)
	}
	return beginning(a.hostNames(cmd), typed), cobra.ShellCompDirectiveNoFileComp
}

// completeJobAndHost completes a job, and then a host that is a target of it.
func (a *app) completeJobAndHost(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeJobs(cmd, args, typed)
	case 1:
		return a.completeTargetHost(cmd, args, typed)
	}
	return nothing(cmd, args, typed)
}

// completeTargetHost completes a host of the job that is the first argument.
func (a *app) completeTargetHost(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nothing(cmd, args, typed)
	}
	tasks := ask(a, cmd, func(ctx context.Context, ctl *client.Client) iter.Seq2[client.Task, error] {
		return ctl.Tasks(ctx, args[0], client.TaskFilter{})
	})
	var names []string
	for _, t := range tasks {
		names = append(names, t.Host+"\t"+t.Room+"  "+t.State)
	}
	return beginning(names, typed), cobra.ShellCompDirectiveNoFileComp
}

func beginning(all []string, with string) (out []string) {
	for _, word := range all {
		if strings.HasPrefix(word, with) {
			out = append(out, word)
		}
	}
	return out
}

// completeRooms completes a list of rooms, with how many hosts they have.
func (a *app) completeRooms(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	count := map[string]int{}
	for _, h := range a.allHosts(cmd) {
		count[h.Room]++
	}
	var names []string
	for _, room := range slices.Sorted(maps.Keys(count)) {
		names = append(names, room+"\t"+plural(count[room], "host"))
	}
	return listed(names, typed)
}
