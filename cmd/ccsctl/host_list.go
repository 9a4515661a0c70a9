package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) hostListCommand() *cobra.Command {
	var selector string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List hosts and whether they are there",
		Args:  none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(ctl *client.Client) error {
				var hosts []client.Host
				for h, err := range ctl.Hosts(cmd.Context(), selector) {
					if err != nil {
						return err
					}
					hosts = append(hosts, h)
				}
				return a.showHosts(hosts)
			})
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "only hosts with these `LABELS`, such as room=bj01,!canary")
	return cmd
}

func (a *app) showHosts(hosts []client.Host) error {
	if a.output != formatPlain {
		doc := struct {
			Hosts []hostDocument `json:"hosts"`
		}{make([]hostDocument, 0, len(hosts))}
		for _, h := range hosts {
			doc.Hosts = append(doc.Hosts, hostDocumentOf(h))
		}
		return a.encode(doc)
	}
	var rows [][]string
	for _, h := range hosts {
		rows = append(rows, []string{h.ID, h.Address, h.Room, presence(h), stamp(h.Since), pairs(h.Labels)})
	}
	return a.table([]string{"HOST", "ADDRESS", "ROOM", "STATE", "SINCE", "LABELS"}, rows)
}

// presence says whether a host can be reached, or why it is not asked.
func presence(h client.Host) string {
	switch {
	case h.KeyState != "ACCEPTED":
		return strings.ToLower(h.KeyState)
	case h.Attached:
		return "attached"
	}
	return "away"
}

// pairs is such as app=web,env=prod.
func pairs(m map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, key+"="+m[key])
	}
	return strings.Join(parts, ",")
}
