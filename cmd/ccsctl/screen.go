package main

import (
	"context"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen is what stands behind the streams of the program.
type screen struct {
	stdin, stdout, stderr bool // are terminals
	// width is the number of columns behind stderr at the moment.
	width func() int
	// line reads a line from the terminal behind stdin.
	line func(context.Context) (string, error)
}

// realScreen looks at what the program was started with.
func realScreen() screen {
	return screen{
		stdin:  term.IsTerminal(int(os.Stdin.Fd())),
		stdout: term.IsTerminal(int(os.Stdout.Fd())),
		stderr: term.IsTerminal(int(os.Stderr.Fd())),
		width:  func() int { return columns(os.Stderr) },
		line:   func(ctx context.Context) (string, error) { return readLine(ctx, os.Stdin) },
	}
}

// columns is the width of a terminal; 80 where it does not say.
func columns(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// answerEvery is how often a wait for an answer looks whether it is still
// wanted, in milliseconds.
const answerEvery = 100

// readLine reads what a person types, and gives up with ctx: a read of a
// terminal would go on after Ctrl-C.
func readLine(ctx context.Context, f *os.File) (string, error) {
	var line strings.Builder
	for {
		if err := ready(ctx.Err, f); err != nil {
			return "", err
		}
		var piece [256]byte
		n, err := f.Read(piece[:])
		if err != nil {
			return "", err
		}
		line.Write(piece[:n])
		if text, _, whole := strings.Cut(line.String(), "\n"); whole {
			return text, nil
		}
	}
}

// moves reports whether a live line can be shown.
func (a *app) moves() bool { return a.screen.stderr && a.getenv("TERM") != "dumb" }

// colours reports whether a stream takes colours; terminal: it is one.
func (a *app) colours(terminal bool) bool {
	return terminal && !a.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// Colours of outcomes.
const (
	green  = "\x1b[32m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// colourOf says how good a state is: done well, gone wrong, or not known.
func colourOf(state string) string {
	switch state {
	case "SUCCEEDED":
		return green
	case "FAILED", "TIMED_OUT", "START_FAILED", "REFUSED", "LOST", "EXPIRED", stateQuarantined, "revoked":
		return red
	case "UNKNOWN", "CANCELED", "SKIPPED", "STOPPING", "PAUSED", "away", "pending":
		return yellow
	}
	return ""
}

// paint colours a text by a state, for stdout.
func (a *app) paint(state, text string) string { return a.paintOn(a.screen.stdout, state, text) }

func (a *app) paintOn(terminal bool, state, text string) string {
	colour := colourOf(state)
	if colour == "" || !a.colours(terminal) {
		return text
	}
	return colour + text + plain
}
