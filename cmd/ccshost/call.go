package main

import (
	"context"
	"errors"
	"time"

	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/tier/agent"
)

// callBudget is how long an executor that is up may take to answer.
const callBudget = 5 * time.Second

// info asks the executor who it is; it fails at once where nobody listens.
func (a *app) info(ctx context.Context) (agent.Info, error) {
	var info agent.Info
	err := a.call(ctx, func(ctx context.Context, s *agent.Socket) (err error) {
		info, err = s.Info(ctx, time.Time{})
		return err
	})
	return info, err
}

// signal asks the executor to stop a command.
func (a *app) signal(ctx context.Context, id string, attempt uint32, spec spool.Spec) error {
	return a.call(ctx, func(ctx context.Context, s *agent.Socket) error {
		answer, err := s.Signal(ctx, agent.Named{ID: id, Attempt: attempt, RememberUntil: spec.RememberUntil, Context: spec.Context})
		if err == nil && answer.Acceptance != agent.Recorded {
			err = errors.New("the executor does not know the command")
		}
		return err
	})
}

func (a *app) call(ctx context.Context, do func(context.Context, *agent.Socket) error) error {
	socket, err := agent.OpenSocket(a.executor.Socket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callBudget)
	defer cancel()
	return errors.Join(do(ctx, socket), socket.Close())
}
