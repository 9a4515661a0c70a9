package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

const runText = `Run a program or a script on many hosts.

The program and its arguments follow "--" and are started without a shell; use
sh -c '...' for pipes and variables.

The results are grouped by equal outcome and output, and printed once per group.
On a single host stdout, stderr and the exit status are passed through.

Hosts by name together with labels or rooms are those that fit both; the others
are named and left out.

Above --confirm-above hosts (100; 0: always) it shows what it is about to do and
asks; without a terminal it refuses, unless --yes is given.

Ctrl-C stops watching and leaves the job alone; it says how to come back, and with
-o json or yaml prints the job without tasks. Hosts that are away get the job when
they are back, until --ttl is over.

A rollout goes in batches (--batch), pauses where you say (--pause-after,
--pause-after-batch) and stops at more bad outcomes than you tolerate
(--max-failures). Before it begins, the plan is shown in a sentence. When it
pauses, run says why and what to type next, and goes on waiting, on a terminal or
not, until somebody resumes or cancels the job; --detach-on-pause ends it instead.

Bad are FAILED, TIMED_OUT, START_FAILED, REFUSED, LOST, UNKNOWN and EXPIRED, but
for what --tolerate names. With --max-failures N never more than N + 1 hosts are at
work, so what was started can end with N + 1 bad outcomes at most.`

const runExample = `  ccsctl run --room bj01 -- uptime
  ccsctl run -l 'app in (web,api),!canary' --concurrency 10% -- sh -c 'df -h | tail -1'
  ccsctl run --all --batch 1,10,25% --pause-after-batch 1 --max-failures 2 -- systemctl restart nginx
  ccsctl run --hosts h1,10.0.0.7 -f check.sh --timeout 1m
  ccsctl run --hosts-file hosts.txt --yes -- systemctl reload nginx
  ccsctl run --all -o json -- hostname | jq -r '.tasks[] | select(.state != "SUCCEEDED") | .host'
  job=$(ccsctl run --all --detach -- sh -c 'sleep 600') && ccsctl job watch $job`

// What --on-timeout takes.
const (
	onTimeoutKill   = "kill"
	onTimeoutReport = "report"
)

// commandFlags are the execution information of a job.
type commandFlags struct {
	file, interpreter, stdin string
	env                      []string
	envFile                  string
	cwd, runAs               string
	timeout, grace           time.Duration
	onTimeout                string
	outputLimit              size
	recoveryFlags
	limitFlags
}

func (c *commandFlags) add(f *pflag.FlagSet) {
	textVar(f, &c.file, "file", "f", "script `FILE` to run; - is stdin")
	timeVar(f, &c.timeout, "timeout", "`TIME` that the command may run on a host, such as 5m (default none)")
	c.onTimeout, c.interpreter = onTimeoutKill, "/bin/sh"
	textVar(f, &c.onTimeout, "on-timeout", "", "`ACTION` at the timeout: kill the whole tree, or report it as overdue and let it run")
	timeVar(f, &c.grace, "grace", "`TIME` between TERM and KILL, at a timeout or a cancel (default 10s)")
	f.Var(&c.outputLimit, "output-limit", "`SIZE` kept of stdout and of stderr, such as 64KiB or 4MiB, at most 16MiB (default 1MiB)")
	textVar(f, &c.interpreter, "interpreter", "", "`PROGRAM` that runs the script")
	textVar(f, &c.stdin, "stdin", "", "`FILE` that the command reads as its stdin on every host; - is stdin")
	f.StringArrayVar(&c.env, "env", nil, "`NAME=VALUE` added to the clean environment of the command; may be repeated")
	textVar(f, &c.envFile, "env-file", "", "`FILE` with NAME=VALUE a line, # begins a comment line; --env of the same name wins; - is stdin")
	textVar(f, &c.cwd, "cwd", "", "absolute `DIRECTORY` on the host that the command starts in")
	textVar(f, &c.runAs, "run-as", "", "`ACCOUNT` on the host (default that of the executor)")
	c.limitFlags.add(f)
	c.recoveryFlags.add(f)
}

// complete completes them; the flags are on the command.
func (c *commandFlags) complete(cmd *cobra.Command) {
	complete(cmd, "on-timeout", fixed(onTimeoutKill, onTimeoutReport))
	c.limitFlags.complete(cmd)
	c.recoveryFlags.complete(cmd)
}

func (a *app) runCommand() *cobra.Command {
	var targets targetFlags
	var control jobFlags
	var command commandFlags
	var yes bool
	cmd := &cobra.Command{
		Use:               "run (-l LABELS | --hosts NAMES | --hosts-file FILE | --room ROOMS | --all) [flags] (-- PROGRAM [ARG...] | -f FILE)",
		Short:             "Run a program or a script on many hosts",
		Long:              runText,
		Example:           runExample,
		ValidArgsFunction: nothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			var r client.Request
			if err := typed(cmd, args); err != nil {
				return err
			}
			if err := oneStdin("--file", command.file, "--stdin", command.stdin, "--env-file", command.envFile, "--hosts-file", targets.hostsFile); err != nil {
				return err
			}
			if err := targets.fill(&r, input{cmd.Context().Err, a.stdin}); err != nil {
				return err
			}
			if err := command.fill(&r, args, input{cmd.Context().Err, a.stdin}); err != nil {
				return err
			}
			if err := control.fill(&r); err != nil {
				return err
			}
			return a.with(func(ctl *client.Client) error {
				return a.submit(cmd.Context(), ctl, r, submission{detach: control.detach, detachOnPause: control.detachOnPause, passThrough: true, confirm: true, yes: yes})
			})
		},
	}
	targets.add(cmd.Flags())
	command.add(cmd.Flags())
	control.add(cmd.Flags())
	a.addSettings(cmd.Flags(), "confirm_above")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask, however many hosts there are")
	cmd.Flags().SortFlags = false
	a.completeTargets(cmd)
	a.completeControl(cmd, &control)
	command.complete(cmd)
	return cmd
}

// oneStdin refuses two flags that would read the same stdin.
func oneStdin(flags ...string) error {
	var from []string
	for pair := range slices.Chunk(flags, 2) {
		if pair[1] == "-" {
			from = append(from, pair[0])
		}
	}
	if len(from) > 1 {
		return usagef("only one of %s can be -, which is stdin: give a file for the other", strings.Join(from, " and "))
	}
	return nil
}

// typed refuses a program that does not follow "--": its own flags would be
// taken for ours.
func typed(cmd *cobra.Command, args []string) error {
	if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
		return fmt.Errorf("unexpected argument %q: put the program and its arguments behind --", args[0])
	}
	return nil
}

func (c *commandFlags) fill(r *client.Request, argv []string, in input) (err error) {
	switch {
	case c.file != "" && len(argv) > 0:
		return usagef("a script and a program are given: leave out --file, or what follows --")
	case c.file == "" && len(argv) == 0:
		return usagef("nothing to run: give the program behind --, or a script with --file")
	case c.onTimeout != onTimeoutKill && c.onTimeout != onTimeoutReport:
		return usagef("--on-timeout %s: give kill or report", c.onTimeout)
	case c.onTimeout == onTimeoutReport && c.timeout == 0:
		return usagef("--on-timeout report says nothing without a --timeout: give one")
	}
	if err := c.recoveryFlags.fill(r); err != nil {
		return err
	}
	to := &r.Command
	if err := c.limitFlags.fill(to); err != nil {
		return err
	}
	if to.Env, err = environment(c.envFile, c.env, in); err != nil {
		return err
	}
	to.Argv, to.Cwd, to.RunAs = argv, c.cwd, c.runAs
	to.Timeout, to.Grace, to.OutputLimit = c.timeout, c.grace, uint64(c.outputLimit)
	if c.onTimeout == onTimeoutReport {
		to.TimeoutAction = client.Report
	}
	if c.file != "" {
		to.Interpreter = []string{c.interpreter}
		if to.Script, err = attach("script", c.file, in); err != nil {
			return err
		}
		if len(to.Script) == 0 {
			return usagef("script %s is empty", c.file)
		}
	}
	if c.stdin != "" {
		to.Stdin, err = attach("stdin", c.stdin, in)
	}
	return err
}
