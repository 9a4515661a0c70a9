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
  output: plain                                  # or wide, json, yaml
  confirm_above: 100                             # hosts; above that run asks

Each of them can be given in the environment (CCSCTL_ADDRESSES=a:7400,b:7400,
CCSCTL_TLS_CERT=me.crt, ...) and by a flag, which wins; see ccsctl config --help.
Times are shown in the zone of this machine, of TZ, or in UTC with --utc.

Completion of commands, hosts, labels, rooms and jobs in your shell:

  source <(ccsctl completion bash)               # in ~/.bashrc; needs the package bash-completion
  source <(ccsctl completion zsh)                # in ~/.zshrc, behind compinit
  ccsctl completion fish | source                # in ~/.config/fish/config.fish

Exit status:
  0  done; of run, ping and job watch: every target succeeded
  1  the job ended, and some target did not succeed; of output: something is
     missing or did not verify; of any: stdout could not be written
  2  bad flags, bad configuration, not confirmed, or a request that cannot be
  3  detached by Ctrl-C or --detach-on-pause, or the servers could not be reached:
     the outcome is not known
  4  refused: not authenticated, or not allowed
A run on a single host exits with the status of its command instead, as ssh
does, and with 128 + N where signal N ended it.`

const rootExample = `  ccsctl host list
  ccsctl run --room bj01 -- uptime
  ccsctl job list --submitter mine
  ccsctl job resume JOB
  ccsctl task list JOB --failed
  ccsctl explain JOB HOST
  ccsctl output JOB HOST`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "ccsctl",
		Short:         "Run commands on many hosts, and know what became of each",
		Long:          rootText,
		Example:       rootExample,
		Version:       setup.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.config, "config", "", "configuration `FILE` (YAML)")
	a.addSettings(flags)
	root.AddCommand(
		a.runCommand(), a.pingCommand(),
		group("job", "Look at jobs, follow, pause, resume, stop and retry them",
			a.jobGetCommand(), a.jobListCommand(), a.jobWatchCommand(), a.jobSummaryCommand(),
			a.jobPauseCommand(), a.jobResumeCommand(), a.jobCancelCommand(), a.jobRetryCommand()),
		group("task", "Look at the tasks of a job", a.taskListCommand()),
		a.outputCommand(), a.explainCommand(),
		group("host", "Look at hosts", a.hostListCommand(), a.hostGetCommand()),
		a.configCommand(),
	)
	complete(root, "output", fixed(formats...))
	return root
}

// group is a noun with its verbs.
func group(noun, short string, verbs ...*cobra.Command) *cobra.Command {
	var names, examples []string
	for _, v := range verbs {
		names = append(names, v.Name())
		example, _, _ := strings.Cut(v.Example, "\n")
		examples = append(examples, example)
	}
	slices.Sort(names)
	all := strings.Join(names, ", ")
	cmd := &cobra.Command{
		Use: noun, Short: short, SuggestionsMinimumDistance: 2,
		Example: strings.Join(examples, "\n"),
		Args:    cobra.ArbitraryArgs,
		// What is wrong with a verb that is none is the verb, not its flags.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
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

// exactly takes one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return fmt.Errorf("%s takes %s, and %s given", verbOf(cmd), strings.Join(names, " and "), countWere(len(args)))
		}
		return notEmpty(cmd, args)
	}
}

// countWere is such as "2 arguments were".
func countWere(n int) string {
	switch n {
	case 0:
		return "none was"
	case 1:
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
