package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

const runText = `Run a program or a script on many hosts.

The program and its arguments follow "--" and are started without a shell:

  ccsctl run --room bj01 -- uptime
  ccsctl run --selector 'app in (web,api),!canary' --concurrency 10% -- sh -c 'df -h | tail -1'
  ccsctl run --hosts h1,10.0.0.7 -f check.sh --timeout 1m
  ccsctl run --all -o json -- hostname | jq .

The results are grouped by equal outcome and output, and printed once per group.
On a single host stdout, stderr and the exit status are passed through.

Ctrl-C stops watching and leaves the job alone; it says how to come back.`

// maxAttached is how many bytes a script or an input may have.
const maxAttached = 1 << 20

// commandFlags are the execution information of a job.
type commandFlags struct {
	file, interpreter, stdin string
	env                      []string
	cwd, runAs               string
}

func (c *commandFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&c.file, "file", "f", "", "script `FILE` to run; - is stdin")
	f.StringVar(&c.interpreter, "interpreter", "/bin/sh", "`PROGRAM` that runs the script")
	f.StringVar(&c.stdin, "stdin", "", "`FILE` that the command reads as its stdin on every host; - is stdin")
	f.StringArrayVar(&c.env, "env", nil, "`NAME=VALUE` added to the clean environment of the command; may be repeated")
	f.StringVar(&c.cwd, "cwd", "", "absolute `DIRECTORY` on the host that the command starts in")
	f.StringVar(&c.runAs, "run-as", "", "`ACCOUNT` on the host (default that of the executor)")
}

func (a *app) runCommand() *cobra.Command {
	var targets targetFlags
	var control jobFlags
	var command commandFlags
	cmd := &cobra.Command{
		Use:   "run (--selector LABELS | --hosts NAMES | --room ROOMS | --all) [flags] (-- PROGRAM [ARG...] | -f FILE)",
		Short: "Run a program or a script on many hosts",
		Long:  runText,
		RunE: func(cmd *cobra.Command, args []string) error {
			var r client.Request
			if err := typed(cmd, args); err != nil {
				return err
			}
			if err := targets.fill(&r); err != nil {
				return err
			}
			if err := command.fill(&r.Command, args, a.stdin); err != nil {
				return err
			}
			if err := control.fill(&r); err != nil {
				return err
			}
			return a.with(func(ctl *client.Client) error {
				return a.submit(cmd.Context(), ctl, r, submission{detach: control.detach, passThrough: true})
			})
		},
	}
	targets.add(cmd.Flags())
	control.add(cmd.Flags())
	command.add(cmd.Flags())
	cmd.Flags().SortFlags = false
	return cmd
}

// typed refuses a program that does not follow "--": its own flags would be
// taken for ours.
func typed(cmd *cobra.Command, args []string) error {
	if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
		return fmt.Errorf("unexpected argument %q: put the program and its arguments behind --", args[0])
	}
	return nil
}

func (c *commandFlags) fill(to *client.Command, argv []string, stdin io.Reader) (err error) {
	switch {
	case c.file != "" && len(argv) > 0:
		return usagef("a script and a program are given: leave out --file, or what follows --")
	case c.file == "" && len(argv) == 0:
		return usagef("nothing to run: give the program behind --, or a script with --file")
	case c.file == "-" && c.stdin == "-":
		return usagef("script and stdin cannot both be read from stdin: give one of them as a file")
	}
	to.Argv, to.Env, to.Cwd, to.RunAs = argv, c.env, c.cwd, c.runAs
	if c.file != "" {
		to.Interpreter = []string{c.interpreter}
		if to.Script, err = attach("script", c.file, stdin); err != nil {
			return err
		}
		if len(to.Script) == 0 {
			return usagef("script %s is empty", c.file)
		}
	}
	if c.stdin != "" {
		to.Stdin, err = attach("stdin", c.stdin, stdin)
	}
	return err
}

// attach reads a file that goes with the job.
func attach(what, path string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("cannot read the %s: %v", what, err)
		}
		defer func() { _ = f.Close() }() // it was only read
		from = f
	}
	content, err := io.ReadAll(io.LimitReader(from, maxAttached+1))
	if err != nil {
		return nil, usagef("cannot read the %s: %v", what, err)
	}
	if len(content) > maxAttached {
		return nil, usagef("%s %s has more than %d bytes (1 MiB), the most that a job carries: let the command fetch it on the host", what, path, maxAttached)
	}
	return content, nil
}

// isExit reports whether an error has its status already.
func isExit(err error) bool {
	var e *exit
	return errors.As(err, &e)
}
