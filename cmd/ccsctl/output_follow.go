package main

import (
	"context"
	"fmt"

	"github.com/ccs-project/ccs/pkg/client"
)

// follow prints an output of one host while it is written. What is not output
// goes to stderr: why nothing comes, and how much is missing where.
func (o *jobOutput) follow(ctx context.Context, offset uint64) error {
	host, to := o.filter.Host, &lastByte{to: o.app.stdout}
	next := offset
	for p, err := range o.ctl.Follow(ctx, o.job, host, client.FollowQuery{Stderr: o.stderr, Offset: offset}) {
		switch {
		case err != nil && ctx.Err() != nil:
			o.line(to)
			return &exit{exitUnknown, fmt.Sprintf("interrupted; go on from here with: %s", o.again(next))}
		case err != nil:
			o.line(to)
			return fmt.Errorf("%w\nGo on from here with: %s", err, o.again(next))
		case p.Waits == "start":
			o.app.say("[the command has not begun on %s: waiting for it]\n", host)
		case p.Waits != "":
			o.app.say("[%s is away, or cannot be asked now: waiting for it]\n", host)
		case p.End:
			o.line(to)
			return nil
		default:
			if p.Gap > 0 {
				o.line(to)
				o.app.say("%s\n", cutMark(p.Gap))
			}
			next = p.Next()
			if _, err := to.Write(p.Content); err != nil {
				return &exit{status: exitSome} // the sink says it
			}
		}
	}
	return nil
}

// again is how to go on.
func (o *jobOutput) again(offset uint64) string {
	stream := ""
	if o.stderr {
		stream = " --stderr"
	}
	return fmt.Sprintf("ccsctl output -f %s %s%s --offset %d", o.job, o.filter.Host, stream, offset)
}

// line ends the last line of an output on a terminal, before something else is
// said there, and undoes what it did to the colours.
func (o *jobOutput) line(to *lastByte) {
	if !o.onTerminal(o.app.stdout) || !to.some {
		return
	}
	if to.escapes {
		_, _ = fmt.Fprint(o.app.stdout, plain) // what cannot be written the sink remembers
	}
	if to.last != '\n' {
		_, _ = fmt.Fprintln(o.app.stdout)
	}
	to.some, to.escapes = false, false
}

// cutMark stands where bytes of an output are missing.
func cutMark(n uint64) string { return fmt.Sprintf("[... %s bytes cut ...]", thousands(n)) }

// thousands is such as 1,234,567.
func thousands(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
