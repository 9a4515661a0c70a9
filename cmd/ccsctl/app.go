package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ccs-project/ccs/pkg/client"
)

// app is one run of the program, with all that it finds around it.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	screen         screen
	environ        []string
	open           func(client.Config) (*client.Client, error)
	zone           *time.Location // of this machine, or of TZ; then the one in force

	config       string                   // flag --config
	typed        config                   // flags that are settings
	settingFlags map[string][]*pflag.Flag // by key; of several verbs
	output       string                   // format in force
	noColor      bool
	confirmAbove int
}

func (a *app) getenv(key string) string {
	for _, entry := range a.environ {
		if name, value, _ := strings.Cut(entry, "="); name == key {
			return value
		}
	}
	return ""
}

// run runs the program and returns its exit status.
func (a *app) run(ctx context.Context, args []string) int {
	a.stdout = &sink{to: a.stdout}
	a.settingFlags = map[string][]*pflag.Flag{}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	mendBash(root)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil && a.unwritten() == "" {
		return exitOK
	}
	e := a.final(ctx, ran.CommandPath(), err)
	if e.text != "" {
		a.say("ccsctl: %s\n", e.text)
	}
	return e.status
}

// settle takes over what is in force.
func (a *app) settle(c config) {
	a.output, a.noColor, a.confirmAbove = c.Output, c.NoColor, c.ConfirmAbove
	if c.UTC {
		a.zone = time.UTC
	}
}

// client opens the connection that the configuration names.
func (a *app) client() (*client.Client, error) {
	f, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	a.settle(f.config)
	ctl, err := a.open(f.client())
	if err != nil {
		return nil, usagef("cannot use the configuration%s:\n%s", strings.TrimRight(" "+f.file, " "), indent(err.Error()))
	}
	return ctl, nil
}

// with runs a verb with a client, and closes it.
func (a *app) with(do func(*client.Client) error) error {
	ctl, err := a.client()
	if err != nil {
		return err
	}
	return errors.Join(do(ctl), ctl.Close())
}

// say writes for a person; where nobody listens there is nothing to do.
func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.stderr, format, args...) }

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func quoted(text string) string { return strconv.Quote(text) }

func sprint(value any) string { return fmt.Sprint(value) }
