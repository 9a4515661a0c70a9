// Command ccs-executor runs commands on this host and remembers what became of
// them. An agent calls it over a unix socket.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/tier/executor"
)

// Budgets of stopping. End-processes go on: nothing of theirs is waited for.
const (
	stopBudget = 10 * time.Second
	callDrain  = 2 * time.Second
)

// maxMessage fits a script, a standard input and the rest.
const maxMessage = 4 << 20

// gcPercent trades a little CPU for memory, which every host has to give: after
// jobs an executor keeps 1.8 MB less (docs/adr/0010).
const gcPercent = 40

// processors is how many processors run the executor's Go code at most: so it
// takes the same memory on a host of 2 and on one of 200. What blocks has
// threads beside.
const processors = 2

func main() {
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(min(processors, runtime.NumCPU()))
	os.Exit(setup.Run(context.Background(), setup.Program[executor.Config]{
		Name:          "executor",
		Short:         "ccs-executor runs commands on this host and remembers what became of them.",
		Default:       executor.Default(),
		MetricsListen: "127.0.0.1:7542",
		Run:           run,
	}))
}

func run(ctx context.Context, p setup.Process, cfg executor.Config) error {
	e, err := executor.Open(cfg, executor.Deps{Log: p.Log, Telemetry: p.Telemetry, Version: p.Version})
	if err != nil {
		return err
	}
	p.Check(e.Check)
	listener, err := executor.Listen(cfg.Socket)
	if err != nil {
		return fmt.Errorf("cannot serve: %w", err)
	}
	server := grpc.NewServer(grpc.Creds(executor.PeerCredentials()), grpc.MaxRecvMsgSize(maxMessage))
	e.Register(server)
	return lifecycle.New(p.Log, stopBudget,
		lifecycle.Part{Name: "executor", Run: e.Run},
		lifecycle.GRPC("socket", server, listener, callDrain),
		lifecycle.Part{
			Name:  "ready",
			Start: func(context.Context) error { return p.Ready(map[string]string{"socket": cfg.Socket}) },
			Stop:  func(context.Context) error { e.HangUp(); return nil },
		},
	).Run(ctx)
}
