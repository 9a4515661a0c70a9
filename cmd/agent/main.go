// Command ccs-agent keeps a host in touch with its room: it verifies commands,
// hands them to the executor of the same host, and reports what came of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"github.com/ccs-project/ccs/cmd/internal/setup"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// gcPercent trades a little CPU, of which an agent uses none, for memory, of
// which every host has to give some.
const gcPercent = 40

// cpus is how many processors run the agent's Go code: so it takes the same
// memory on a host of 2 and on one of 200, and a heartbeat wakes one thread and
// not several (half the wake-ups).
const cpus = 1

func main() {
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(cpus)
	os.Exit(setup.Run(context.Background(), setup.Program[agent.Config]{
		Name:          "agent",
		Short:         "Keeps a host in touch with its room: verifies commands, hands them to the executor, reports.",
		Default:       agent.DefaultConfig(),
		MetricsListen: "127.0.0.1:7541",
		Run:           run,
	}))
}

// run works until ctx ends.
func run(ctx context.Context, p setup.Process, cfg agent.Config) (err error) {
	state, err := agent.OpenFileState(cfg.StateDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	text, err := os.ReadFile(cfg.OperatorKey)
	if err != nil {
		return fmt.Errorf("cannot read operator_key: %w", err)
	}
	operator, err := identity.DecodePublicKey(text)
	if err != nil {
		return fmt.Errorf("operator_key %s: %w", cfg.OperatorKey, err)
	}
	executor, err := agent.OpenSocket(cfg.ExecutorSocket)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, executor.Close()) }()
	a, err := agent.New(cfg, agent.Deps{
		Log: p.Log, Executor: executor, State: state, Operator: operator,
		Enrol:     agent.Enrolment{Config: cfg, State: state, Log: p.Log}.Credential,
		Facts:     agent.HostFacts(p.Version),
		Frozen:    func() (spool.Freeze, error) { return spool.Frozen(cfg.OperatorDir) },
		Telemetry: p.Telemetry,
	})
	if err != nil {
		return err
	}
	p.Check(a.Check)
	p.Expires(a.CertificateExpires)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.Run(ctx) })
	group.Go(func() error {
		select {
		case <-a.Ready():
			return p.Ready(map[string]string{})
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}
