package executor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// retryAfter is the pause before another end-process is tried, by tries so far.
var retryAfter = [startTries]time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond, time.Second}

// launch starts the command's end-process beside the loop and waits for its
// end there; then the command is looked at again.
func (e *Executor) launch(ctx context.Context, c *command) {
	if c.supervised {
		return
	}
	c.supervised = true
	e.runs(ctx, c)
	pause := retryAfter[min(c.tries, len(retryAfter)-1)]
	c.tries++
	id, attempt, startBy := c.id, c.attempt, c.startBy
	e.work.Go(func() {
		if pausing(ctx, pause) == nil {
			e.runEndProcess(ctx, id, attempt, startBy)
		}
		e.post(func(context.Context) { e.unsupervised(c, attempt) })
	})
}

// unsupervised is the end of what waited for an end-process.
func (e *Executor) unsupervised(c *command, attempt uint32) {
	if c.attempt == attempt {
		c.supervised, c.wake = false, nil
		e.look(c)
	}
}

// runEndProcess returns when the end-process has ended, or could not be
// started: then nothing is recorded and it is tried again. The start-by is
// looked at a last time; the end-process does so once more.
func (e *Executor) runEndProcess(ctx context.Context, id string, attempt uint32, startBy time.Time) {
	if now := time.Now(); !startBy.IsZero() && now.After(startBy) {
		e.expire(ctx, id, attempt, now)
		return
	}
	var p *proc.Process
	err := e.onDisk(func() (err error) {
		p, err = e.spawn(id, attempt)
		return err
	})
	if err != nil {
		e.log.WarnContext(ctx, "cannot start an end-process; it is tried again", slog.String("command_id", id), slog.Any("error", err))
		return
	}
	defer p.Close()
	e.meters.started.Add(ctx, 1)
	if p.Wait(ctx) == nil {
		p.Reap()
	}
}

func (e *Executor) expire(ctx context.Context, id string, attempt uint32, now time.Time) {
	o := spool.Outcome{State: task.Expired, Exit: task.Exit{Reason: task.StartByPassed}, Ended: now}
	err := e.write(id, func(dir *spool.Command) error { return dir.Decide(attempt, spool.Attempt{At: now, Decided: o}) })
	if err != nil {
		e.log.WarnContext(ctx, "cannot record that a command has expired; it is tried again", slog.String("command_id", id), slog.Any("error", err))
	}
}

// endProcessName is how end-processes are called.
const endProcessName = "ccs-endprocess"

// spawn starts the end-process in a session of its own, so that nothing that is
// sent to ours reaches it, with no descriptor and no variable of ours. It is
// given the mark of what it will start: what it has forked and is not the
// command yet is found by that.
func (e *Executor) spawn(id string, attempt uint32) (*proc.Process, error) {
	mark, err := spool.NewMark()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	pidfd := -1
	pid, err := syscall.ForkExec(e.cfg.EndProcess, //nolint:gosec // the operator names the program, and the id was checked
		[]string{endProcessName, e.root.Path(id), strconv.FormatUint(uint64(attempt), 10)},
		&syscall.ProcAttr{
			Dir: "/", Env: []string{"GOMAXPROCS=1", spool.MarkName + "=" + mark, e.owner(), e.placeEntry()}, // fewer threads
			Files: []uintptr{null.Fd(), null.Fd(), null.Fd()},
			Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
		})
	if err != nil {
		return nil, os.NewSyscallError("fork", err)
	}
	if pidfd >= 0 {
		return proc.Child(pidfd, pid, e.boot), nil
	}
	who, err := proc.Of(pid)
	if err != nil {
		return nil, err
	}
	return proc.Open(who)
}

// watchEndProcess waits beside the loop for an end-process that runs already.
func (e *Executor) watchEndProcess(ctx context.Context, c *command, who proc.Identity) {
	if c.supervised {
		return
	}
	p, err := proc.Open(who)
	if err != nil {
		if errors.Is(err, proc.ErrGone) {
			e.look(c)
		}
		return
	}
	c.supervised = true
	attempt := c.attempt
	e.work.Go(func() {
		defer p.Close()
		_ = p.Wait(ctx) // the loop has ended too, if the context has
		e.post(func(context.Context) { e.unsupervised(c, attempt) })
	})
}

// pausing waits, or returns why not.
func pausing(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errShutdown
	}
}

// noRoom reports whether a write failed because the host has no more to give.
func noRoom(err error) bool {
	for _, full := range []error{unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, full) {
			return true
		}
	}
	return false
}
