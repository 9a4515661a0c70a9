package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func (a *app) listCommand() *cobra.Command {
	var running, all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the commands that are known on this host, newest first",
		Long: `List the commands that are known on this host, newest first, as the disk and the
process table say: with the executor down it is the same list. Arguments, values
of variables and scripts are never shown.`,
		Example: `  ccshost list
  ccshost list --running
  ccshost list -o json | jq -r '.commands[] | select(.supervised_by == "nobody") | .id'`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if running && all {
				return usagef("--running and --all do not go together")
			}
			return a.list(running, all)
		},
	}
	cmd.Flags().BoolVar(&running, "running", false, "only those that run")
	cmd.Flags().BoolVar(&all, "all", false, "also those that are released, and only remembered")
	return cmd
}

func (a *app) list(running, all bool) error {
	entries, err := a.host.List()
	if errors.Is(err, spool.ErrMissing) {
		return fmt.Errorf("there is no executor's state directory at %s: nothing was ever run here, or it is elsewhere: give --executor-config", a.host.StateDir)
	}
	if err != nil {
		return fmt.Errorf("cannot read the commands: %w", err)
	}
	shown := entries[:0]
	for _, e := range entries {
		if running && e.Running() || !running && (all || !e.Released) {
			shown = append(shown, e)
		}
	}
	if a.output == formatJSON {
		docs := make([]commandDocument, 0, len(shown))
		for _, e := range shown {
			docs = append(docs, documentOf(e))
		}
		return a.document(map[string]any{"commands": docs})
	}
	if len(shown) == 0 {
		return a.print("No commands.\n")
	}
	rows := [][]string{{"ID", "STATE", "ATTEMPT", "ACCOUNT", "CLASS", "SINCE", "PID", "SUPERVISED BY", "PROGRAM"}}
	for _, e := range shown {
		rows = append(rows, []string{
			e.ID, stateText(e), strconv.Itoa(int(e.Attempt)), dash(e.Account), dash(e.Group), dash(stamp(e.Since)),
			pid(e.Leader), careText(e), program(e),
		})
	}
	return a.table(rows)
}

// stateText is such as "RUNNING, to be stopped" or "LOST rebooted".
func stateText(e operator.Entry) string {
	if e.Released {
		return "released"
	}
	text := e.State.String()
	if reason := e.Reason.String(); e.Reason != 0 {
		text += " " + reason
	}
	if e.Live() && e.Stop {
		text += ", to be stopped"
	}
	return text
}

func careText(e operator.Entry) string {
	switch e.Care {
	case operator.ByEndProcess:
		return "end-process " + strconv.Itoa(e.Supervisor)
	case operator.NoCare:
		return "-"
	case operator.ByExecutor, operator.ByNobody:
	}
	return string(e.Care)
}

// program says what runs, or what of it cannot be read.
func program(e operator.Entry) string {
	if len(e.Damaged) > 0 {
		return strings.TrimSpace(e.Program + " (damaged: " + strings.Join(e.Damaged, ", ") + ")")
	}
	return e.Program
}

func pid(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

type commandDocument struct {
	ID           string    `json:"id"`
	State        string    `json:"state"` // empty: released
	Reason       string    `json:"reason,omitempty"`
	Attempt      uint32    `json:"attempt,omitempty"`
	Account      string    `json:"account,omitempty"`
	Class        string    `json:"class,omitempty"`
	Program      string    `json:"program,omitempty"`
	Since        time.Time `json:"since,omitzero"`
	PID          int       `json:"pid,omitempty"`
	SupervisedBy string    `json:"supervised_by,omitempty"` // end-process, executor or nobody
	EndProcess   int       `json:"end_process_pid,omitempty"`
	StopWished   bool      `json:"stop_wished,omitempty"`
	Message      string    `json:"message,omitempty"`
	Released     bool      `json:"released,omitempty"`
	Damaged      []string  `json:"damaged,omitempty"`
}

func documentOf(e operator.Entry) commandDocument {
	d := commandDocument{
		ID: e.ID, Attempt: e.Attempt, Account: e.Account, Class: e.Group, Program: e.Program, Since: e.Since.UTC(),
		PID: e.Leader, SupervisedBy: string(e.Care), EndProcess: e.Supervisor, StopWished: e.Stop, Message: e.Message,
		Released: e.Released, Damaged: e.Damaged,
	}
	if !e.Released {
		d.State = e.State.String()
	}
	if e.Reason != 0 {
		d.Reason = e.Reason.String()
	}
	return d
}
