// Command ccsctl is CCS on the command line: run a command on many hosts, see
// what became of it, and look at jobs, tasks, outputs and hosts. There is one
// file per verb; all of them speak through pkg/client alone.
package main

import (
	"context"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, screen: realScreen(),
		environ: os.Environ(), open: client.New, zone: time.Local,
	}
	status := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}
