package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/cmd/internal/setup"
)

const rootText = `ccsctl runs commands on many hosts through CCS and shows what became of each.

A job is signed with your own key before it leaves this machine. It is durable
once ccsctl has said its id: Ctrl-C only stops watching.

Configuration: --config, else $CCSCTL_CONFIG, else ~/.config/ccs/config.yaml:

  addresses: [ccs1.example.org:7400, ccs2.example.org:7400]
  tls: {cert: me.crt, key: me.key, ca: ca.crt}   # relative to the file
  signing_key: me.key
  output: plain                                  # or json, yaml

Exit status:
  0  done; of run, ping and job watch: every target succeeded
  1  the job ended, and some target did not succeed
  2  bad flags, bad configuration, or a request that cannot be
  3  detached by Ctrl-C, or the servers could not be reached: nothing is known
  4  refused: not authenticated, or not allowed
A run on a single host exits with the status of its command instead, as ssh
does, and with 128 + N where signal N ended it.`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "ccsctl",
		Short:             "Run commands on many hosts, and know what became of each",
		Long:              rootText,
		Version:           setup.Version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.config, "config", "", "configuration `FILE` (YAML)")
	flags.StringVarP(&a.output, "output", "o", "", "`FORMAT` of what is printed: plain, json or yaml (default plain)")
	root.AddCommand(
		a.runCommand(), a.pingCommand(),
		group("job", "Look at jobs, follow them and stop them",
			a.jobGetCommand(), a.jobListCommand(), a.jobWatchCommand(), a.jobCancelCommand()),
		group("task", "Look at the tasks of a job", a.taskListCommand()),
		a.outputCommand(),
		group("host", "Look at hosts", a.hostListCommand(), a.hostGetCommand()),
		a.configCommand(),
	)
	return root
}

// group is a noun with its verbs.
func group(noun, short string, verbs ...*cobra.Command) *cobra.Command {
	var names []string
	for _, v := range verbs {
		names = append(names, v.Name())
	}
	slices.Sort(names)
	all := strings.Join(names, ", ")
	cmd := &cobra.Command{
		Use: noun, Short: short, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s needs a verb: %s", noun, all)
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return fmt.Errorf("there is no verb %q of %s: did you mean %s?", args[0], noun, strings.Join(near, " or "))
			}
			return fmt.Errorf("there is no verb %q of %s: give one of %s", args[0], noun, all)
		},
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// one takes exactly one argument.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes %s, and %s given", cmd.Name(), what, countWere(len(args)))
		}
		return nil
	}
}

// countWere is such as "2 arguments were".
func countWere(n int) string {
	if n == 1 {
		return "1 argument was"
	}
	return fmt.Sprintf("%d arguments were", n)
}

// none takes no argument.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: %s takes only flags", args[0], cmd.Name())
	}
	return nil
}
