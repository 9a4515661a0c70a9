package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/host/operator"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func (a *app) freezeCommand() *cobra.Command {
	var reason string
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "freeze",
		Short: "Let this host start nothing new",
		Long: `Let this host start nothing new, until ccshost thaw. Commands that come are
REFUSED with the reason freeze, and say who froze the host and why. What runs goes
on, what was accepted before still starts, and stops and pings work. It holds over
restarts and upgrades of agent and executor.`,
		Example: `  ccshost freeze --reason "disk is being replaced"
  ccshost freeze --for 2h`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("for") && length <= 0 {
				return usagef("--for must be more than nothing, such as 2h")
			}
			return a.freeze(reason, length)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` for whoever asks why")
	cmd.Flags().DurationVar(&length, "for", 0, "`DURATION` after which it ends by itself; by default it does not")
	return cmd
}

func (a *app) freeze(reason string, length time.Duration) error {
	f := spool.Freeze{By: a.who, Since: a.now(), Why: reason}
	if length > 0 {
		f.Until = f.Since.Add(length)
	}
	before := a.host.Word(f.Since)
	if before.Frozen && before.Err == nil {
		f.Since = before.Freeze.Since // it never ceased to be
	}
	if err := spool.SetFreeze(a.host.OperatorDir, f); err != nil {
		return a.unwritten("freeze the host", err)
	}
	if before.Frozen {
		return a.print("The host was frozen already. Now it is frozen %s.\n", freezeText(f))
	}
	return a.print("The host is frozen %s. It starts nothing new.\n", freezeText(f))
}

func (a *app) thawCommand() *cobra.Command {
	return &cobra.Command{
		Use: "thaw", Short: "Let this host start commands again", Example: "  ccshost thaw", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			err := spool.Thaw(a.host.OperatorDir)
			switch {
			case errors.Is(err, spool.ErrMissing):
				return a.print("The host was not frozen.\n")
			case err != nil:
				return a.unwritten("thaw the host", err)
			}
			return a.print("The host is not frozen any more. What was refused meanwhile does not come again by itself: ccsctl job retry.\n")
		},
	}
}

// unwritten says what to do where the directory cannot be written.
func (a *app) unwritten(what string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("cannot %s: only who may write %s can: try again with sudo", what, a.host.OperatorDir)
	}
	return fmt.Errorf("cannot %s: %w", what, err)
}

// freezeText is such as "since … by root until …: why".
func freezeText(f spool.Freeze) string {
	text := "since " + stamp(f.Since)
	if f.By != "" {
		text += " by " + f.By
	}
	if !f.Until.IsZero() {
		text += " until " + stamp(f.Until)
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	return text
}

func wordText(w operator.Word) string {
	switch {
	case !w.Frozen:
		return "no"
	case w.Err != nil:
		return fmt.Sprintf("yes, and the word cannot be read: %v", w.Err)
	}
	return "yes, " + freezeText(w.Freeze)
}
