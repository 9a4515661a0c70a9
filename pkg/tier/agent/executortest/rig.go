package executortest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

// patience is how long a condition may take on a busy machine.
const patience = 30 * time.Second

// sigterm is what ends a command that obeys it.
const sigterm = 15

// rig is one executor under test.
type rig struct {
	agent.Executor
	t *testing.T
}

// order is attempt 1 of a command with these arguments.
func order(id string, argv ...string) wire.StartOrder {
	now := time.Now()
	return wire.StartOrder{Attempt: 1, Spec: spool.Spec{
		ID: id, SlotGroup: "standard", StartBy: now.Add(time.Hour), RememberUntil: now.Add(time.Hour),
		Context: []byte("context of " + id), Run: spool.Run{Argv: argv},
	}}
}

// named is attempt 1 of a command that is not to be started.
func named(id string) agent.Named {
	return agent.Named{ID: id, Attempt: 1, RememberUntil: time.Now().Add(time.Hour), Context: []byte("context of " + id)}
}

// start hands an order over and wants it recorded.
func (r rig) start(o wire.StartOrder) wire.HostCommand {
	r.t.Helper()
	a, err := r.Start(r.t.Context(), o)
	return r.recorded(a, err)
}

func (r rig) recorded(a agent.Answer, err error) wire.HostCommand {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	if a.Acceptance != agent.Recorded {
		r.t.Fatalf("the answer is acceptance %d, not recorded", a.Acceptance)
	}
	return a.Command
}

// becomes watches until a command is in a state, and returns it.
func (r rig) becomes(id string, state task.State) wire.HostCommand {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var last wire.HostCommand
	err := r.Watch(ctx, func(n agent.News) error {
		for _, c := range n.Commands {
			if c.ID == id {
				last = c
			}
		}
		if last.Report.State == state || last.Report.State.Final() {
			return errSeen
		}
		return nil
	})
	if last.Report.State != state {
		r.t.Fatalf("%s is %s %s, not %s (%v)", id, last.Report.State, last.Report.Exit.Reason, state, err)
	}
	return last
}

// ends waits for a state and an exit.
func (r rig) ends(id string, state task.State, exit task.Exit) wire.HostCommand {
	r.t.Helper()
	c := r.becomes(id, state)
	if c.Report.Exit != exit {
		r.t.Errorf("%s ended with %+v, not %+v", id, c.Report.Exit, exit)
	}
	return c
}

// output is the kept bytes of a stream.
func (r rig) output(id string, attempt uint32, stream job.Stream) string {
	r.t.Helper()
	var content bytes.Buffer
	err := r.FetchOutput(r.t.Context(), id, attempt, stream, func(piece []byte) error {
		_, err := content.Write(piece)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return content.String()
}

// until asks again and again whether something has come true.
func (r rig) until(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			r.t.Fatalf("it did not come true: %s", what)
		}
	}
}
