// Command ccsctl is CCS on the command line: run a command on many hosts, see
// what became of it, and look at jobs, tasks, outputs and hosts. There is one
// file per verb; all of them speak through pkg/client alone.
package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/ccs-project/ccs/pkg/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, open: client.New,
		width: func() int { return terminalWidth(os.Stderr) },
	}
	status := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// terminalWidth is the number of columns; 0: it is no terminal that can show a
// live line.
func terminalWidth(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
