package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

const outputText = `Print what the command of a job wrote: on all hosts, each under its title and in
the order of the job, or on one host, as if it had run here.

Outputs are byte for byte what was kept. Of one that is longer than the limit of
the job (--output-limit of run) the beginning and the end are kept, and how much is
missing between them is said there: as a line on a terminal, else on stderr. Hosts
that are not settled have no output yet; they are named, and the exit status
is 1. So it is where an output cannot be read: the others are printed all the same.

-f follows one output of one host, stdout or with --stderr that, while the command
writes it, and ends when the command has ended. --offset begins at a byte of what
the command wrote, which may be still to come. A command is never slowed: who is
slower than it misses something, and how much is said on stderr. When a server is
lost it goes on where it was; while the host is away it waits. What is followed is
not checked with --verify.

--verify checks the signature that each host has made over its result, with the
key that the servers know of it, and that the outputs are those that it signed.
What did not verify is named, with the state that the servers claim, and not
printed. What they settled themselves, such as EXPIRED, no host has signed.`

// outputFlags say what is printed of a job.
type outputFlags struct {
	grouped, raw, stderr, verify, follow bool
}

func (a *app) outputCommand() *cobra.Command {
	var how outputFlags
	var offset uint64
	cmd := &cobra.Command{
		Use:   "output JOB [HOST]",
		Short: "Print what the command of a job wrote, on all hosts or on one",
		Long:  outputText,
		Example: `  ccsctl output JOB
  ccsctl output JOB h1
  ccsctl output JOB h1 --raw > dump.bin
  ccsctl output -f JOB h1
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
			switch begun := cmd.Flags().Changed("offset"); {
			case how.follow && len(args) == 1:
				return usagef("-f follows one host: name it after the job")
			case how.follow && (how.grouped || how.verify):
				return usagef("-f prints an output as it comes: leave out --grouped and --verify")
			case begun && !how.follow:
				return usagef("--offset says where -f begins: give -f too")
			}
			return a.with(func(ctl *client.Client) error {
				if a.isDocument() && how.follow {
					return usagef("-f prints an output as it comes: leave out -o %s", a.output)
				}
				if a.isDocument() && (how.raw || how.grouped || how.stderr) {
					return usagef("-o %s has everything in its own form: leave out --raw, --grouped and --stderr", a.output)
				}
				o := &jobOutput{outputFlags: how, contents: contents{app: a, ctl: ctl, job: args[0], exact: how.raw}, filter: client.TaskFilter{Host: append(args, "")[1]}}
				if how.follow {
					return hint(o.follow(cmd.Context(), offset), seeTargets)
				}
				return hint(o.print(cmd.Context()), seeTargets)
			})
		},
	}
	cmd.Flags().BoolVarP(&how.follow, "follow", "f", false, "print one output of one host while it is written, until the command has ended")
	cmd.Flags().Uint64Var(&offset, "offset", 0, "with -f: begin at this byte of what the command wrote")
	cmd.Flags().BoolVar(&how.grouped, "grouped", false, "print equal results once, under the names of all hosts that have them, as run does")
	cmd.Flags().BoolVar(&how.raw, "raw", false, "print the bytes of the outputs and nothing else")
	cmd.Flags().BoolVar(&how.stderr, "stderr", false, "print what was written to stderr instead of stdout")
	cmd.Flags().BoolVar(&how.verify, "verify", false, "check the signatures of the hosts and what they signed; exit status 1 if one is missing or wrong")
	return cmd
}
