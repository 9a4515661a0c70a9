package executor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/adopt"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// recordRetry is the pause between tries to record an outcome.
const recordRetry = time.Second

// takeOver does beside the loop what a dead end-process did: drain, timeout and
// stop, until the tree is gone. The outcome is the leader's exit status if it
// could be waited for, else LOST.
func (e *Executor) takeOver(ctx context.Context, c *command, s sight) {
	if c.supervised {
		return
	}
	wake, err := newWake()
	if err != nil {
		e.log.ErrorContext(ctx, "cannot take over a command; it is tried again", slog.String("command_id", c.id), slog.Any("error", err))
		return
	}
	e.log.WarnContext(ctx, "an end-process died; its command is taken over", slog.String("command_id", c.id), slog.Uint64("attempt", uint64(c.attempt)))
	c.supervised, c.wake = true, wake.ring
	id, attempt, held := c.id, c.attempt, c.heldInTime
	e.work.Go(func() {
		stop := context.AfterFunc(ctx, wake.ring)
		err := e.succeed(ctx, id, attempt, s, wake, held)
		stop()
		if err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "a take-over failed; it is tried again", slog.String("command_id", id), slog.Any("error", err))
			err = pausing(ctx, recordRetry)
		}
		_ = err
		e.post(func(context.Context) {
			e.unsupervised(c, attempt)
			wake.close()
		})
	})
}

// outputMissing is told where output may have been in a FIFO that nobody held.
const outputMissing = "its end-process died before all output was taken: the end of the output may be missing"

// succeed is the successor of an end-process from its death to the outcome. On
// an error it has done nothing, and is tried again. held: the executor has held
// the outputs since before that death.
func (e *Executor) succeed(ctx context.Context, id string, attempt uint32, s sight, wake *wake, held bool) error {
	dir, err := e.root.Command(id)
	if err != nil {
		return err
	}
	defer dir.Close()
	run, err := limits(dir)
	if err != nil {
		return err
	}
	leader, err := openLeader(s)
	if err != nil {
		return err
	}
	if leader != nil {
		defer leader.Close()
	}
	sinks, err := openSinks(dir, attempt, run.Keep)
	if err != nil {
		return err
	}
	message := ""
	if !held && (leader == nil || leader.Ended()) {
		message = outputMissing
	}
	watch := &proc.Supervision{
		Leader: leader, Gone: leader == nil && s.found.Run == adopt.Whole,
		Tree: s.claim.Tree(s.run.Leader), Reap: func() {}, Learn: func() (proc.Status, bool) { return e.learn(s.run.Leader) },
		Wake: wake.reader, Stopped: dir.Stopped,
		Abandon: func() bool { return ctx.Err() != nil },
		Overdue: func() { _ = dir.MarkOverdue(attempt); dir.Bell() },
		Began:   dir.Ending(attempt),
		Ends:    func(why proc.Cause) { _ = dir.MarkEnding(attempt, why) }, // a full disk keeps nothing alive
		Report:  run.ReportOnly, Grace: run.Grace, Leave: run.LeaveDescendants,
		Timeout: remaining(run.Timeout, s),
	}
	planted.Do("a successor does not ask why it ends", func() { watch.Began = proc.ByItself })
	for _, sink := range sinks {
		watch.Outputs = append(watch.Outputs, sink)
		defer sink.Close()
	}
	end := watch.Run()
	if end.Abandoned {
		return errShutdown
	}
	out := spool.Ended(end)
	out.NoteMemory(s.claim.Group, run.Limits)
	out.Note(message)
	for i := range spool.Streams {
		out.SetOutput(i, dir.Drained(attempt, i, run.Keep))
	}
	return e.conclude(ctx, dir, attempt, s, out, leader)
}

// limits is what there is to enforce; without a specification nothing is.
func limits(dir *spool.Command) (spool.Run, error) {
	spec, err := dir.Spec()
	if errors.Is(err, spool.ErrDamaged) || errors.Is(err, spool.ErrMissing) {
		return spool.Run{Keep: spool.DefaultKept, Grace: spool.DefaultGrace}, nil
	}
	return spec.Run, err
}

// learn tells how a leader ended that was waited for as an orphan.
func (e *Executor) learn(leader proc.Identity) (proc.Status, bool) {
	if leader.IsZero() {
		return proc.Status{}, false
	}
	e.orphans.reap()
	return e.orphans.status(leader)
}

// conclude records the outcome of a take-over, and only then waits for the
// leader: until then another successor can still learn how it ended.
func (e *Executor) conclude(ctx context.Context, dir *spool.Command, attempt uint32, s sight, out spool.Outcome, leader *proc.Process) error {
	if s.found.Run != adopt.Whole { // it may not even have begun
		out.State, out.Exit = task.Lost, task.Exit{Reason: task.SupervisorLost}
	}
	out.Started, out.Overdue = s.run.At, dir.Overdue(attempt)
	out = dir.Explain(out)
	for {
		err := dir.End(attempt, out)
		if err == nil || errors.Is(err, spool.ErrExists) || errors.Is(err, spool.ErrMissing) {
			break // missing: the whole directory is, and nobody can be told
		}
		if pausing(ctx, recordRetry) != nil {
			return err
		}
	}
	dir.Unlink(attempt)
	if leader != nil {
		leader.Reap()
	}
	return nil
}

// openLeader opens the leader; nil: it is not known, or has ended and was
// waited for.
func openLeader(s sight) (*proc.Process, error) {
	if s.found.Run != adopt.Whole {
		return nil, nil
	}
	p, err := proc.Open(s.run.Leader)
	if errors.Is(err, proc.ErrGone) {
		return nil, nil
	}
	return p, err
}

// openSinks opens what can still be drained.
func openSinks(dir *spool.Command, attempt uint32, limit uint64) ([]*spool.Sink, error) {
	var sinks []*spool.Sink
	for i := range spool.Streams {
		sink, err := dir.OpenSink(attempt, i, limit)
		if errors.Is(err, spool.ErrMissing) {
			continue
		}
		if err != nil {
			for _, open := range sinks {
				open.Close()
			}
			return nil, err
		}
		sinks = append(sinks, sink)
	}
	return sinks, nil
}

// drainLast takes what is left in the outputs of an attempt of which nothing
// lives, and sets what was kept of them.
func drainLast(dir *spool.Command, attempt uint32, o *spool.Outcome) error {
	run, err := limits(dir)
	if err != nil {
		return err
	}
	sinks, err := openSinks(dir, attempt, run.Keep)
	for _, sink := range sinks {
		for sink.Pull() { // bounded: nobody writes any more
		}
		sink.Close()
	}
	for i := range spool.Streams {
		o.SetOutput(i, dir.Drained(attempt, i, run.Keep))
	}
	return err
}

// remaining is what is left of a timeout, by a clock that does not jump; at
// least a moment, so that it is enforced.
func remaining(timeout time.Duration, s sight) time.Duration {
	begun := s.run.Leader.Start
	if begun == 0 {
		begun = s.claim.Supervisor.Start
	}
	if timeout <= 0 || s.overdue {
		return 0
	}
	used := time.Duration(proc.Uptime()-begun) * (time.Second / proc.TicksPerSecond)
	return max(timeout-used, time.Millisecond)
}

// wake is a pipe that a supervision polls.
type wake struct{ reader, writer int }

func newWake() (*wake, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	return &wake{fds[0], fds[1]}, nil
}

// ring may be called from any goroutine until close.
func (w *wake) ring() { _, _ = unix.Write(w.writer, []byte{0}) }

func (w *wake) close() {
	unix.Close(w.reader)
	unix.Close(w.writer)
}
