package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/client"
)

// sameness is what makes results equal.
type sameness struct {
	state, reason    string
	exitCode, signal int
	stdout, stderr   client.OutputRef
}

// resultGroup is the hosts whose results are equal.
type resultGroup struct {
	sameness
	hosts   []string
	message string // of the first that has one
}

// groups puts equal results together: successes first, the larger groups first,
// so that what went wrong stands last, next to the summary.
func groups(tasks []client.Task) []*resultGroup {
	found := map[sameness]*resultGroup{}
	var all []*resultGroup
	for _, t := range tasks {
		key := sameness{t.State, t.Reason, t.ExitCode, t.Signal, t.Stdout, t.Stderr}
		g := found[key]
		if g == nil {
			g = &resultGroup{sameness: key}
			found[key] = g
			all = append(all, g)
		}
		g.hosts = append(g.hosts, t.Host)
		g.message = cmp.Or(g.message, t.Message)
	}
	slices.SortStableFunc(all, func(a, b *resultGroup) int {
		return cmp.Or(rank(a.state)-rank(b.state), len(b.hosts)-len(a.hosts))
	})
	return all
}

// rank orders outcomes from good to bad.
func rank(state string) int {
	if state == "SUCCEEDED" {
		return 0
	}
	return 1
}

// name is such as "h[1-4] (4 hosts)"; a single host is just its name.
func (g *resultGroup) name() string {
	if len(g.hosts) == 1 {
		return g.hosts[0]
	}
	return fmt.Sprintf("%s (%s)", fold(g.hosts), plural(len(g.hosts), "host"))
}

// outcome is such as "FAILED (signaled), signal 9: words of the host".
func (g *resultGroup) outcome() string {
	text := g.state
	if g.reason != "" {
		text += " (" + g.reason + ")"
	}
	switch {
	case g.signal != 0:
		text += fmt.Sprintf(", signal %d", g.signal)
	case g.state == "FAILED":
		text += fmt.Sprintf(", exit status %d", g.exitCode)
	}
	if g.message != "" {
		text += ": " + oneLine(g.message)
	}
	return text
}
