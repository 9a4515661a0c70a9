package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ccs-project/ccs/pkg/client"
)

const retryText = `Run a program or a script on those hosts of a job where it did not succeed.

A retry is a job of its own: signed anew with your key, with its own id, and naming
the other as its parent. The command is given again, as to run: of what was signed
the servers show people one line, so ccsctl cannot repeat it for you. Class and
account are those of the parent, unless they are given.

Without --outcome it runs where the parent FAILED, TIMED_OUT, START_FAILED, was
REFUSED or EXPIRED. UNKNOWN and LOST must be named: there the command may have run,
or may still run; a host on which it still does refuses the retry. The hosts are
those of today: one with a new incarnation is a target again.

All else is as with run; see ccsctl run --help.`

// retryFlags say which hosts of the parent are meant.
type retryFlags struct{ outcomes []string }

func (o *retryFlags) fill(r *client.Request) error {
	for _, word := range o.outcomes {
		state := strings.ToUpper(strings.TrimSpace(word))
		if !slices.Contains(outcomes, state) {
			return usagef("--outcome %q is no outcome: give some of %s", word, strings.Join(lower(outcomes), ", "))
		}
		r.Outcomes = append(r.Outcomes, state)
	}
	return nil
}

func (a *app) jobRetryCommand() *cobra.Command {
	var which retryFlags
	var control jobFlags
	var command commandFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "retry JOB [--outcome OUTCOMES] [flags] (-- PROGRAM [ARG...] | -f FILE)",
		Short: "Run a command again on those hosts of a job where it did not succeed",
		Long:  retryText,
		Example: `  ccsctl job retry JOB -- systemctl restart nginx
  ccsctl job retry JOB --outcome failed,lost --batch 1,100% --max-failures 0 -- systemctl restart nginx
  ccsctl job retry JOB -f check.sh --timeout 1m`,
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			parent, argv, err := parentAndArgv(cmd, args)
			if err != nil {
				return err
			}
			r := client.Request{RetryOf: parent}
			if err := oneStdin("--file", command.file, "--stdin", command.stdin, "--env-file", command.envFile); err != nil {
				return err
			}
			if err := which.fill(&r); err != nil {
				return err
			}
			if err := command.fill(&r, argv, input{cmd.Context().Err, a.stdin}); err != nil {
				return err
			}
			if err := control.fill(&r); err != nil {
				return err
			}
			return a.with(func(ctl *client.Client) error {
				return a.retry(cmd.Context(), ctl, r, submission{
					detach: control.detach, detachOnPause: control.detachOnPause, passThrough: true, confirm: true, yes: yes,
				}, cmd.Flags().Changed("class"))
			})
		},
	}
	listVar(cmd.Flags(), &which.outcomes, "outcome", "hosts on which the parent ended in one of these `OUTCOMES`, such as failed,lost (default failed,timed_out,start_failed,refused,expired)")
	command.add(cmd.Flags())
	control.add(cmd.Flags())
	taken := cmd.Flags().Lookup("class")
	taken.Usage, taken.DefValue = "`CLASS` of importance (default that of the parent)", ""
	cmd.Flags().Lookup("account").Usage = "`ACCOUNT` that is charged (default that of the parent)"
	a.addSettings(cmd.Flags(), "confirm_above")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask, however many hosts there are")
	cmd.Flags().SortFlags = false
	complete(cmd, "outcome", words(lower(outcomes)))
	a.completeControl(cmd, &control)
	command.complete(cmd)
	return cmd
}

// parentAndArgv takes the job id in front of "--", and the program behind it.
func parentAndArgv(cmd *cobra.Command, args []string) (parent string, argv []string, err error) {
	dash := cmd.ArgsLenAtDash()
	if dash < 0 {
		dash = len(args)
	}
	switch {
	case dash > 1:
		return "", nil, fmt.Errorf("unexpected argument %q: put the program and its arguments behind --", args[1])
	case dash == 0:
		return "", nil, fmt.Errorf("%s takes a job id in front of the command, and none was given", cmd.CommandPath())
	}
	return args[0], args[1:], nil
}

// retry submits a request with what it takes over from its parent.
func (a *app) retry(ctx context.Context, ctl *client.Client, r client.Request, s submission, class bool) error {
	parent, err := ctl.Job(ctx, r.RetryOf)
	if err != nil {
		return hint(err, seeJobs)
	}
	if !class {
		r.Class = parent.Class
	}
	r.Account = cmp.Or(r.Account, parent.Account)
	s.retried = parent.Command
	return a.submit(ctx, ctl, r, s)
}
