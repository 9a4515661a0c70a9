package main

import (
	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) hostGetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get HOST",
		Short: "Show one host, by id or IP address",
		Example: `  ccsctl host get h1
  ccsctl host get 10.0.0.7 -o json | jq .facts`,
		Args:              exactly("a host id or an IP address"),
		ValidArgsFunction: a.completeHost,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				h, err := ctl.Host(cmd.Context(), args[0])
				if err != nil {
					return hint(err, seeHosts)
				}
				if a.isDocument() {
					return a.encode(a.hostDocument(h))
				}
				return a.fields(
					"Host", h.ID,
					"Address", h.Address,
					"Room", h.Room,
					"State", presence(h),
					"Since", a.stamp(h.Since),
					"Aggregator", h.Aggregator,
					"Labels", pairs(h.Labels),
					"Facts", pairs(h.Facts),
					"Key", h.KeyState,
					"Incarnation", h.Incarnation,
				)
			})
		},
	}
}
