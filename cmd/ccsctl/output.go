package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

const outputText = `Print what the command of a job wrote: on all hosts, each under its title and in
the order of the job, or on one host, as if it had run here.

Outputs are byte for byte what was kept. What was written beyond the limit of the
job (--output-limit of run) is not kept, and how much that was is said. Hosts
that are not settled have no output yet; they are named, and the exit status
is 1. So it is where an output cannot be read: the others are printed all the same.

--verify checks the signature that each host has made over its result, with the
key that the servers know of it, and that the outputs are those that it signed.
What did not verify is named, with the state that the servers claim, and not
printed. What they settled themselves, such as EXPIRED, no host has signed.`

// outputFlags say what is printed of a job.
type outputFlags struct {
	grouped, raw, stderr, verify bool
}

func (a *app) outputCommand() *cobra.Command {
	var how outputFlags
	cmd := &cobra.Command{
		Use:   "output JOB [HOST]",
		Short: "Print what the command of a job wrote, on all hosts or on one",
		Long:  outputText,
		Example: `  ccsctl output JOB
  ccsctl output JOB h1
  ccsctl output JOB h1 --raw > dump.bin
  ccsctl output JOB --grouped --stderr
  ccsctl output JOB --verify > /dev/null`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("%s takes a job id, and a host or none, and %s given", verbOf(cmd), countWere(len(args)))
			}
			return notEmpty(cmd, args)
		},
		ValidArgsFunction: a.completeJobAndHost,
		RunE: func(cmd *cobra.Command, args []string) error {
			if how.raw && how.grouped {
				return usagef("--raw has no titles and --grouped is titles: give one of them")
			}
			return a.with(func(ctl *client.Client) error {
				if a.isDocument() && (how.raw || how.grouped || how.stderr) {
					return usagef("-o %s has everything in its own form: leave out --raw, --grouped and --stderr", a.output)
				}
				o := &jobOutput{outputFlags: how, contents: contents{app: a, ctl: ctl, job: args[0], exact: how.raw}, filter: client.TaskFilter{Host: append(args, "")[1]}}
				return hint(o.print(cmd.Context()), seeTargets)
			})
		},
	}
	cmd.Flags().BoolVar(&how.grouped, "grouped", false, "print equal results once, under the names of all hosts that have them, as run does")
	cmd.Flags().BoolVar(&how.raw, "raw", false, "print the bytes of the outputs and nothing else")
	cmd.Flags().BoolVar(&how.stderr, "stderr", false, "print what was written to stderr instead of stdout")
	cmd.Flags().BoolVar(&how.verify, "verify", false, "check the signatures of the hosts and what they signed; exit status 1 if one is missing or wrong")
	return cmd
}
