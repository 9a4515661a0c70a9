package operator

import (
	"errors"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

// endTree does what an executor does that finds a command with a wish to stop and
// a dead end-process: TERM, the grace, KILL, the last output, the outcome. The
// caller holds the lock of the state directory: no executor does the same.
func endTree(dir *spool.Command, attempt uint32, claim spool.Attempt, spec spool.Spec) (Way, error) {
	run, err := dir.Started(attempt)
	known := err == nil
	if err != nil && !errors.Is(err, spool.ErrMissing) && !errors.Is(err, spool.ErrDamaged) {
		return "", err
	}
	tree := claim.Tree(run.Leader)
	alive, err := tree.Alive()
	if err != nil {
		return "", err
	}
	if !alive {
		return LeftToExecutor, nil
	}
	var leader *proc.Process
	if known {
		if leader, err = proc.Open(run.Leader); err != nil && !errors.Is(err, proc.ErrGone) {
			return "", err
		}
	}
	if leader != nil {
		defer leader.Close()
	}
	grace, keep := spec.Run.Grace, spec.Run.Keep
	if keep == 0 { // the specification cannot be read
		grace, keep = spool.DefaultGrace, spool.DefaultKept
	}
	watch := &proc.Supervision{
		Leader: leader, Gone: known && leader == nil, Tree: tree, Reap: func() {},
		Wake: -1, Stopped: func() bool { return true }, Overdue: func() {}, Grace: grace,
		Began: dir.Ending(attempt), Ends: func(why proc.Cause) { _ = dir.MarkEnding(attempt, why) },
	}
	for i := range spool.Streams {
		sink, err := dir.OpenSink(attempt, i, keep)
		if errors.Is(err, spool.ErrMissing) {
			continue
		}
		if err != nil {
			return "", err
		}
		defer sink.Close()
		watch.Outputs = append(watch.Outputs, sink)
	}
	out := spool.Ended(watch.Run())
	out.NoteMemory(claim.Group, spec.Run.Limits)
	if !known { // it may not even have begun
		out.State, out.Exit = task.Lost, task.Exit{Reason: task.SupervisorLost}
	}
	out.Started, out.Overdue = run.At, dir.Overdue(attempt)
	for i := range spool.Streams {
		out.SetOutput(i, dir.Drained(attempt, i, keep))
	}
	if err := dir.End(attempt, dir.Explain(out)); err != nil && !errors.Is(err, spool.ErrExists) {
		return "", err
	}
	dir.Unlink(attempt)
	return EndedHere, nil
}
