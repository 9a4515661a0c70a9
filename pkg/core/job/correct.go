package job

import (
	"github.com/ccs-project/ccs/pkg/core/task"
)

// admit notes a release that is not on record.
func (m *Machine) admit(o uint32) {
	e := &m.tasks[o]
	if e.is(released) {
		return
	}
	m.ready.remove(m.plan.position(o))
	m.row.Released++
	if e.seen.State == task.Pending {
		m.see(o, task.Report{Attempt: 1, State: task.Dispatched})
	}
	e.set(released, true)
	m.owed.released.add(o)
	if e.is(attached) && !e.seen.State.Final() {
		m.enliven(o)
	}
}

// repeated: the task is final already, and its host has said so.
func (m *Machine) repeated(o uint32, ev Reported, own bool) {
	if !ev.Report.State.Final() {
		return
	}
	m.owed.forget.add(o)
	e := &m.tasks[o]
	switch {
	case !own:
	case m.wentOn(e.seen, ev.Report), bug("last write wins"):
		said, detail := e.standing(ev)
		m.write(o, said, &detail)
	case task.Conflict(e.seen, ev.Report):
		m.conflict(o)
	}
}

// wentOn reports whether an outcome of a later attempt replaces the LOST with
// which the task was final: an owner whose writes a restored store has lost had
// raised the attempt, and the host ran it.
func (m *Machine) wentOn(seen, r task.Report) bool {
	next, ok := task.Rerun(seen)
	if !ok || r.Attempt < next.Attempt || r.Attempt > m.spec.attempts() {
		return false
	}
	return r.Attempt > next.Attempt || mayHaveRun(r)
}

// conflict counts a task of which its host has said two things. A ping may be
// answered twice, and differently: its host keeps no record of it.
func (m *Machine) conflict(o uint32) {
	if e := &m.tasks[o]; !e.is(conflicted) && !m.spec.Ping {
		e.set(conflicted, true)
		m.row.Conflicts++
		m.owed.row = true
	}
}

// correct: the task is final by the scheduler's own word, and its host has an
// outcome. LOST gives way as task.Join says. SKIPPED and EXPIRED say that
// nothing was started: its host knows better what became of it, and its word
// replaces ours. If it started nothing either, but says so otherwise, both may
// not be right: that is counted.
func (m *Machine) correct(o uint32, ev Reported) {
	m.owed.forget.add(o)
	e := &m.tasks[o]
	said, detail := e.standing(ev)
	guessedLost := e.seen.State == task.Lost
	switch {
	case guessedLost && task.Join(e.seen, said) == e.seen:
		return
	case !guessedLost && !mayHaveRun(said) && said != e.seen:
		m.conflict(o)
	}
	m.admit(o)
	m.write(o, said, &detail)
}

// denied reports whether we have said by ourselves that the task was certainly not
// started.
func (e *entry) denied() bool { return e.is(concluded) && e.seen.State != task.Lost }

// belied: a task of which we have said that it was certainly not started is on its
// host, because a restored store has lost its release. What becomes of it is not
// known until its outcome comes; what is wanted of it, the host may not know. A
// state directory that is gone will say no outcome.
func (m *Machine) belied(o uint32, r task.Report) {
	e := &m.tasks[o]
	if !e.denied() || r.State < task.Accepted || bug("what runs changes no conclusion") {
		return
	}
	m.admit(o)
	if e.seen.Exit.Reason == task.NewIncarnation {
		m.write(o, task.Report{Attempt: r.Attempt, State: task.Lost, Exit: task.Exit{Reason: task.StateWiped}}, nil)
		return
	}
	m.write(o, task.Report{Attempt: r.Attempt, State: task.Unknown, Exit: task.Exit{Reason: task.StillRunning}}, nil)
	m.owed.forget.remove(o) // was to answer who speaks for another, or said the opposite
	e.set(unheard, false)
	e.set(attached, true)
	e.awayNano = 0
	m.enliven(o)
	m.wishAgain(o)
}

// mayHaveRun reports whether a final report of a host says that the attempt ran,
// or may have. CANCELED without a reason says neither.
func mayHaveRun(r task.Report) bool {
	if r.State == task.Canceled {
		return r.Exit.Reason == task.Killed
	}
	return r.State != task.Expired && r.State != task.Refused && r.State != task.StartFailed
}

// standing is the outcome of the task after the outcome of an attempt. They are
// the same, but for a later attempt that was not started: then the attempt
// before it stands, which was LOST, for else there would be no later one. EXPIRED
// and its like say that nothing was started: of the task that may be false.
// Why the attempt before was lost may be on the record that a restored store has
// lost; then it is forgotten.
func (e *entry) standing(ev Reported) (task.Report, Detail) {
	r := ev.Report
	if r.Attempt == 1 || mayHaveRun(r) || bug("a later attempt speaks for those before") {
		return r, ev.Detail
	}
	why := task.Forgotten
	if e.seen.Attempt == r.Attempt && e.lost != task.NoReason {
		why = e.lost
	}
	stands := task.Report{Attempt: r.Attempt - 1, State: task.Lost, Exit: task.Exit{Reason: why}}
	return stands, Detail{Message: ev.Detail.Message}
}
