package job

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// mask is a set of task states.
type mask uint32

func maskOf(states ...task.State) (m mask) {
	for _, s := range states {
		m |= 1 << (s / 64)
	}
	return m
}

func (m mask) has(s task.State) bool { return m&(1<<(s/64)) != 0 }

// canBeBad are the outcomes that a failure budget counts, unless the user
// tolerates them (architecture section 5, promise 3).
func canBeBad() mask {
	return maskOf(task.Unknown, task.Expired, task.Refused, task.StartFailed, task.Lost, task.TimedOut, task.Failed)
}

// bad are the outcomes that the failure budget counts.
func (r *Rollout) bad() mask { return canBeBad() &^ maskOf(r.Tolerated...) }

// Bad is the number of bad outcomes.
func (r *Rollout) Bad(c Counts) int {
	bad, sum := r.bad(), 0
	for s, n := range c.All() {
		if bad.has(s) {
			sum += n
		}
	}
	return sum
}

// charged is the number of bad outcomes that count against the budget.
func (m *Machine) charged() int {
	return max(0, m.spec.Rollout.Bad(m.row.Counts)-int(m.row.Forgiven))
}

// unforgive keeps a budget whole that a user has forgiven: late truth that makes
// a bad outcome a good one is taken from those that were forgiven as long as
// there are any, for else another outcome would be forgiven in its place. Which
// task was forgiven is not kept, so that one that was not may stand for one that
// was: then fewer are released, and never more.
func (m *Machine) unforgive(was, is task.State) {
	if bad := m.spec.Rollout.bad(); m.row.Forgiven > 0 && bad.has(was) && !bad.has(is) {
		m.row.Forgiven--
	}
}

// steer decides, before anything is released, whether releasing stops by itself
// and whether the next batch begins. It is the only place where a job pauses or
// aborts without a request.
func (m *Machine) steer() {
	if m.over() || m.row.Counts.Of(task.Pending) == 0 {
		return // there is nothing left to hold back
	}
	if m.spec.Rollout.MaxFailures.Limited && m.charged() > m.budget {
		m.budgetSpent()
		return
	}
	if m.row.State != Running {
		return
	}
	if m.pointReached() {
		m.stopReleasing(PausedAtPoint)
		return
	}
	for m.batchOver() {
		if m.batchPointReached() {
			m.stopReleasing(PausedAtPoint)
			return
		}
		m.extend(m.row.Batch + 1)
		m.owed.row = true
	}
}

// budgetSpent does what the user has asked for. A job that is paused already
// says so from now on: a resume must know what it forgives.
func (m *Machine) budgetSpent() {
	switch {
	case m.spec.Rollout.FailureAction == AbortOnFailure:
		m.skipRest(task.Skipped, task.Aborted)
		m.halt(task.DesiredRun)
	case m.row.Pause != PausedByBudget:
		m.stopReleasing(PausedByBudget)
	}
}

// stopReleasing pauses the job.
func (m *Machine) stopReleasing(why PauseCause) {
	m.row.State, m.row.Pause, m.row.PausedAt = Paused, why, m.now
	m.row.ControlRevision++
	plant("an automatic pause keeps the control revision", func() { m.row.ControlRevision-- })
	m.owed.row = true
}

// unpause forgets why the job was paused.
func (m *Machine) unpause() { m.row.Pause, m.row.PausedAt = NotPaused, time.Time{} }

// pointReached reports whether all that may be released before the next pause
// point has been, and has settled.
func (m *Machine) pointReached() bool {
	return m.row.Gate > 0 && m.row.Released >= m.row.Gate && m.row.InFlight() == 0
}

// batchPointReached is pointReached of the pause points after batches.
func (m *Machine) batchPointReached() bool {
	return m.atBatchGate() && m.batchOver()
}

// atBatchGate reports whether a pause point stands at the end of the batch in
// progress.
func (m *Machine) atBatchGate() bool {
	return m.row.BatchGate > 0 && m.row.Batch+1 >= m.row.BatchGate
}

// release takes as many tasks as the rollout allows, in its order. A release is
// in the bitmap and not in a row: it has no revision of its own.
func (m *Machine) release() {
	left := min(m.allowance(), m.ready.n)
	if left <= 0 {
		return
	}
	for pos := range m.ready.all() {
		if pos >= m.batch.end+uint32(off("barrier off by one")) {
			return
		}
		o := m.plan.ordinal(pos)
		m.ready.remove(pos)
		m.see(o, task.Report{Attempt: 1, State: task.Dispatched})
		m.tasks[o].set(released, true)
		m.row.Released++
		m.enliven(o)
		m.owed.released.add(o)
		m.owed.dispatch.add(o)
		if left--; left == 0 {
			return
		}
	}
}

// allowance is how many more tasks may be released now, whoever they are.
func (m *Machine) allowance() int {
	end, _, _ := m.lastRelease()
	held := m.row.State != Running && !bug("a pause holds nothing back")
	if held || m.now.Before(m.spec.NotBefore) && !bug("not-before is not looked at") || !m.now.Before(end) {
		return 0
	}
	inFlight := m.row.InFlight()
	n := m.limit - inFlight + off("concurrency off by one")
	if m.row.Gate > 0 {
		n = min(n, int(m.row.Gate)-int(m.row.Released)+off("pause point off by one"))
	}
	if m.spec.Rollout.MaxFailures.Limited && !bug("budget checked after release") {
		// Each release is allowed while charged + in flight <= budget.
		n = min(n, m.budget-m.charged()-inFlight+1)
	}
	return n
}
