package main

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) hostListCommand() *cobra.Command {
	var which targetFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List hosts and whether they are there",
		Example: `  ccsctl host list
  ccsctl host list --room bj01 -l 'app in (web,api),!canary'
  ccsctl host list -o wide
  ccsctl host list -o json | jq -r '.hosts[] | select(.attached | not) | .id'`,
		Args:              none,
		ValidArgsFunction: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(ctl *client.Client) error {
				return a.showHosts(ctl.Hosts(cmd.Context(), which.condition()))
			})
		},
	}
	textVar(cmd.Flags(), &which.selector, "selector", "l", "only hosts with these `LABELS`, such as room=bj01,!canary")
	listVar(cmd.Flags(), &which.rooms, "room", "only hosts of these `ROOMS`")
	complete(cmd, "selector", a.completeSelector)
	complete(cmd, "room", a.completeRooms)
	return cmd
}

func (a *app) showHosts(hosts iter.Seq2[client.Host, error]) error {
	head := []string{"HOST", "ADDRESS", "ROOM", "STATE", "SINCE", "LABELS"}
	if a.isWide() {
		head = append(head, "AGGREGATOR", "KEY", "INCARNATION", "FACTS")
	}
	return show(a, hosts, shown[client.Host]{
		field: "hosts", document: func(h client.Host) any { return a.hostDocument(h) },
		head: head, row: a.hostRow, none: "No hosts.",
	})
}

func (a *app) hostRow(h client.Host) []string {
	row := []string{h.ID, h.Address, h.Room, presence(h), a.stamp(h.Since), pairs(h.Labels)}
	if a.isWide() {
		row = append(row, h.Aggregator, h.KeyState, h.Incarnation, pairs(h.Facts))
	}
	return row
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
