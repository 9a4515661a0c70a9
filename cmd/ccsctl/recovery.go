package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// What --recovery takes.
const (
	recoveryReport = "report"
	recoveryRerun  = "rerun"
)

// maxAttempts is how often a command may be started in all.
const maxAttempts = 100

// recoveryFlags say what is done where a crash of the host loses the command.
type recoveryFlags struct {
	flags      *pflag.FlagSet
	recovery   string
	attempts   int
	rerunUntil time.Duration
}

func (c *recoveryFlags) add(f *pflag.FlagSet) {
	c.flags, c.recovery = f, recoveryReport
	textVar(f, &c.recovery, "recovery", "", "`ACTION` where a crash of the host loses the command: report it as LOST, or rerun it, for which it must be safe")
	f.IntVar(&c.attempts, "attempts", 0, "at most `N` starts on a host in all, 2 to 100; only with --recovery rerun (default 2)")
	timeVar(f, &c.rerunUntil, "rerun-until", "`TIME` after which it is not started again; only with --recovery rerun (default the deadline)")
}

func (c *recoveryFlags) complete(cmd *cobra.Command) {
	complete(cmd, "recovery", fixed(recoveryReport, recoveryRerun))
	complete(cmd, "attempts", nothing)
	complete(cmd, "rerun-until", nothing)
}

func (c *recoveryFlags) fill(r *client.Request) error {
	counted := c.flags.Changed("attempts")
	switch {
	case c.recovery != recoveryReport && c.recovery != recoveryRerun:
		return usagef("--recovery %s: give report or rerun", c.recovery)
	case c.recovery == recoveryReport && (counted || c.rerunUntil != 0):
		return usagef("--attempts and --rerun-until say nothing without --recovery rerun: give it, or leave them out")
	case c.recovery == recoveryReport:
		return nil
	case !counted:
		c.attempts = 2
	case c.attempts < 2 || c.attempts > maxAttempts:
		return usagef("--attempts %d: give 2 to %d; to start it only once leave out --recovery rerun", c.attempts, maxAttempts)
	}
	r.Command.Attempts, r.RerunUntil = c.attempts, c.rerunUntil
	return nil
}
