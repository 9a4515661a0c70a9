package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/pkg/client"
)

const (
	maxRoomsShown = 12
	maxAsked      = 3 // times, before anything else than yes is a no
)

// notConfirmed ends a run that nobody has confirmed.
func notConfirmed(why string) error { return usagef("nothing was submitted: %s", why) }

// mustConfirm reports whether a job has so many hosts that a person is asked.
func (a *app) mustConfirm(t *client.Targets, yes bool) bool {
	return !yes && (a.confirmAbove <= 0 || t.Len() > a.confirmAbove)
}

// confirm asks before a job of many hosts is made.
func (a *app) confirm(ctx context.Context, r client.Request, t *client.Targets, plan, retried string) error {
	if !a.screen.stdin || !a.screen.stderr {
		return notConfirmed(fmt.Sprintf("%s, and more than %d must be confirmed, but there is no terminal to ask on. Give --yes to run it all the same, or a greater --confirm-above",
			plural(t.Len(), "host"), a.confirmAbove))
	}
	a.say("Command:  %s\n", short(commandText(r.Command), 200))
	if retried != "" {
		a.say("Retry of: %s: %s\n", r.RetryOf, short(retried, 200))
	}
	a.say("Hosts:    %s\n", roomsText(t))
	if plan != "" {
		a.say("Plan:     %s\n", plan)
	}
	a.say("Run as:   %s\nAccount:  %s\n", cmp.Or(r.Command.RunAs, "the account of the executor on each host"), cmp.Or(r.Account, "none"))
	for range maxAsked {
		a.say("Run this on %s? yes/no: ", plural(t.Len(), "host"))
		answer, err := a.screen.line(ctx)
		switch {
		case ctx.Err() != nil:
			a.say("\n")
			return errInterrupted
		case errors.Is(err, io.EOF):
			a.say("\n")
			return notConfirmed("there was no answer")
		case err != nil:
			return notConfirmed(fmt.Sprintf("cannot read the answer: %v", err))
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "yes":
			return nil
		case "no":
			return notConfirmed("you said no")
		}
	}
	return notConfirmed("neither yes nor no was said")
}

// roomsText is such as "8 in 2 rooms: bj01 4, sh01 4", the largest first.
func roomsText(t *client.Targets) string {
	rooms := t.Rooms()
	names := slices.SortedFunc(maps.Keys(rooms), func(a, b string) int { return cmp.Or(rooms[b]-rooms[a], cmp.Compare(a, b)) })
	var parts []string
	for _, name := range names[:min(len(names), maxRoomsShown)] {
		parts = append(parts, fmt.Sprintf("%s %d", name, rooms[name]))
	}
	if more := len(names) - maxRoomsShown; more > 0 {
		parts = append(parts, fmt.Sprintf("%s more", plural(more, "room")))
	}
	return fmt.Sprintf("%d in %s: %s", t.Len(), plural(len(names), "room"), strings.Join(parts, ", "))
}

// commandText is a command as it would be typed.
func commandText(c client.Command) string {
	switch {
	case c.Ping:
		return "ping"
	case len(c.Script) > 0:
		return fmt.Sprintf("a script of %s for %s: %s", plural(strings.Count(strings.TrimSuffix(string(c.Script), "\n"), "\n")+1, "line"), strings.Join(c.Interpreter, " "), firstWords(string(c.Script)))
	}
	var words []string
	for _, w := range c.Argv {
		if w == "" || strings.ContainsAny(w, " \t\n\"'\\$&;|<>*?()[]{}#~`!") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// firstWords is the first line of a script that does something.
func firstWords(script string) string {
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return "only comments"
}
