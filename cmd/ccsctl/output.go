package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

func (a *app) outputCommand() *cobra.Command {
	var fromStderr bool
	cmd := &cobra.Command{
		Use:   "output JOB HOST",
		Short: "Print what the command wrote on one host, byte for byte",
		Long: `Print what the command of a job wrote on one host, byte for byte. What was
written beyond the limit of the job is not kept; how much that was goes to stderr.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("output takes a job id and a host, and %s given", countWere(len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(func(ctl *client.Client) error {
				for t, err := range ctl.Tasks(cmd.Context(), args[0], client.TaskFilter{Host: args[1]}) {
					if err != nil {
						return err
					}
					ref := t.Stdout
					if fromStderr {
						ref = t.Stderr
					}
					if !t.Settled() {
						return usagef("there is no output of %s yet: it is %s; wait for it with: ccsctl job watch %s", t.Host, t.State, args[0])
					}
					r := results{app: a, ctl: ctl, job: client.Job{ID: args[0]}}
					return r.stream(cmd.Context(), a.stdout, ref, a.stderr)
				}
				return usagef("host %s is no target of job %s: see ccsctl task list %s", args[1], args[0], args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&fromStderr, "stderr", false, "print what it wrote to stderr instead of stdout")
	return cmd
}
