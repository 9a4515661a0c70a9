package job

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// elapse does what is due. It looks at tasks only when something is. A job
// that is done has only the truth about UNKNOWN tasks left to ask for.
func (m *Machine) elapse() {
	if end, s, why := m.lastRelease(); m.due(end) {
		m.skipRest(s, why)
	}
	if m.mayRun() && m.due(m.spec.Rollout.Deadline) && !bug("nothing is stopped at the deadline") {
		m.overrun()
	}
	if m.firsts() > 0 && m.due(m.settleBy(1)) && !bug("settle-by ignored") {
		m.giveUp(func(attempt uint32) bool { return attempt == 1 })
	}
	if m.reruns > 0 && m.due(m.settleBy(2)) {
		m.giveUp(func(attempt uint32) bool { return attempt > 1 })
	}
	if !m.live.empty() && m.due(m.nextPull) {
		m.pull()
	}
	if !m.retry.empty() && m.due(m.retryAt) {
		for _, o := range m.retry.drain() {
			if m.tasks[o].seen.State < task.Accepted {
				m.again(o)
			}
		}
	}
}

// mayRun reports whether something may run that nobody has wanted to stop: in
// flight, or UNKNOWN on a host that is here.
func (m *Machine) mayRun() bool {
	givenUp := !m.live.empty() && !bug("what was given up is not stopped")
	return m.row.Wish < task.DesiredStop && (m.row.InFlight() > 0 || givenUp)
}

// overrun: the deadline has passed, and nothing is to run any more. A job that is
// done stays so.
func (m *Machine) overrun() {
	if m.row.InFlight() > 0 {
		m.halt(task.DesiredStop)
		return
	}
	m.row.Wish = task.DesiredStop
	m.owed.row = true
	for o := range m.live.all() {
		m.wishAgain(o)
	}
}

// Lingers reports whether a job that is done may still run on a host that is here.
// It is not to leave memory before the deadline, which stops that.
func (m *Machine) Lingers() bool { return m.row.State == Done && !m.live.empty() }

func (m *Machine) due(t time.Time) bool { return !m.now.Before(t) }

// firsts is the number of first attempts in flight.
func (m *Machine) firsts() int { return m.row.InFlight() - m.reruns }

// lastRelease is the moment from which nothing is released, and what then
// becomes of the rest. By default start-by and deadline are the same moment;
// then a host that was never reached counts as EXPIRED, which is a bad outcome
// by default, and not as SKIPPED, which is none.
func (m *Machine) lastRelease() (time.Time, task.State, task.Reason) {
	if d := m.spec.Rollout.Deadline; d.Before(m.spec.StartBy) {
		return d, task.Skipped, task.DeadlinePassed
	}
	return m.spec.StartBy, task.Expired, task.StartByPassed
}

func (m *Machine) settleBy(attempt uint32) time.Time {
	t := m.spec.settleBy(attempt)
	plant("given up before the settle-by", func() { t = t.Add(-Slack) })
	if t.Before(m.patience) {
		return m.patience
	}
	return t
}

// giveUp lets the user stop waiting for what is in flight.
func (m *Machine) giveUp(of func(attempt uint32) bool) {
	for i := range m.tasks {
		e := &m.tasks[i]
		if !e.is(released) || e.seen.State.Settled() || !of(e.seen.Attempt) {
			continue
		}
		why := task.StillRunning
		if e.seen.State < task.Accepted {
			why = task.Silent
		}
		m.conclude(uint32(i), task.Unknown, why)
	}
}

// pull asks for everything that is believed released and can be asked for, and
// says the wish again: the slow way that is always right.
func (m *Machine) pull() {
	m.nextPull = m.now.Add(PullEvery)
	for o := range m.live.all() {
		m.owed.query.add(o)
		m.wishAgain(o)
	}
}

// Due is when the machine wants a Tick if nothing happens before; false: never.
// It is asked after Ready. A job that is done and does not linger may be dropped
// from memory; it is restored when a host says something after all.
func (m *Machine) Due() (time.Time, bool) {
	var next time.Time
	at := func(wanted bool, t time.Time) {
		if wanted && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if m.row.State == Quarantined {
		return next, false
	}
	end, _, _ := m.lastRelease()
	at(m.row.Counts.Of(task.Pending) > 0, end)
	if falls, waits := m.barrierTime(); waits && m.row.State == Running {
		at(m.now.Before(falls), falls)
	}
	at(!m.ready.empty() && m.now.Before(m.spec.NotBefore), m.spec.NotBefore)
	at(m.mayRun(), m.spec.Rollout.Deadline)
	at(m.firsts() > 0, m.settleBy(1))
	at(m.reruns > 0, m.settleBy(2))
	at(!m.live.empty(), m.nextPull)
	at(!m.retry.empty(), m.retryAt)
	return next, !next.IsZero()
}
