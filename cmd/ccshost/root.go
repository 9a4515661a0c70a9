package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/cmd/internal/setup"
)

const rootText = `ccshost is for an operator who is logged in on this host: it shows what CCS runs
here and who supervises it, says what is wrong, ends commands, and keeps the host
from starting new ones. It reads the state directories of executor and agent, and
works with either of them down. Run it as root, or as the account they run as.

Where things are it reads from the files that they read, and from the same
environment (CCS_EXECUTOR_STATE_DIR, ...).

Exit status:
  0  done; of status: healthy; of doctor: no FAULT
  1  not healthy, a FAULT, or not all was done
  2  bad flags; nothing was done`

const rootExample = `  ccshost status
  ccshost list --running
  ccshost doctor
  ccshost kill 01890a5d-ac96-774b-bcce-b302099a8057 --reason "fills /var"
  ccshost freeze --reason "disk is being replaced" --for 2h
  ccshost thaw`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "ccshost", Short: "See and mend what CCS does on this host", Long: rootText, Example: rootExample,
		Version: setup.Version(), SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			a.executorGiven = cmd.Flags().Changed("executor-config")
			a.agentGiven = cmd.Flags().Changed("agent-config")
			if a.output != formatPlain && a.output != formatJSON {
				return usagef("there is no output format %q: give plain or json", a.output)
			}
			a.find()
			return a.mayLook()
		},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no verb %q: give doctor, status, list, kill, freeze, thaw or release", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&a.executorFile, "executor-config", "/etc/ccs/executor.yaml", "the executor's configuration `FILE`")
	flags.StringVar(&a.agentFile, "agent-config", "/etc/ccs/agent.yaml", "the agent's configuration `FILE`")
	flags.StringVarP(&a.output, "output", "o", formatPlain, "`FORMAT`: plain or json")
	root.AddCommand(a.doctorCommand(), a.statusCommand(), a.listCommand(), a.killCommand(), a.freezeCommand(), a.thawCommand(), a.releaseCommand())
	return root
}

// mayLook refuses in words what would fail file by file.
func (a *app) mayLook() error {
	for _, dir := range []string{a.executor.StateDir, a.agent.StateDir} {
		var st unix.Stat_t
		err := unix.Stat(dir, &st)
		switch {
		case errors.Is(err, fs.ErrPermission), err == nil && os.Geteuid() != 0 && int(st.Uid) != os.Geteuid():
			return fmt.Errorf("%s is closed to account %d: it is for root, and for the account that owns it; try again with sudo", dir, os.Geteuid())
		}
	}
	return nil
}

// noArgs takes flags alone.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q: %s takes only flags", args[0], cmd.Name())
	}
	return nil
}
