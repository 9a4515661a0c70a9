package endprocess

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/planted"
)

// Exit statuses of the program. They only help a person: the record on disk is
// what counts.
const (
	Done       = 0 // the attempt has a record, ours or somebody else's
	NotThere   = 3 // no such command, or it may not start: nothing was run
	NoRecord   = 4 // the attempt's record could not be made: nothing was run
	BadCommand = 5 // the specification cannot be read: nothing was run
)

// endProcess is one attempt under way.
type endProcess struct {
	dir     *spool.Command
	attempt uint32
	spec    spool.Spec
	mark    string
	self    proc.Identity
	signals *signals

	group  cgroup.Group // of all that is started; zero: none
	unheld []string     // the limits of the whole tree that it does not hold
}

// Run carries the attempt of the command in the directory to its outcome and
// returns an exit status. The mark must stand in the environment of this very
// process (spool.MarkName): a child of it that is not the command yet is known
// by nothing else. It takes over signals, children, session and umask of the
// whole process. The cgroup of what it starts is made at the place.
func Run(path string, attempt uint32, mark string, place cgroup.Place) int {
	_, _ = unix.Setsid() // fails if the executor has done it
	unix.Umask(ownUmask)
	signals := catchSignals()
	dir, err := spool.OpenCommand(path)
	if err != nil {
		return NotThere
	}
	defer dir.Close()
	spec, err := dir.Spec()
	switch {
	case errors.Is(err, spool.ErrMissing):
		return NotThere
	case err != nil:
		return BadCommand
	case attempt < 1 || !dir.MayStart(attempt):
		return NotThere
	}
	p := &endProcess{dir: dir, attempt: attempt, spec: spec, mark: mark, signals: signals}
	p.group = place.Group(spec.ID, attempt, spec.Run.Limits.Tree())
	mine, err := p.claim(time.Now())
	switch {
	case errors.Is(err, spool.ErrMissing):
		return NotThere
	case err != nil:
		return NoRecord
	case mine:
		p.live()
		defer p.removeGroup() // after the bell: nobody waits for it
	}
	dir.Bell()
	return Done
}

// claim creates the attempt's record, before anything is run. False: the
// attempt is decided and is not ours to run.
func (p *endProcess) claim(now time.Time) (bool, error) {
	record := spool.Attempt{At: now}
	if state, reason := p.forbidden(now); state != task.Unspecified {
		record.Decided = p.dir.Explain(spool.Outcome{State: state, Exit: task.Exit{Reason: reason}, Ended: now})
		return false, unlessExists(p.dir.Decide(p.attempt, record))
	}
	var err error
	if p.self, err = proc.Self(); err != nil {
		return false, err
	}
	record.Supervisor, record.Mark, record.Group = p.self, p.mark, p.group
	if err = p.dir.Decide(p.attempt, record); err != nil {
		return false, unlessExists(err)
	}
	if p.dir.Removed() {
		return false, spool.ErrMissing
	}
	return true, nil
}

func unlessExists(err error) error {
	if errors.Is(err, spool.ErrExists) {
		return nil
	}
	return err
}

// forbidden says why the attempt must not begin; Unspecified: it may.
func (p *endProcess) forbidden(now time.Time) (task.State, task.Reason) {
	startBy := p.spec.StartBy
	if p.attempt > 1 {
		if a, err := p.dir.Accepted(p.attempt); err == nil {
			startBy = a.StartBy
		}
	}
	switch {
	case p.dir.Stopped():
		return task.Canceled, task.BeforeStart
	case !startBy.IsZero() && now.After(startBy) && !planted.Bug("start-by not looked at"):
		return task.Expired, task.StartByPassed
	}
	return task.Unspecified, task.NoReason
}

// live runs the attempt, whose record is ours, and records its outcome.
func (p *endProcess) live() {
	// Look again: who wished a stop after forbidden looked has found our record
	// and signals us; who wished it before the record was made has not.
	if p.dir.Stopped() {
		p.end(spool.Outcome{State: task.Canceled, Exit: task.Exit{Reason: task.BeforeStart}})
		return
	}
	leader, sinks, at, fault := p.start()
	switch {
	case fault != nil && fault.ran:
		p.endAll()
		p.end(spool.Outcome{State: task.Lost, Exit: task.Exit{Reason: task.SupervisorLost}, Started: at, Message: fault.text})
		return
	case fault != nil:
		p.end(spool.Outcome{State: task.StartFailed, Exit: task.Exit{Reason: fault.reason}, Message: fault.text})
		return
	}
	// A failure to write it costs nothing while we live.
	if id := leader.Identity(); id.Start != 0 {
		_ = p.dir.Begin(p.attempt, spool.Started{Leader: id, At: at})
	}
	p.dir.Bell()
	out := p.supervise(leader, sinks)
	out.Started = at
	p.end(out)
	_, _ = leader.Reap() // only now: until the record is made, a successor can still learn the status
	proc.ReapOrphans(0)
}

// endAll returns when nothing that was started lives.
func (p *endProcess) endAll() {
	for pause := 20 * time.Millisecond; proc.HaveLivingChildren(); pause = min(2*pause, time.Second) {
		_ = p.tree().Signal(unix.SIGKILL) // and again
		p.signals.pause(pause)
		proc.ReapOrphans(0)
	}
}

func (p *endProcess) supervise(leader *proc.Process, sinks [2]*spool.Sink) spool.Outcome {
	run := p.spec.Run
	overdue := false
	s := &proc.Supervision{
		Leader: leader, Tree: p.tree(), Outputs: []proc.Output{sinks[0], sinks[1]},
		Reap: func() { proc.ReapOrphans(leader.Identity().PID) },
		Wake: p.signals.fd(),
		Stopped: func() bool {
			return p.signals.take() && p.dir.Stopped()
		},
		Overdue: func() {
			overdue = true
			_ = p.dir.MarkOverdue(p.attempt)
			p.dir.Bell()
		},
		Ends:    func(why proc.Cause) { _ = p.dir.MarkEnding(p.attempt, why) }, // a full disk keeps nothing alive
		Timeout: run.Timeout, Report: run.ReportOnly, Grace: run.Grace, Leave: run.LeaveDescendants,
	}
	end := s.Run()
	out := spool.Ended(end)
	out.NoteMemory(p.group, run.Limits)
	out.Note(p.fallback())
	out.Overdue = overdue
	for i, sink := range sinks {
		out.SetOutput(i, sink.Drained())
		sink.Close()
	}
	return out
}

// end records the outcome. It does not give up: while it lives the leader's
// status is kept, and a disk that was full may have room again.
func (p *endProcess) end(out spool.Outcome) {
	if out.Ended.IsZero() {
		out.Ended = time.Now()
	}
	out = p.dir.Explain(out)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := p.dir.End(p.attempt, out)
		if err == nil || errors.Is(err, spool.ErrExists) || errors.Is(err, spool.ErrMissing) {
			break
		}
		p.signals.pause(pause)
	}
	p.dir.Unlink(p.attempt)
}
