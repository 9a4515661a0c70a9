package operator

import (
	"errors"
	"path/filepath"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// entry reads one command. ErrMissing: there is none, or it was never accepted.
func entry(v *spool.View, id, boot string, executorUp bool) (Entry, error) {
	dir, err := v.Command(id)
	if err != nil {
		return Entry{}, err
	}
	defer dir.Close()
	spec, damaged, err := dir.Found()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		ID: id, State: task.Accepted, Attempt: dir.Latest(), Account: spec.Run.Account, Group: spec.SlotGroup,
		Program: program(spec.Run), Since: spec.Accepted, Stop: dir.Stopped(),
	}
	e.note(damaged, "spec")
	r, err := readRecords(dir, e.Attempt)
	if err != nil {
		return Entry{}, err
	}
	e.Damaged = append(e.Damaged, r.damaged...)
	switch {
	case r.hasOutcome:
		e.State, e.Reason, e.Since, e.Message = r.outcome.State, r.outcome.Exit.Reason, r.outcome.Ended, r.outcome.Message
	case r.begun:
		e.began(r, boot, executorUp)
	}
	return e, nil
}

func (e *Entry) note(damaged bool, name string) {
	if damaged {
		e.Damaged = append(e.Damaged, name)
	}
}

// program names what runs without its arguments.
func program(r spool.Run) string {
	switch {
	case r.Script.Present && len(r.Interpreter) > 0:
		return "script of " + filepath.Base(r.Interpreter[0])
	case len(r.Argv) > 0:
		return r.Argv[0]
	}
	return ""
}

// records is one reading of an attempt.
type records struct {
	begun      bool // an end-process has its record, or a record that cannot be read says so
	claim      spool.Attempt
	run        spool.Started
	hasRun     bool
	outcome    spool.Outcome
	hasOutcome bool
	damaged    []string
}

func readRecords(dir *spool.Command, attempt uint32) (r records, err error) {
	// The outcome first: what is read later can only be newer, and an attempt
	// that has just ended is told as running rather than as one that never began.
	r.outcome, err = dir.Outcome(attempt)
	r.hasOutcome = err == nil
	if err != nil && !errors.Is(err, spool.ErrMissing) && !errors.Is(err, spool.ErrDamaged) {
		return r, err
	}
	_, err = dir.Exit(attempt)
	r.note(err, "exit")
	r.claim, err = dir.Attempt(attempt)
	r.begun = err == nil && !r.claim.Supervisor.IsZero() || errors.Is(err, spool.ErrDamaged)
	r.note(err, "attempt")
	if err != nil && !errors.Is(err, spool.ErrMissing) && !errors.Is(err, spool.ErrDamaged) {
		return r, err
	}
	r.run, err = dir.Started(attempt)
	r.hasRun = err == nil
	r.note(err, "run")
	return r, nil
}

func (r *records) note(err error, name string) {
	if errors.Is(err, spool.ErrDamaged) {
		r.damaged = append(r.damaged, name)
	}
}

// began fills in who lives of an attempt that has begun.
func (e *Entry) began(r records, boot string, executorUp bool) {
	e.State, e.Since = task.Starting, r.claim.At
	if r.hasRun {
		e.State, e.Since = task.Running, r.run.At
		if r.run.Leader.Boot == boot && lives(r.run.Leader) {
			e.Leader = r.run.Leader.PID
		}
	}
	switch {
	case !r.claim.Supervisor.IsZero() && lives(r.claim.Supervisor):
		e.Supervisor, e.Care = r.claim.Supervisor.PID, ByEndProcess
	case executorUp:
		e.Care = ByExecutor
	default:
		e.Care = ByNobody
	}
}

// lives takes a process that cannot be looked at for a living one.
func lives(id proc.Identity) bool {
	p, err := proc.Open(id)
	if errors.Is(err, proc.ErrGone) {
		return false
	}
	if err != nil {
		return true
	}
	defer p.Close()
	return !p.Ended()
}
