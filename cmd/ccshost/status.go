package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/tier/agent"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say whether executor and agent work, and what there is",
		Long: `Say whether executor and agent work, what there is on this host, and whether it is
frozen. The exit status is 0 if it is healthy: both are up, the agent has a session,
and nothing holds starts up. A freeze is meant, and is no fault.`,
		Example: "  ccshost status\n  ccshost status -o json | jq .healthy",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context()) },
	}
}

// view is all that status shows.
type view struct {
	operator.Status

	info     agent.Info // what the executor says of itself; zero: it does not answer
	answered error      // why it does not
}

// healthy reports whether the host does what it is there for.
func (v view) healthy() bool {
	attached := v.Link != nil && v.Link.Aggregator != ""
	return v.Executor.Up && v.answered == nil && v.Agent.Up && attached && v.Barred() == 0 && len(v.Faults) == 0 && v.Freeze.Err == nil
}

func (a *app) status(ctx context.Context) error {
	v := view{Status: a.host.Status(a.now())}
	if v.Executor.Up {
		v.info, v.answered = a.info(ctx)
	}
	show := a.showStatus
	if a.output == formatJSON {
		show = func(v view) error { return a.document(a.statusDocument(v)) }
	}
	if err := show(v); err != nil {
		return err
	}
	if !v.healthy() {
		return errNotOK
	}
	return nil
}

func (a *app) showStatus(v view) error {
	pairs := []string{
		"Executor", executorText(v),
		"Agent", agentText(v),
		"Session", sessionText(v),
		"Incarnation", v.Incarnation,
		"Boot", v.Boot,
		"Commands", countsText(v.Counts()),
		"Spool", bytesText(v.Bytes) + " in " + a.host.StateDir,
		"W", dash(stamp(v.Watermark)),
		"Cgroups", dash(cgroupText(v.info)),
		"Frozen", wordText(v.Freeze),
		"Foreign", foreignText(v),
	}
	for _, err := range append(v.Faults, a.unread...) {
		pairs = append(pairs, "Fault", err.Error())
	}
	return a.fields(pairs...)
}

// cgroupText says what commands are held in, such as "v2, which limits memory,
// pids"; "" where the executor does not say.
func cgroupText(info agent.Info) string {
	if len(info.CgroupLimits) == 0 {
		return info.Cgroup
	}
	return info.Cgroup + ", which limits " + strings.Join(info.CgroupLimits, ", ")
}

func processText(p operator.Process, version string) string {
	if !p.Up {
		return "down"
	}
	text := "up, pid " + pid(p.PID)
	if version != "" {
		text += ", " + version
	}
	if !p.Since.IsZero() {
		text += ", since " + stamp(p.Since)
	}
	return text
}

func executorText(v view) string {
	text := processText(v.Executor, v.info.Version)
	if v.answered != nil {
		text += fmt.Sprintf(", and does not answer: %v", v.answered)
	}
	return text
}

func agentText(v view) string {
	version := ""
	if v.Agent.Up && v.Link != nil {
		version = v.Link.Version
	}
	return processText(v.Agent, version)
}

func sessionText(v view) string {
	switch l := v.Link; {
	case !v.Agent.Up || l == nil:
		return "none"
	case l.Aggregator == "":
		return "none since " + stamp(l.Since)
	default:
		return fmt.Sprintf("with %s at %s since %s, last heard %s", l.Aggregator, l.Address, stamp(l.Since), stamp(l.Heard))
	}
}

// countsText is such as "2 RUNNING, 1 SUCCEEDED".
func countsText(counts map[task.State]int) string {
	var parts []string
	for _, s := range task.States() {
		if n := counts[s]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+s.String())
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func foreignText(v view) string {
	if len(v.Foreign) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, %d released: see ccshost release", plural(len(v.Foreign), "end-process of a state directory that is gone"), len(v.Foreign)-v.Barred())
}

type statusDocument struct {
	Healthy      bool              `json:"healthy"`
	Executor     processDocument   `json:"executor"`
	Agent        processDocument   `json:"agent"`
	Session      *sessionDocument  `json:"session"` // null: there is none
	Incarnation  string            `json:"incarnation,omitempty"`
	BootID       string            `json:"boot_id"`
	Commands     map[string]int    `json:"commands"` // by state
	SpoolBytes   uint64            `json:"spool_bytes"`
	PurgedUntil  time.Time         `json:"purged_until,omitzero"`   // W
	Cgroup       string            `json:"cgroup,omitempty"`        // v1, v2 or none; absent: the executor does not answer
	CgroupLimits []string          `json:"cgroup_limits,omitempty"` // of a whole tree that it holds
	Freeze       *freezeDocument   `json:"freeze"`                  // null: it is not frozen
	Foreign      []foreignDocument `json:"foreign"`
	Faults       []string          `json:"faults,omitempty"`
}

type processDocument struct {
	Up      bool      `json:"up"`
	PID     int       `json:"pid,omitempty"`
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Error   string    `json:"error,omitempty"` // it is up and does not answer
}

type sessionDocument struct {
	Aggregator string    `json:"aggregator"`
	Address    string    `json:"address"`
	Since      time.Time `json:"since"`
	Heard      time.Time `json:"heard,omitzero"`
}

type freezeDocument struct {
	By    string    `json:"by,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	Why   string    `json:"reason,omitempty"`
	Error string    `json:"error,omitempty"` // it is frozen, and the word cannot be read
}

type foreignDocument struct {
	PID      int       `json:"pid"`
	Since    time.Time `json:"since"`
	Released bool      `json:"released"`
}

func (a *app) statusDocument(v view) statusDocument {
	d := statusDocument{
		Healthy: v.healthy(), Incarnation: v.Incarnation, BootID: v.Boot, Commands: map[string]int{}, SpoolBytes: v.Bytes,
		Executor:    processDocument{Up: v.Executor.Up, PID: v.Executor.PID, Version: v.info.Version, Since: v.Executor.Since.UTC()},
		Agent:       processDocument{Up: v.Agent.Up, PID: v.Agent.PID, Since: v.Agent.Since.UTC()},
		PurgedUntil: v.Watermark.UTC(), Foreign: []foreignDocument{}, Cgroup: v.info.Cgroup, CgroupLimits: v.info.CgroupLimits,
	}
	if v.answered != nil {
		d.Executor.Error = v.answered.Error()
	}
	if l := v.Link; l != nil && v.Agent.Up {
		d.Agent.Version = l.Version
		if l.Aggregator != "" {
			d.Session = &sessionDocument{l.Aggregator, l.Address, l.Since, l.Heard}
		}
	}
	for s, n := range v.Counts() {
		d.Commands[s.String()] = n
	}
	if w := v.Freeze; w.Frozen {
		d.Freeze = &freezeDocument{By: w.Freeze.By, Since: w.Freeze.Since, Until: w.Freeze.Until, Why: w.Freeze.Why}
		if w.Err != nil {
			d.Freeze.Error = w.Err.Error()
		}
	}
	for _, f := range v.Foreign {
		d.Foreign = append(d.Foreign, foreignDocument{f.Process.PID, f.Since.UTC(), f.Released})
	}
	for _, err := range append(v.Faults, a.unread...) {
		d.Faults = append(d.Faults, err.Error())
	}
	return d
}
