// Command ccshost is for an operator who is logged in on a host: what runs here,
// who supervises it, what is wrong, and how to end it or to let nothing new in.
// It works with executor or agent down. There is one file per verb.
package main

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), now: time.Now,
		terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())), who: who(os.Environ()),
	}
	status := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// who is the person, as far as the machine knows: the account before sudo.
func who(environ []string) string {
	if name := variable(environ, "SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
