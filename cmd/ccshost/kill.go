package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// killWait is the default of how long an end is waited for: the usual grace of
// 10 s, and some.
const killWait = 30 * time.Second

func (a *app) killCommand() *cobra.Command {
	var reason string
	var yes bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "kill ID...",
		Short: "End commands on this host: TERM, their grace, KILL, to the whole tree",
		Long: `End commands on this host as a cancel would: the wish is on the disk first, then
the whole tree gets TERM, and after the command's grace KILL. The outcome is
CANCELED, and says who has killed it here. The job's other hosts go on.

With the executor down the end-process is told; with that one dead too, what is
left is ended here. No process is ever known by its pid alone.`,
		Example: `  ccshost kill 01890a5d-ac96-774b-bcce-b302099a8057 --reason "fills /var"
  ccshost kill --yes $(ccshost list --running -o json | jq -r '.commands[].id')`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("kill needs the ids of commands: ccshost list shows them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, ids []string) error {
			if !yes {
				if err := a.confirm(plural(len(ids), "command")); err != nil {
					return err
				}
			}
			return a.kill(cmd.Context(), ids, killWords(a.who, reason), wait)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` for whoever asks why")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask, also on a terminal")
	cmd.Flags().DurationVar(&wait, "wait", killWait, "how long to wait for the end of each; 0s: not at all")
	return cmd
}

// killWords stand in the outcome.
func killWords(who, reason string) string {
	words := "killed on the host by " + who
	if reason != "" {
		words += ": " + reason
	}
	return words
}

// confirm asks a person; where there is none, what was typed stands.
func (a *app) confirm(what string) error {
	if !a.terminal {
		return nil
	}
	a.say("End %s? yes/no: ", what)
	line, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err == nil && strings.EqualFold(strings.TrimSpace(line), "yes") {
		return nil
	}
	return usagef("nothing was done: you did not say yes")
}

func (a *app) kill(ctx context.Context, ids []string, words string, wait time.Duration) error {
	failed := false
	for _, id := range ids {
		way, err := a.host.Kill(id, words, func(attempt uint32, spec spool.Spec) error { return a.signal(ctx, id, attempt, spec) }, a.now())
		switch {
		case errors.Is(err, spool.ErrMissing):
			err = errors.New("it is not known on this host")
		case err == nil && way != operator.LeftToExecutor && way != operator.Over:
			err = a.tellEnd(ctx, id, way, wait)
		case err == nil:
			err = a.print("%s: %s%s\n", id, way, a.outcome(id))
		}
		if err != nil {
			a.say("ccshost: %s: %v\n", id, err)
			failed = true
		}
	}
	if failed {
		return errNotOK
	}
	return nil
}

// outcome is what has become of a command that has ended, with a leading blank.
func (a *app) outcome(id string) string {
	e, err := a.host.Find(id)
	if err != nil || e.Live() {
		return ""
	}
	return " (" + stateText(e) + ")"
}

// tellEnd waits for the end and says what happened.
func (a *app) tellEnd(ctx context.Context, id string, way operator.Way, wait time.Duration) error {
	if wait <= 0 {
		return a.print("%s: %s\n", id, way)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	e, err := a.host.Await(ctx, id)
	switch {
	case errors.Is(err, spool.ErrMissing): // ended, told and released meanwhile
		return a.print("%s: %s; it has ended\n", id, way)
	case ctx.Err() != nil && err != nil:
		return fmt.Errorf("%s, and it has not ended after %s: it is %s. Its grace may be longer; see ccshost list", way, wait, stateText(e))
	case err != nil:
		return err
	}
	return a.print("%s: %s; it is %s\n", id, way, stateText(e))
}
