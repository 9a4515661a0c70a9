package main

import (
	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) jobWatchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch JOB",
		Short: "Follow a job to its end and show its results, as run does",
		Args:  one("a job id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				return a.follow(cmd.Context(), ctl, args[0], false)
			})
		},
	}
}
