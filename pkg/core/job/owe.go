package job

import (
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Ready releases what may be released now and returns all that is owed since
// the last Ready, in a deterministic order. Its cost follows what has changed,
// not the number of targets. What it sends relies on the Readys before it being
// durable: see [Ready].
func (m *Machine) Ready() Ready {
	if m.row.State == Quarantined {
		return Ready{}
	}
	m.elapse() // an attempt that was taken over may have been due long ago
	m.steer()
	m.release()
	m.noteFull()
	var rd Ready
	if m.row.State != Done && m.row.Counts.unsettled() == 0 {
		m.row.State = Done
		m.unpause()
		m.row.DoneAt = m.now
		m.owed.row = true
		rd.Settled = true
	}
	rd.Persist = m.persist()
	rd.Send = m.send()
	rd.Changed = m.owed.changed.drain()
	return rd
}

func (m *Machine) persist() Persist {
	o := &m.owed
	if !o.row && o.released.empty() && o.rows.empty() {
		return Persist{}
	}
	m.row.Revision++
	row := m.row
	row.Counts = row.Counts.durable()
	p := Persist{Row: &row, Released: o.released.drain(), Controls: o.controls}
	if !o.rows.empty() {
		p.Tasks = make([]TaskRow, 0, o.rows.n)
	}
	for ordinal := range o.rows.all() {
		e := &m.tasks[ordinal]
		e.revision = m.row.Revision
		p.Tasks = append(p.Tasks, e.durableRow(ordinal, o.details[ordinal]))
		o.rows.remove(ordinal)
	}
	o.row, o.controls, o.details = false, nil, nil
	return p
}

func (e *entry) durableRow(ordinal uint32, detail Detail) TaskRow {
	row := TaskRow{Ordinal: ordinal, Report: durable(e.seen), Revision: e.revision, Detail: detail, Concluded: e.is(concluded)}
	if !e.seen.State.Final() {
		row.Lost = e.lost
	}
	return row
}

// durable is what of a report is written down: of a live one only the attempt.
func durable(r task.Report) task.Report {
	if r.State > task.Dispatched && r.State.Live() {
		r.State = task.Dispatched
	}
	return r
}

func (m *Machine) send() Send {
	o := &m.owed
	var s Send
	for _, ordinal := range o.dispatch.drain() {
		o.wishes.remove(ordinal)
		o.query.remove(ordinal)
		if m.live.has(ordinal) {
			s.Dispatch = append(s.Dispatch, Dispatch{Ordinal: ordinal, Attempt: m.tasks[ordinal].seen.Attempt, Want: m.row.Wish})
		}
	}
	for _, ordinal := range o.wishes.drain() {
		if m.live.has(ordinal) && !bug("a stop is not said") {
			s.Wishes = append(s.Wishes, Wish{Ordinal: ordinal, Attempt: m.tasks[ordinal].seen.Attempt, Want: m.row.Wish})
		}
	}
	for _, ordinal := range o.query.drain() {
		if m.live.has(ordinal) {
			s.Query = append(s.Query, ordinal)
		}
	}
	s.Forget = o.forget.drain()
	return s
}
