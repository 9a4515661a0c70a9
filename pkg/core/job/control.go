package job

import (
	"github.com/ccs-project/ccs/pkg/core/task"
)

// cancel stops the job. The answer is the job's row once it is durable.
func (m *Machine) cancel(ev Cancel) error {
	if n := len(ev.RequestID); n < minRequestID || n > maxRequestID {
		return ErrRequestID
	}
	if before, again := m.answered[ev.RequestID]; again {
		if before.KeepRunning != ev.KeepRunning {
			return ErrRequestReused
		}
		return nil
	}
	if ev.Expected != 0 && ev.Expected != m.row.ControlRevision {
		return ErrControlRevision
	}
	wish := task.DesiredStop
	if ev.KeepRunning {
		wish = task.DesiredRun
	}
	if m.row.Counts.unsettled() == 0 || m.row.State == Stopping && m.row.Wish >= wish {
		return nil // nothing that this could change, now or later
	}
	m.skipRest(task.Skipped, task.JobCanceled)
	m.halt(wish)
	row := ControlRow{RequestID: ev.RequestID, ControlRevision: m.row.ControlRevision, KeepRunning: ev.KeepRunning, At: m.now}
	m.answered[ev.RequestID] = row
	m.owed.controls = append(m.owed.controls, row)
	return nil
}

// halt ends releasing for good, with the wish for what has been released.
func (m *Machine) halt(wish task.Desired) {
	m.row.State = Stopping
	m.row.ControlRevision++
	m.owed.row = true
	if wish <= m.row.Wish {
		return
	}
	m.row.Wish = wish
	for o := range m.live.all() {
		m.wishStop(o)
	}
}

// wishStop says stop to a host. What may not have arrived is dispatched with
// the wish instead: a host that does not know it records it as canceled.
func (m *Machine) wishStop(o uint32) {
	if s := m.tasks[o].seen.State; s < task.Accepted {
		m.owed.dispatch.add(o)
	} else {
		m.owed.stop.add(o)
	}
}

// skipRest settles everything that was never released.
func (m *Machine) skipRest(s task.State, why task.Reason) {
	if m.row.Counts.Of(task.Pending) == 0 {
		return
	}
	for o := range m.tasks {
		if m.tasks[o].seen.State == task.Pending {
			m.conclude(uint32(o), s, why)
		}
	}
}

// release takes as many tasks as the rollout allows, in the order of the list.
// A release is in the bitmap and not in a row: it has no revision of its own.
func (m *Machine) release() {
	left := min(m.allowance(), m.ready.n)
	if left <= 0 {
		return
	}
	for o := range m.ready.all() {
		m.ready.remove(o)
		m.see(o, task.Report{Attempt: 1, State: task.Dispatched})
		m.tasks[o].set(released, true)
		m.enliven(o)
		m.owed.released.add(o)
		m.owed.dispatch.add(o)
		if left--; left == 0 {
			return
		}
	}
}

// allowance is how many more tasks may be released now. This is the one place
// that the rest of the rollout (batches, pause points, budget) will narrow; what
// narrows it is a cause in whyPending too.
func (m *Machine) allowance() int {
	end, _, _ := m.lastRelease()
	if m.row.State != Running || m.now.Before(m.spec.NotBefore) || !m.now.Before(end) {
		return 0
	}
	return m.limit - m.row.InFlight()
}
