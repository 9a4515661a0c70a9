package job

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// batch is the batch in progress, with all before it: what the barrier at its
// end waits for. Only counts, so that a report costs the same in any batch.
type batch struct {
	begin, end uint32 // positions
	waiting    int    // PENDING below end
	settled    int    // settled from begin to end

	absent  ordinals  // positions of PENDING tasks whose hosts are away
	missing int       // of those, below end
	excused time.Time // when all that are missing have been away long enough; zero: not known
}

// begin makes a batch the one in progress, from nothing: it looks at every target
// up to its end.
func (m *Machine) begin(n uint32) {
	m.batch.end, m.batch.waiting, m.batch.missing = 0, 0, 0
	m.extend(n)
}

// extend makes a batch the one in progress, and looks at what is new up to its
// end: over all batches of a job, at each target once.
func (m *Machine) extend(n uint32) {
	m.row.Batch = n
	b := &m.batch
	from := b.end
	b.begin, b.end = uint32(m.plan.begin(int(n))), uint32(m.plan.end(int(n)))
	b.settled, b.excused = 0, time.Time{}
	for pos := from; pos < b.end; pos++ {
		switch s := m.tasks[m.plan.ordinal(pos)].seen.State; {
		case s == task.Pending:
			b.waiting++
			if b.absent.has(pos) {
				b.missing++
			}
		case s.Settled() && pos >= b.begin:
			b.settled++
		}
	}
}

// moved notes that a task has become something else.
func (b *batch) moved(pos uint32, from, to task.State) {
	if from == task.Pending && to != task.Pending {
		b.returned(pos)
		if pos < b.end {
			b.waiting--
		}
	}
	if !from.Settled() && to.Settled() && pos >= b.begin && pos < b.end {
		b.settled++
	}
}

// left notes that the host of a PENDING task is away.
func (b *batch) left(pos uint32) {
	if !b.absent.has(pos) && pos < b.end {
		b.missing++
	}
	b.absent.add(pos)
	b.excused = time.Time{}
}

// returned notes that the host of a task is not away, or that it matters no more.
func (b *batch) returned(pos uint32) {
	if !b.absent.has(pos) {
		return
	}
	b.absent.remove(pos)
	b.excused = time.Time{}
	if pos < b.end {
		b.missing--
	}
}

// barrierTime is when the barrier at the end of the batch in progress falls if
// nothing else happens; false: something else must happen first. Everything
// that is released must have settled, and something of the batch itself. What is
// pending must be away, and for long enough: hosts of which nothing is known are
// not (architecture section 5, promise 3). At the end of the last batch there is
// one only if a pause point stands there, for those who come later.
func (m *Machine) barrierTime() (time.Time, bool) {
	b := &m.batch
	last := int(b.end) == m.plan.total
	switch {
	case last && (b.waiting == 0 || !m.atBatchGate()), m.row.InFlight() > 0 && !bug("barrier does not wait for what runs"),
		b.settled == 0 && !bug("batch passed with nothing settled"), b.waiting != b.missing && !bug("batch passes who is not known to be away"):
		return time.Time{}, false
	case b.waiting == 0:
		return m.now, true
	case b.excused.IsZero():
		var last int64
		for pos := range b.absent.all() {
			if pos >= b.end {
				break
			}
			last = max(last, m.tasks[m.plan.ordinal(pos)].awayNano)
		}
		b.excused = time.Unix(0, last).UTC().Add(m.waitOffline())
	}
	return b.excused, true
}

// batchOver reports whether the next batch may begin.
func (m *Machine) batchOver() bool {
	at, ok := m.barrierTime()
	return ok && (m.due(at) || bug("away hosts are excused at once"))
}

func (m *Machine) waitOffline() time.Duration {
	if w := m.spec.Rollout.WaitOffline; w > 0 {
		return w
	}
	return DefaultWaitOffline
}
