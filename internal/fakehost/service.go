package fakehost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/tier/agent"
	"github.com/ccs-project/ccs/pkg/wire"
)

var _ agent.Executor = (*Host)(nil)

// Info implements agent.Executor.
func (h *Host) Info(_ context.Context, heard time.Time) (agent.Info, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter("Info"); err != nil {
		return agent.Info{}, err
	}
	h.hear(heard)
	return agent.Info{Incarnation: h.incarnation, Version: "fake", PurgedUntil: h.purged}, nil
}

// maxSessions is how many numbers can be reserved at once.
const maxSessions = 10_000

// ReserveSessions implements agent.Executor.
func (h *Host) ReserveSessions(_ context.Context, count uint32) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter("ReserveSessions"); err != nil {
		return 0, err
	}
	if count < 1 || count > maxSessions {
		return 0, fmt.Errorf("%w: count %d is not within 1..%d", wire.ErrInvalid, count, maxSessions)
	}
	first := h.nextSession
	h.nextSession += uint64(count)
	return first, nil
}

// Start implements agent.Executor.
func (h *Host) Start(_ context.Context, o wire.StartOrder) (agent.Answer, error) {
	o, err := wire.StartFromProto(wire.StartToProto(o)) // with the checks and defaults of the real one
	h.mu.Lock()
	defer h.mu.Unlock()
	if away := h.enter("Start"); away != nil {
		return agent.Answer{}, away
	}
	if err != nil {
		return agent.Answer{}, err
	}
	c, answer := h.known(o.Spec.ID, o.Spec.RememberUntil)
	switch {
	case answer != nil:
		return *answer, nil
	case c == nil && o.Attempt != 1:
		return agent.Answer{}, fmt.Errorf("%w: attempt %d of command %q: no attempt before it is known", wire.ErrInvalid, o.Attempt, o.Spec.ID)
	case c == nil:
		c = h.record(o.Spec.ID, o.Spec.RememberUntil, o.Spec.Context)
	case o.Attempt <= c.Report.Attempt:
		return recorded(c), nil
	default:
		if next, ok := task.Rerun(c.Report); !ok || next.Attempt != o.Attempt {
			return agent.Answer{}, fmt.Errorf("%w: attempt %d of command %q cannot follow attempt %d, which is %s",
				wire.ErrInvalid, o.Attempt, o.Spec.ID, c.Report.Attempt, c.Report.State)
		}
	}
	c.Report, c.Detail, c.outputs, c.said = task.Report{Attempt: o.Attempt, State: task.Accepted}, job.Detail{}, [2][]byte{}, [2][]byte{}
	h.changed(c)
	accepted := recorded(c)
	h.begin(c, o)
	return accepted, nil
}

// Decline implements agent.Executor.
func (h *Host) Decline(_ context.Context, n agent.Named, report task.Report) (agent.Answer, error) {
	h.mu.Lock()
	unknown := h.old
	h.mu.Unlock()
	withdrawn := !unknown && report.State == task.Canceled && report.Exit.Reason == task.BeforeStart
	if report.State != task.Refused && report.State != task.Expired && !withdrawn || report.Attempt == 0 || !report.Valid() {
		return agent.Answer{}, fmt.Errorf("%w: nothing can be declined with %s of attempt %d", wire.ErrInvalid, report.State, report.Attempt)
	}
	return h.pass("Decline", n, report.State, report.Exit, false)
}

// Signal implements agent.Executor.
func (h *Host) Signal(_ context.Context, n agent.Named) (agent.Answer, error) {
	return h.pass("Signal", n, task.Canceled, task.Exit{Reason: task.BeforeStart}, true)
}

// pass carries out a verdict; a wish to stop ends what runs.
func (h *Host) pass(method string, n agent.Named, state task.State, exit task.Exit, stop bool) (agent.Answer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter(method); err != nil {
		return agent.Answer{}, err
	}
	if err := check(n); err != nil {
		return agent.Answer{}, err
	}
	c, answer := h.known(n.ID, n.RememberUntil)
	if answer != nil {
		return *answer, nil
	}
	if c == nil {
		c = h.record(n.ID, n.RememberUntil, n.Context)
		c.Report.Attempt = n.Attempt
		h.settle(c, state, exit)
		return recorded(c), nil
	}
	next, lost := task.Rerun(c.Report)
	switch {
	case lost && next.Attempt == n.Attempt:
		c.Report, c.Detail = next, job.Detail{}
		h.settle(c, state, exit)
	case c.Report.State == task.Accepted:
		c.halt()
		h.settle(c, state, exit)
	case c.Report.State.Live() && stop:
		c.halt()
		h.settle(c, task.Canceled, task.Exit{Reason: task.Killed, Signal: sigterm})
	}
	return recorded(c), nil
}

func check(n agent.Named) error {
	faults := []error{spool.CheckID(n.ID)}
	if n.Attempt == 0 {
		faults = append(faults, errNoAttempt)
	}
	if n.RememberUntil.IsZero() {
		faults = append(faults, errors.New("remember_until is missing"))
	}
	if len(n.Context) > spool.MaxContext {
		faults = append(faults, errors.New("context is longer than 4 KiB"))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%w: command %q: %w", wire.ErrInvalid, n.ID, err)
	}
	return nil
}

// FetchOutput implements agent.Executor.
func (h *Host) FetchOutput(_ context.Context, id string, attempt uint32, stream job.Stream, each func([]byte) error) error {
	content, err := h.output(id, attempt, stream)
	for err == nil && len(content) > 0 {
		n := min(len(content), piece)
		err = each(content[:n:n])
		content = content[n:]
	}
	return err
}

func (h *Host) output(id string, attempt uint32, stream job.Stream) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter("FetchOutput"); err != nil {
		return nil, err
	}
	if stream != job.Stdout && stream != job.Stderr {
		return nil, fmt.Errorf("%w: the stream must be stdout or stderr", wire.ErrInvalid)
	}
	c := h.commands[id]
	if c == nil || attempt != c.Report.Attempt {
		return nil, fmt.Errorf("%w: attempt %d of command %q has no output here", wire.ErrNotFound, attempt, id)
	}
	return c.outputs[stream-job.Stdout], nil
}

// Release implements agent.Executor.
func (h *Host) Release(_ context.Context, id string, heard time.Time) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter("Release"); err != nil {
		return false, err
	}
	defer h.hear(heard)
	c := h.commands[id]
	if c == nil {
		_, tomb := h.tombs[id]
		return tomb, nil
	}
	if !c.Report.State.Final() {
		return false, nil
	}
	delete(h.commands, id)
	h.tombs[id] = c.RememberUntil
	return true, nil
}

// known finds a command, or the answer where it is neither known nor may be
// made. The caller holds mu.
func (h *Host) known(id string, until time.Time) (*command, *agent.Answer) {
	if c := h.commands[id]; c != nil {
		return c, nil
	}
	_, tomb := h.tombs[id]
	switch {
	case tomb:
		return nil, &agent.Answer{Acceptance: agent.Released}
	case !h.purged.IsZero() && !until.After(h.purged):
		return nil, &agent.Answer{Acceptance: agent.PastW}
	case len(h.commands)+len(h.tombs) >= h.records:
		return nil, &agent.Answer{Acceptance: agent.Busy}
	}
	return nil, nil
}

func (h *Host) record(id string, until time.Time, context []byte) *command {
	c := &command{HostCommand: wire.HostCommand{ID: id, RememberUntil: until, Context: context}}
	h.commands[id] = c
	return c
}

func recorded(c *command) agent.Answer {
	return agent.Answer{Acceptance: agent.Recorded, Command: c.HostCommand}
}

// hear takes the time from above, and purges what is past by both clocks.
func (h *Host) hear(t time.Time) {
	if !t.IsZero() {
		h.heard = t
	}
	for id, until := range h.tombs {
		if until.Before(time.Now()) && until.Before(h.heard) {
			delete(h.tombs, id)
			if until.After(h.purged) {
				h.purged = until
			}
		}
	}
}
