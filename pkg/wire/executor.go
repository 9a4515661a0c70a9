package wire

import (
	"errors"
	"fmt"
	"time"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// StartOrder is one attempt that an executor is asked to start.
type StartOrder struct {
	Spec          spool.Spec
	Attempt       uint32
	Script, Stdin []byte // nil: none
}

// StartToProto is the wire form of an order. Empty script and stdin are none.
func StartToProto(o StartOrder) *executorv1.StartRequest {
	request := &executorv1.StartRequest{
		CommandId: o.Spec.ID, Attempt: o.Attempt, SlotGroup: o.Spec.SlotGroup,
		StartBy: TimeToProto(o.Spec.StartBy), RememberUntil: TimeToProto(o.Spec.RememberUntil),
		Context: o.Spec.Context,
	}
	if spec := specToProto(o); o.Spec.Run.Plain() {
		request.Spec = spec
	} else {
		request.FullSpec = spec
	}
	return request
}

// StartFromProto reads an order, with defaults put in; the error wraps
// ErrInvalid and names every fault. A script is there if there is an
// interpreter; it may be empty.
func StartFromProto(r *executorv1.StartRequest) (StartOrder, error) {
	s := r.GetSpec()
	if full := r.GetFullSpec(); full != nil {
		s = full
	}
	o := StartOrder{Attempt: r.GetAttempt(), Spec: spool.Spec{
		ID: r.GetCommandId(), SlotGroup: r.GetSlotGroup(),
		StartBy: TimeFromProto(r.GetStartBy()), RememberUntil: TimeFromProto(r.GetRememberUntil()),
		Context: r.GetContext(),
	}}
	run := &o.Spec.Run
	*run = runFromProto(s)
	if run.Keep == 0 {
		run.Keep = spool.DefaultKept
	}
	if s.GetGrace() == nil {
		run.Grace = spool.DefaultGrace
	}
	if len(run.Interpreter) > 0 || len(s.GetScript()) > 0 {
		o.Script = nonNil(s.GetScript())
	}
	if len(s.GetStdin()) > 0 {
		o.Stdin = s.GetStdin()
	}
	run.Script, run.Stdin = spool.Attach(o.Script), spool.Attach(o.Stdin)
	if err := errors.Join(specForm(r), o.Spec.Check()); err != nil {
		return StartOrder{}, fmt.Errorf("%w: command %q: %w", ErrInvalid, o.Spec.ID, err)
	}
	if o.Attempt == 0 {
		return StartOrder{}, fmt.Errorf("%w: command %q: the attempt is 0, attempts count from 1", ErrInvalid, o.Spec.ID)
	}
	return o, nil
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// HostCommand is what an executor knows of one command.
type HostCommand struct {
	ID            string
	Report        task.Report
	Detail        job.Detail // Signature is never set: the executor signs nothing
	RememberUntil time.Time
	Context       []byte
}

// CommandToProto is the wire form of what is known.
func CommandToProto(c HostCommand) *executorv1.Command {
	return &executorv1.Command{
		CommandId: c.ID, Status: StatusToProto(c.Report), Outputs: OutputsToProto(c.Detail.Outputs),
		StartedAt: TimeToProto(c.Detail.StartedAt), EndedAt: TimeToProto(c.Detail.EndedAt),
		RememberUntil: TimeToProto(c.RememberUntil), Context: c.Context,
		Overdue: c.Detail.Overdue, Message: messageText(c.Detail.Message),
	}
}

// CommandFromProto reads what is known; the error wraps ErrMessage.
func CommandFromProto(c *executorv1.Command) (HostCommand, error) {
	report, err := StatusFromProto(c.GetStatus())
	if err != nil {
		return HostCommand{}, err
	}
	outputs, err := OutputsFromProto(c.GetOutputs())
	if err != nil {
		return HostCommand{}, err
	}
	return HostCommand{
		ID: c.GetCommandId(), Report: report,
		Detail: job.Detail{
			Outputs: outputs, StartedAt: TimeFromProto(c.GetStartedAt()), EndedAt: TimeFromProto(c.GetEndedAt()),
			Message: c.GetMessage(), Overdue: c.GetOverdue(),
		},
		RememberUntil: TimeFromProto(c.GetRememberUntil()), Context: c.GetContext(),
	}, nil
}
