package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/host/operator"
)

func (a *app) releaseCommand() *cobra.Command {
	var reason string
	var all bool
	cmd := &cobra.Command{
		Use:   "release [PID...]",
		Short: "Let the executor go on beside end-processes of a state directory that is gone",
		Long: `If the executor's state directory was removed while commands ran, their
end-processes are foreign to the new one, and it starts nothing before they have
ended: what they run may be just what it is asked to run. Where you know better,
release them: they go on, and nothing waits for them any more. Without a pid it
shows them.`,
		Example: `  ccshost release
  ccshost release 4711 --reason "a backup, which may run beside anything"
  ccshost release --all`,
		RunE: func(_ *cobra.Command, args []string) error { return a.release(args, all, reason) },
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` for whoever asks why")
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	return cmd
}

func (a *app) release(args []string, all bool, reason string) error {
	pids := make([]int, 0, len(args))
	for _, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || n <= 0 {
			return usagef("%q is no pid: ccshost release shows them", arg)
		}
		pids = append(pids, n)
	}
	found, err := a.host.Foreign(a.now())
	if err != nil {
		return fmt.Errorf("cannot look for foreign end-processes: %w", err)
	}
	for _, n := range pids {
		if !slices.ContainsFunc(found, func(f operator.Foreign) bool { return f.Process.PID == n }) {
			return usagef("pid %d is no foreign end-process here: nothing was released", n)
		}
	}
	if len(found) == 0 {
		return a.print("No foreign end-processes.\n")
	}
	if !all && len(pids) == 0 {
		return a.showForeign(found)
	}
	for _, f := range found {
		if f.Released || !all && !slices.Contains(pids, f.Process.PID) {
			continue
		}
		if err := a.host.Release(f.Process, reason, a.now()); err != nil {
			return fmt.Errorf("cannot release pid %d: %w", f.Process.PID, err)
		}
		if err := a.print("pid %d: released\n", f.Process.PID); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showForeign(found []operator.Foreign) error {
	if a.output == formatJSON {
		docs := make([]foreignDocument, 0, len(found))
		for _, f := range found {
			docs = append(docs, foreignDocument{f.Process.PID, f.Since.UTC(), f.Released})
		}
		return a.document(map[string]any{"foreign": docs})
	}
	rows := [][]string{{"PID", "SINCE", "STATE"}}
	for _, f := range found {
		state := "holds everything up"
		if f.Released {
			state = "released"
		}
		rows = append(rows, []string{strconv.Itoa(f.Process.PID), stamp(f.Since), state})
	}
	return a.table(rows)
}
