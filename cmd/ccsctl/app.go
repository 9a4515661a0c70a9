package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ccs-project/ccs/pkg/client"
)

// Exit statuses. A run on a single host passes the exit status of its command
// through instead.
const (
	exitOK      = 0
	exitSome    = 1 // the job ended, and some target did not succeed
	exitUsage   = 2 // bad flags, bad configuration, or a request that cannot be
	exitUnknown = 3 // detached, or the servers could not be reached: the outcome is not known
	exitDenied  = 4 // refused: not authenticated, or not allowed
)

// app is one run of the program, with all that it finds around it.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	open           func(client.Config) (*client.Client, error)
	width          func() int // columns of the terminal behind stderr; 0: there is none

	config string // flag
	output string // flag: plain, json or yaml; empty: the configuration says
}

// exit is an error with the status that it ends the program with. Without a
// text nothing more is said.
type exit struct {
	status int
	text   string
}

// Error is the text.
func (e *exit) Error() string { return e.text }

// usagef is a fault of what was typed.
func usagef(format string, args ...any) error {
	return &exit{exitUsage, fmt.Sprintf(format, args...)}
}

// run runs the program and returns its exit status.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	ran, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var e *exit
	if !errors.As(err, &e) {
		status := statusOf(err)
		text := strings.TrimSpace(err.Error())
		if status == exitUsage && client.CodeOf(err) == client.Internal { // cobra's
			text += fmt.Sprintf("\nSee %s --help.", ran.CommandPath())
		}
		if client.CodeOf(err) == client.Unavailable {
			text = fmt.Sprintf("cannot get an answer of CCS: %s\nTry again; if it stays so, look at the addresses in %s.", text, a.configFile())
		}
		e = &exit{status, text}
	}
	if e.text != "" {
		a.say("ccsctl: %s\n", e.text)
	}
	return e.status
}

// statusOf is the exit status of an error that is not an exit yet. Errors that
// the client has not said are cobra's, about what was typed.
func statusOf(err error) int {
	var said *client.Error
	if !errors.As(err, &said) {
		return exitUsage
	}
	switch said.Code {
	case client.Denied:
		return exitDenied
	case client.Unavailable, client.Canceled, client.Internal:
		return exitUnknown
	case client.Invalid, client.NotFound, client.Conflict, client.Expired, client.WrongState, client.TooMuch:
	}
	return exitUsage
}

// say writes for a person; where nobody listens there is nothing to do.
func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.stderr, format, args...) }

// client opens the connection that the configuration names.
func (a *app) client() (*client.Client, error) {
	c, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	if a.output == "" {
		a.output = c.Output
	}
	if err := checkFormat(a.output); err != nil {
		return nil, err
	}
	ctl, err := a.open(c.client())
	if err != nil {
		return nil, usagef("cannot use the configuration %s:\n%s", a.configFile(), indent(err.Error()))
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

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
