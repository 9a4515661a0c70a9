package job

import (
	"github.com/ccs-project/ccs/pkg/core/task"
)

// reported takes what a host says of its task. A host is believed about itself
// and nothing else:
//
//   - Another incarnation than the target's is not the target: ErrIncarnation.
//   - A task that was never released cannot have been started by us. That its
//     host knows it proves a release, whose record a restored store has lost:
//     it is noted now, beyond the concurrency if need be, and the report is
//     taken.
//   - An attempt below ours means that ours has not arrived: it is dispatched
//     again. One above ours, within what the job allows, was raised by an owner
//     whose writes a restored store has lost: it is taken over.
//   - Once the task is final by its host's word the report changes nothing,
//     unless that was LOST and a later attempt has ended (see wentOn); a final
//     one is answered with Forget, whoever sends it, so that no host keeps it for
//     ever.
//   - What the scheduler has concluded by itself is corrected by an outcome (see
//     correct), and that nothing was started by what has begun too (see belied).
func (m *Machine) reported(ev Reported) error {
	o, ok := m.targets.Find(ev.Host)
	if !ok {
		return ErrUnknownHost
	}
	if !hostMaySay(ev.Report) {
		return ErrReport
	}
	e := &m.tasks[o]
	own := ev.Incarnation == m.targets.At(o).Incarnation || bug("incarnation ignored")
	final := ev.Report.State.Final()
	switch {
	case e.seen.State.Final() && (!own || !e.is(concluded) || bug("conclusions stand")):
		m.repeated(o, ev, own)
		return nil
	case !own:
		return ErrIncarnation
	case ev.Report.Attempt > m.spec.attempts():
		return ErrAttempt
	case e.seen.State.Final() && final:
		m.correct(o, ev)
		return nil
	case e.seen.State.Final():
		m.belied(o, ev.Report)
		return nil
	}
	m.admit(o)
	first := e.is(unheard)
	e.set(unheard, false)
	if final {
		m.outcome(o, ev)
	} else {
		m.progress(o, ev)
		m.date(o, ev, first)
	}
	return nil
}

// hostMaySay reports whether the report is one that is a host's to make.
func hostMaySay(r task.Report) bool {
	switch r.State {
	case task.Unspecified, task.Pending, task.Unknown, task.Skipped:
		return false
	case task.Lost:
		return r.Valid() && !inferred(r)
	case task.Dispatched, task.Accepted, task.Starting, task.Running, task.Expired, task.Refused,
		task.Canceled, task.StartFailed, task.TimedOut, task.Failed, task.Succeeded:
	}
	return r.Valid()
}

// inferred reports whether a LOST is the scheduler's conclusion. It is final,
// but an outcome that the host sent before it was wiped, and that was under way
// until now, is the truth: see task.Join.
func inferred(r task.Report) bool {
	return r.State == task.Lost && (r.Exit.Reason == task.StateWiped || r.Exit.Reason == task.Forgotten)
}

// progress: the host has come further, or not.
func (m *Machine) progress(o uint32, ev Reported) {
	e := &m.tasks[o]
	if e.seen.State.Settled() {
		return // UNKNOWN waits for an outcome only
	}
	if ev.Report.Attempt < e.seen.Attempt {
		m.again(o)
		return
	}
	seen := task.Join(e.seen, ev.Report)
	switch {
	case seen == e.seen:
	case seen.Attempt != e.seen.Attempt:
		e.lost = task.NoReason
		m.write(o, seen, nil)
	default:
		m.see(o, seen)
	}
	if ev.Detail.Overdue && !e.is(overdue) { // an older report does not take it back
		e.set(overdue, true)
		m.owed.changed.add(o)
	}
}

// date notes since when the task is where its host says that it is. When it
// began to run the host knows; when it came to anything else an owner knows only
// who has heard what was before.
func (m *Machine) date(o uint32, ev Reported, first bool) {
	e := &m.tasks[o]
	switch {
	case ev.Report != e.seen:
	case e.seen.State == task.Running && !ev.Detail.StartedAt.IsZero():
		e.sinceNano = nano(ev.Detail.StartedAt)
	case first:
		e.sinceNano = 0
	}
}

// outcome: the attempt has ended. The task is final with it, unless it may be
// run again.
func (m *Machine) outcome(o uint32, ev Reported) {
	e := &m.tasks[o]
	if ev.Report.Attempt < e.seen.Attempt {
		m.again(o)
		return
	}
	if next, ok := m.rerun(e.seen, ev.Report); ok {
		e.lost = ev.Report.Exit.Reason
		m.write(o, next, nil)
		m.again(o)
		return
	}
	said, detail := e.standing(ev)
	m.write(o, said, &detail)
	plant("an outcome resumes", func() { m.row.State, m.row.Pause = min(m.row.State, Running), NotPaused })
	m.owed.forget.add(o)
}

// rerun is the next attempt after one that was lost, if the job's recovery
// allows one and nobody wants the job to end. What a user may have stopped
// waiting for is not started again.
func (m *Machine) rerun(seen, lost task.Report) (task.Report, bool) {
	stopping := m.row.State == Stopping || m.row.Wish >= task.DesiredStop
	if seen.State.Settled() || stopping || lost.Attempt >= m.spec.attempts()+uint32(off("one attempt too many")) || !m.now.Before(m.spec.RerunUntil) {
		return task.Report{}, false
	}
	return task.Rerun(lost)
}

// again dispatches the attempt in force, if the host is here.
func (m *Machine) again(o uint32) {
	if m.live.has(o) {
		m.owed.dispatch.add(o)
	}
}

// pastW: the host does not know the task and cannot start it any more. It was
// certainly not started only if nothing was ever heard of it under the store
// generation that released it, and no attempt was made before; else the record
// of what it did may have been forgotten on the word of a store that has since
// been restored. Of what the host says that it has forgotten, that is certain.
// Whatever it is, the host need not say it again.
func (m *Machine) pastW(ev PastW) error {
	o, ok := m.targets.Find(ev.Host)
	if !ok {
		return ErrUnknownHost
	}
	e := &m.tasks[o]
	own := ev.Incarnation == m.targets.At(o).Incarnation
	switch {
	case e.seen.State.Final() && (!own || !ev.Forgotten || !e.denied()):
		m.owed.forget.add(o)
		return nil
	case !own:
		return ErrIncarnation
	case ev.Forgotten && ev.SameGeneration:
		return ErrForgotten
	case !ev.Forgotten && !e.is(released):
		return ErrNotReleased
	}
	m.admit(o)
	silent := e.seen.State == task.Dispatched || e.seen.Exit.Reason == task.Silent
	certain := ev.SameGeneration || bug("generation not looked at") && !ev.Forgotten
	if certain && silent && e.seen.Attempt == 1 {
		m.conclude(o, task.Expired, task.StartByPassed)
	} else {
		m.conclude(o, task.Lost, task.Forgotten)
	}
	m.owed.forget.add(o)
	return nil
}
