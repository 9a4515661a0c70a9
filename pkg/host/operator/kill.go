package operator

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// ErrExecutorHangs says that only the executor could end what is left, and it
// holds its directory and does not answer.
var ErrExecutorHangs = errors.New("its end-process is dead, and the executor that took it over does not answer: end that one, start it again, and try again")

// Way is who ends a command.
type Way string

// The ways, in the order in which they are tried.
const (
	Over           Way = "it has ended already"
	ThroughIt      Way = "the executor was told"
	BeforeStart    Way = "it will not start"
	EndProcessTold Way = "its end-process was told"
	EndedHere      Way = "its end-process is dead: what was left of it was ended here"
	LeftToExecutor Way = "nothing of it lives; the executor will say so when it starts"
)

// Kill ends one command as an executor would that was asked to stop it: the wish
// is durable first, then whoever is first decides, and what runs is told, or
// ended. words stand in the outcome. signal tells an executor that is up; an
// error of it means that it is not, or does not answer. It returns when somebody
// is at work, or what is left was ended; [Host.Await] waits for the outcome.
// ErrMissing: the command is not known here.
func (h Host) Kill(id, words string, signal func(attempt uint32, spec spool.Spec) error, now time.Time) (Way, error) {
	v, err := spool.Look(h.StateDir)
	if err != nil {
		return "", err
	}
	defer v.Close()
	dir, err := v.Command(id)
	if errors.Is(err, spool.ErrMissing) {
		if _, err := v.Tomb(id); err == nil || errors.Is(err, spool.ErrDamaged) {
			return Over, nil
		}
	}
	if err != nil {
		return "", err
	}
	defer dir.Close()
	spec, _, err := dir.Found()
	if err != nil {
		return "", err
	}
	attempt := dir.Latest()
	if _, err := dir.Outcome(attempt); err == nil {
		return Over, nil
	}
	if err := dir.StopBecause(words); err != nil {
		return "", err
	}
	told := signal(attempt, spec)
	if told == nil {
		return ThroughIt, nil
	}
	err = dir.Decide(attempt, spool.Attempt{At: now, Decided: dir.Explain(spool.Outcome{
		State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}, Ended: now,
	})})
	if err == nil {
		dir.Bell()
		return BeforeStart, nil
	}
	if !errors.Is(err, spool.ErrExists) {
		return "", err
	}
	return h.killBegun(dir, attempt, spec)
}

// killBegun ends an attempt that somebody has decided about.
func (h Host) killBegun(dir *spool.Command, attempt uint32, spec spool.Spec) (Way, error) {
	claim, err := dir.Attempt(attempt)
	if err != nil && !errors.Is(err, spool.ErrDamaged) {
		return "", err
	}
	if err == nil && claim.Supervisor.IsZero() {
		return Over, nil
	}
	if err == nil {
		switch err := knock(claim.Supervisor); {
		case err == nil:
			return EndProcessTold, nil
		case !errors.Is(err, proc.ErrGone):
			return "", err
		}
	}
	boot, err := proc.BootID()
	if err != nil {
		return "", err
	}
	if claim.Supervisor.Boot != "" && claim.Supervisor.Boot != boot {
		return LeftToExecutor, nil
	}
	root, err := spool.Open(h.StateDir)
	if _, locked := errors.AsType[*spool.LockedError](err); locked {
		return "", ErrExecutorHangs
	}
	if err != nil {
		return "", err
	}
	defer root.Close()
	return endTree(dir, attempt, claim, spec)
}

// knock makes an end-process look at the wish. ErrGone: it is dead.
func knock(endProcess proc.Identity) error {
	p, err := proc.Open(endProcess)
	if err != nil {
		return err
	}
	defer p.Close()
	if p.Ended() {
		return proc.ErrGone
	}
	return p.Signal(unix.SIGUSR1)
}

// awaitEvery is how often the disk is asked for an outcome.
const awaitEvery = 20 * time.Millisecond

// Await waits for the end of a command, or until ctx is done: then the entry is
// the last one that was seen, with the error of ctx.
func (h Host) Await(ctx context.Context, id string) (Entry, error) {
	again := time.NewTicker(awaitEvery)
	defer again.Stop()
	for {
		e, err := h.Find(id)
		if err != nil || !e.Live() {
			return e, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return e, ctx.Err()
		}
	}
}
