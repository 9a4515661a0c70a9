package main

import (
	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) pingCommand() *cobra.Command {
	var targets targetFlags
	var control jobFlags
	cmd := &cobra.Command{
		Use:   "ping (-l LABELS | --hosts NAMES | --hosts-file FILE | --room ROOMS | --all) [flags]",
		Short: "Ask hosts for a sign of life",
		Long: `Ask hosts for a sign of life. A ping is a job like any other: it is signed,
goes the whole way and is verified by each host. The agent answers it without
starting a process, so it is quick and changes nothing; nobody is asked.

Hosts by name together with labels or rooms are those that fit both; the others
are named and left out.`,
		Example: `  ccsctl ping --all
  ccsctl ping --room bj01 --ttl 10s --deadline 1m
  ccsctl ping --hosts-file hosts.txt -o json`,
		Args:              none,
		ValidArgsFunction: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := client.Request{Command: client.Command{Ping: true}}
			if err := targets.fill(&r, input{cmd.Context().Err, a.stdin}); err != nil {
				return err
			}
			if err := control.fill(&r); err != nil {
				return err
			}
			return a.with(func(ctl *client.Client) error {
				return a.submit(cmd.Context(), ctl, r, submission{detach: control.detach, detachOnPause: control.detachOnPause})
			})
		},
	}
	targets.add(cmd.Flags())
	control.add(cmd.Flags())
	cmd.Flags().SortFlags = false
	a.completeTargets(cmd)
	a.completeControl(cmd, &control)
	return cmd
}
