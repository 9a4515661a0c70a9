package job

import (
	"fmt"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Restore gives a machine that has just been made by New what is durable of its
// job. What was released and is not settled is asked for as soon as its host is
// reached, before anything is sent again; and nothing becomes UNKNOWN before
// the hosts have had the grace and the slack to be heard by this owner, however
// long nobody owned the job. An error is ErrRecord: the store does not fit.
func (m *Machine) Restore(r Record) error {
	for _, o := range r.Released {
		if int(o) >= len(m.tasks) {
			return fmt.Errorf("cannot restore job %s: %w: ordinal %d is released, there are %d targets", m.spec.ID, ErrRecord, o, len(m.tasks))
		}
		if e := &m.tasks[o]; !e.is(released) {
			m.see(o, task.Report{Attempt: 1, State: task.Dispatched})
			e.set(released|unheard, true)
			m.row.Released++
		}
	}
	for i := range r.Tasks {
		if err := m.restoreTask(&r.Tasks[i]); err != nil {
			return fmt.Errorf("cannot restore job %s: %w", m.spec.ID, err)
		}
	}
	for _, c := range r.Controls {
		m.answered[c.RequestID] = c
	}
	counts, released := m.row.Counts, m.row.Released
	if r.Row.Revision == 0 || r.Row.State != Quarantined && (r.Row.State == Done) != (counts.unsettled() == 0) {
		return fmt.Errorf("cannot restore job %s: %w: it is %s with %d tasks that are not settled", m.spec.ID, ErrRecord, r.Row.State, counts.unsettled())
	}
	m.row = r.Row
	m.row.Counts, m.row.Released = counts, released
	plant("pause point lost on take-over", func() { m.row.Gate, m.row.BatchGate = 0, 0 })
	plant("forgiven lost on take-over", func() { m.row.Forgiven = 0 })
	plant("requests lost on take-over", func() { clear(m.answered) })
	m.begin(m.row.Batch)
	m.owed.row = false
	m.owed.changed.drain()
	m.full, m.restored = m.limit <= m.row.InFlight(), true
	return nil
}

func (m *Machine) restoreTask(row *TaskRow) error {
	if int(row.Ordinal) >= len(m.tasks) {
		return fmt.Errorf("%w: ordinal %d has a row, there are %d targets", ErrRecord, row.Ordinal, len(m.tasks))
	}
	e := &m.tasks[row.Ordinal]
	settled := row.Report.State.Settled()
	if !row.Report.Valid() || !settled && (row.Report.State != task.Dispatched || !e.is(released)) {
		return fmt.Errorf("%w: ordinal %d is %s in its row", ErrRecord, row.Ordinal, row.Report.State)
	}
	m.see(row.Ordinal, row.Report)
	e.revision, e.lost = row.Revision, row.Lost
	e.set(concluded, row.Concluded)
	return nil
}
