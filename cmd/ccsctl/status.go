package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/ccs-project/ccs/pkg/client"
)

// Exit statuses. A run on a single host passes the exit status of its command
// through instead.
const (
	exitOK      = 0
	exitSome    = 1 // the job ended, and some target did not succeed; of output: something is missing
	exitUsage   = 2 // bad flags, bad configuration, or a request that cannot be
	exitUnknown = 3 // detached, or the servers could not be reached: the outcome is not known
	exitDenied  = 4 // refused: not authenticated, or not allowed
)

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

// isExit reports whether an error has its status already.
func isExit(err error) bool {
	_, is := errors.AsType[*exit](err)
	return is
}

// final is how the program ends after an error of a verb.
func (a *app) final(ctx context.Context, verb string, err error) *exit {
	if e, is := errors.AsType[*exit](err); is && (e.text != "" || a.unwritten() == "") {
		return e
	}
	if lost := a.unwritten(); lost != "" {
		return &exit{exitSome, lost}
	}
	status, text := statusOf(err), tidy(err.Error())
	_, said := errors.AsType[*client.Error](err)
	switch {
	case !said: // cobra's, about what was typed
		text += fmt.Sprintf("\nSee %s --help.", verb)
	case ctx.Err() != nil:
		status, text = exitUnknown, "interrupted"
	case client.CodeOf(err) == client.Untrusted:
		text += "\nLook at the addresses and at the file of the CA (tls.ca) with: ccsctl config"
	case client.CodeOf(err) == client.Unavailable || client.CodeOf(err) == client.Canceled:
		text = fmt.Sprintf("cannot get an answer of CCS: %s\nTry again; if it stays so, look at the addresses with: ccsctl config", text)
	}
	return &exit{status, text}
}

// Words of cobra around what a person wants to know.
var (
	tooLong = regexp.MustCompile(`time: invalid duration "-?([0-9.]+(ns|us|µs|ms|s|m|h))+"`)
	noTime  = regexp.MustCompile(`time: (invalid duration|missing unit in duration|unknown unit .* in duration) ".*"`)
	noCount = regexp.MustCompile(`strconv\.Parse(Uint|Int): parsing ".*": invalid syntax`)
	tooMany = regexp.MustCompile(`strconv\.Parse(Uint|Int): parsing ".*": value out of range`)
	noYes   = regexp.MustCompile(`strconv\.ParseBool: parsing ".*": .*`)
	meant   = regexp.MustCompile(`\n\nDid you mean this\?\n\t(.*)\n`)
)

func tidy(text string) string {
	text = tooMany.ReplaceAllString(noCount.ReplaceAllString(text, "give a whole number from 0"), "it is too great")
	text = noYes.ReplaceAllString(text, "give true or false, or the flag alone")
	text = meant.ReplaceAllString(tooLong.ReplaceAllString(text, "it is too long: give a time such as 90s or 1h30m"), ": did you mean $1?")
	return strings.TrimSpace(noTime.ReplaceAllString(text, "give a time with its unit, such as 90s or 1h30m"))
}

// hint says where to look after an error of a name that was typed.
func hint(err error, where string) error {
	if err == nil || isExit(err) {
		return err
	}
	notAnID := client.CodeOf(err) == client.Invalid && strings.HasPrefix(err.Error(), "job id ")
	if notAnID || client.CodeOf(err) == client.NotFound {
		return fmt.Errorf("%w\n%s", err, where)
	}
	return err
}

// Where to look.
const (
	seeJobs    = "See which jobs there are with: ccsctl job list"
	seeHosts   = "See which hosts there are with: ccsctl host list"
	seeTargets = "See which jobs there are with: ccsctl job list, and the hosts of one with: ccsctl task list JOB"
)

// statusOf is the exit status of an error that is not an exit yet. Errors that
// the client has not said are cobra's, about what was typed.
func statusOf(err error) int {
	said, is := errors.AsType[*client.Error](err)
	if !is {
		return exitUsage
	}
	switch said.Code {
	case client.Denied:
		return exitDenied
	case client.Unavailable, client.Canceled, client.Internal:
		return exitUnknown
	case client.Untrusted: // a configuration that cannot be
		return exitUsage
	case client.NotSigned, client.Corrupt:
		return exitSome
	case client.Invalid, client.NotFound, client.Conflict, client.Expired, client.WrongState, client.TooMuch:
	}
	return exitUsage
}
