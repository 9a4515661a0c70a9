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
	recovery   string
	attempts   int
	rerunUntil time.Duration
}

func (c *recoveryFlags) add(f *pflag.FlagSet) {
	f.StringVar(&c.recovery, "recovery", recoveryReport, "what `ACTION` it is where a crash of the host loses the command: report it as LOST, or rerun it, which it must be safe for")
	f.IntVar(&c.attempts, "attempts", 0, "times `N` that it is started in all, 2 or more; only with --recovery rerun (default 2)")
	f.DurationVar(&c.rerunUntil, "rerun-until", 0, "`TIME` after which it is not started again; only with --recovery rerun (default the deadline)")
}

func (c *recoveryFlags) complete(cmd *cobra.Command) {
	complete(cmd, "recovery", fixed(recoveryReport, recoveryRerun))
	complete(cmd, "attempts", nothing)
	complete(cmd, "rerun-until", nothing)
}

func (c *recoveryFlags) fill(r *client.Request) error {
	switch {
	case c.recovery != recoveryReport && c.recovery != recoveryRerun:
		return usagef("--recovery %s: give report or rerun", c.recovery)
	case c.recovery == recoveryReport && (c.attempts != 0 || c.rerunUntil != 0):
		return usagef("--attempts and --rerun-until say nothing without --recovery rerun: give it, or leave them out")
	case c.recovery == recoveryReport:
		return nil
	case c.attempts == 0:
		c.attempts = 2
	case c.attempts < 2 || c.attempts > maxAttempts:
		return usagef("--attempts %d: give 2 to %d; to start it only once leave out --recovery rerun", c.attempts, maxAttempts)
	}
	if err := positive("rerun-until", c.rerunUntil); err != nil {
		return err
	}
	r.Command.Attempts, r.RerunUntil = c.attempts, c.rerunUntil
	return nil
}
