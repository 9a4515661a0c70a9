package job

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Explain is why the task with an ordinal below the number of targets is where
// it is: at least one cause and at most 16, the nearest first, then what stands
// behind it. It changes nothing, and is as of the last Step: who wants it as of
// now steps with a Tick, and asks after the Ready that belongs to it.
//
// A new owner gives the same answer, but for what is in no store: since when the
// concurrency has been reached, a host has been away, a task has been released,
// has waited on its host's disk, or is LOST or SKIPPED for a new incarnation.
// And it gives hosts the grace and the slack to be heard before anything becomes
// UNKNOWN, so that Until may be later.
func (m *Machine) Explain(ordinal uint32) []Cause {
	e := &m.tasks[ordinal]
	var chain []Cause
	switch {
	case e.seen.State.Final():
		return []Cause{m.whySettled(e)}
	case m.row.State == Quarantined:
		chain = m.spec.whySetAside(e.seen, m.row.Trial.Why)
	case !e.is(released):
		chain = m.whyPending(ordinal)
	default:
		chain = m.whyReleased(e)
	}
	return chain[:min(len(chain), maxCauses)]
}

// AtWork is a task that another one waits for.
type AtWork struct {
	Ordinal uint32
	View    View
}

// maxAtWork is how many of those at work are named; it is part of the wire contract.
const maxAtWork = 5

// WaitsFor are the first tasks, by ordinal, that must settle before the one that
// gave the causes is released; none where it waits for something else.
func (m *Machine) WaitsFor(causes []Cause) (some []AtWork) {
	waits := slices.ContainsFunc(causes, func(c Cause) bool {
		return c.Code == CauseConcurrency || c.Code == CauseBatch || c.Code == CauseFailureBudget
	})
	for o := 0; waits && o < len(m.tasks) && len(some) < min(maxAtWork, m.row.InFlight()); o++ {
		if e := &m.tasks[o]; e.is(released) && e.seen.State.Live() {
			some = append(some, AtWork{uint32(o), m.Task(uint32(o))})
		}
	}
	return some
}

// whySettled is for an outcome. When the command ended its host says with the
// details of the outcome, which are in the store; here is when the scheduler
// concluded by itself.
func (m *Machine) whySettled(e *entry) Cause {
	c := Cause{Code: CauseSettled, Seen: e.seen, Concluded: e.is(concluded)}
	end, _, _ := m.lastRelease()
	switch {
	case !c.Concluded:
	case !e.is(released) && e.seen.State == task.Expired, e.seen.Exit.Reason == task.DeadlinePassed:
		c.Since = end
	case e.seen.Exit.Reason == task.JobCanceled:
		c.Since = m.canceledAt(func(ControlRow) bool { return true })
	default:
		c.Since = timeOf(e.sinceNano)
	}
	return c
}

// whyPending is for a task that was never released: all that keeps the job from
// releasing it, as allowance and release have it, and then its host. A rule that
// narrows allowance is one more cause here; the property tests compare the two.
func (m *Machine) whyPending(o uint32) (chain []Cause) {
	end, then, _ := m.lastRelease()
	because := func(c Cause) {
		c.Until, c.Then = end, then
		chain = append(chain, c)
	}
	switch m.row.State {
	case Stopping, Done: // all that is PENDING is skipped by then
		because(Cause{Code: CauseStopping, Since: m.stoppedAt()})
	case Paused:
		because(m.whyPaused())
	case Running, Quarantined:
	}
	if m.now.Before(m.spec.NotBefore) {
		chain = append(chain, Cause{Code: CauseNotBefore, Since: m.spec.Created, Until: m.spec.NotBefore})
	}
	pos := m.plan.position(o)
	free, ahead := m.allowance(), m.ready.below(pos)
	for _, c := range m.whyHeldBack(pos) {
		because(c)
	}
	if m.row.InFlight() >= m.limit {
		because(Cause{Code: CauseConcurrency, Since: m.atLimitSince(), Limit: m.limit, InFlight: m.row.InFlight()})
	}
	if ahead > 0 && ahead >= free {
		because(Cause{Code: CauseOrder, Ahead: ahead, Free: max(free, 0)})
	}
	if e := &m.tasks[o]; !e.is(attached) {
		because(Cause{Code: CauseHostAway, Since: timeOf(e.awayNano)})
	}
	if len(chain) == 0 {
		because(Cause{Code: CauseOrder, Ahead: ahead, Free: free})
	}
	return chain
}

// whyPaused is for a job that a user must resume.
func (m *Machine) whyPaused() Cause {
	c := Cause{Since: m.row.PausedAt, Limit: int(m.row.Gate), Done: int(m.row.Released)}
	switch m.row.Pause {
	case PausedAtPoint:
		c.Code = CausePausePoint
		if m.pointReached() {
			return c
		}
		c.Limit, c.Done, c.OfBatches = int(m.row.BatchGate), int(m.row.Batch)+1, true
	case PausedByBudget:
		c.Code, c.Limit, c.Done = CauseFailureBudget, m.budget, m.charged()
	case PausedByUser, NotPaused:
		c.Code, c.Limit, c.Done = CausePaused, 0, 0
	}
	return c
}

// whyHeldBack is what of the rollout, but for the concurrency, keeps a position
// from being released while the job runs.
func (m *Machine) whyHeldBack(pos uint32) (chain []Cause) {
	if m.row.State != Running {
		return nil
	}
	if pos >= m.batch.end {
		chain = append(chain, Cause{Code: CauseBatch, Limit: m.plan.batchOf(pos) + 1, Done: int(m.row.Batch) + 1})
	}
	if m.row.Gate > 0 && m.row.Released >= m.row.Gate {
		chain = append(chain, Cause{Code: CausePausePoint, Limit: int(m.row.Gate), Done: int(m.row.Released), InFlight: m.row.InFlight()})
	}
	if bad := m.charged(); m.spec.Rollout.MaxFailures.Limited && bad+m.row.InFlight() > m.budget {
		chain = append(chain, Cause{Code: CauseFailureBudget, Limit: m.budget, Done: bad, InFlight: m.row.InFlight()})
	}
	return chain
}

// whyReleased is for a task that its host may have: how far it has come, whether
// it is to end, and whether its host can be heard.
func (m *Machine) whyReleased(e *entry) (chain []Cause) {
	because := func(c Cause) {
		c.Seen, c.Want = e.seen, m.row.Wish
		if !e.seen.State.Settled() {
			c.Until, c.Then = m.settleBy(e.seen.Attempt), task.Unknown
		}
		chain = append(chain, c)
	}
	wished, decides := m.row.Wish >= task.DesiredWithdraw, m.wishDecides(e.seen.State)
	if wished && decides {
		because(Cause{Code: CauseStopping, Since: m.stoppedAt()})
	}
	for _, c := range m.progressOf(e) {
		because(c)
	}
	if wished && !decides {
		because(Cause{Code: CauseStopping, Since: m.stoppedAt()})
	}
	if !e.is(attached) {
		because(Cause{Code: CauseHostAway, Since: timeOf(e.awayNano)})
	}
	return chain
}

// wishDecides reports whether what is wished decides what becomes of a released
// task, before all else that there is to say of it.
func (m *Machine) wishDecides(seen task.State) bool {
	return !seen.Settled() && (m.row.Wish >= task.DesiredStop || m.row.Wish == task.DesiredWithdraw && seen < task.Starting)
}

// progressOf is how far a released task has come.
func (m *Machine) progressOf(e *entry) []Cause {
	since := timeOf(e.sinceNano)
	switch {
	case e.seen.State == task.Unknown:
		return []Cause{m.spec.awaitsLate(e.seen)}
	case e.seen.State < task.Accepted:
		return []Cause{{Code: CauseNotConfirmed, Since: since, TakenOver: e.is(unheard)}}
	case e.seen.State == task.Accepted:
		return []Cause{{Code: CauseExecutorBusy, Since: since, StartBy: m.spec.startBy(e.seen.Attempt)}}
	}
	runs := Cause{Code: CauseRunning, Since: since, Timeout: m.spec.Timeout, OnlyReports: m.spec.TimeoutReportOnly}
	if !e.is(overdue) {
		return []Cause{runs}
	}
	past := runs
	past.Code = CauseOverdue
	if !since.IsZero() {
		past.Since = since.Add(m.spec.Timeout)
	}
	return []Cause{past, runs}
}

// noteFull keeps since when the concurrency has been reached. What settles and
// makes room for another in the same Ready is no break.
func (m *Machine) noteFull() {
	full := m.row.InFlight() >= m.limit
	if full && !m.full {
		m.fullSince = m.now
	}
	m.full = full
}

func (m *Machine) atLimitSince() time.Time {
	if !m.full {
		return time.Time{}
	}
	return m.fullSince
}

// stoppedAt is when the wish that is in force came to be: by a user, or by the
// deadline.
func (m *Machine) stoppedAt() time.Time {
	keeps := m.row.Wish < task.DesiredStop
	if at := m.canceledAt(func(c ControlRow) bool { return c.KeepRunning == keeps }); !at.IsZero() {
		return at
	}
	return m.spec.Rollout.Deadline
}

// canceledAt is when the first of these cancels had its effect; zero: there was
// none.
func (m *Machine) canceledAt(of func(ControlRow) bool) (first time.Time) {
	for _, c := range m.answered {
		if c.Kind == CancelRequest && of(c) && (first.IsZero() || c.At.Before(first)) {
			first = c.At
		}
	}
	return first
}

// SetAside is a task of a job that is quarantined, with the causes that Explain
// would give. It is read off what is durable: no machine is made of a job that
// crashed the last ones.
func (r *Record) SetAside(spec Spec, ordinal uint32) (View, []Cause) {
	v := View{Report: task.Report{Attempt: 1, State: task.Pending}}
	for _, o := range r.Released {
		if o == ordinal {
			v.Report.State, v.Released = task.Dispatched, true
		}
	}
	for i := range r.Tasks {
		if row := &r.Tasks[i]; row.Ordinal == ordinal {
			v.Report, v.Revision, v.Concluded = row.Report, row.Revision, row.Concluded
		}
	}
	if v.Report.State.Final() {
		return v, []Cause{{Code: CauseSettled, Seen: v.Report, Concluded: v.Concluded}}
	}
	return v, spec.whySetAside(v.Report, r.Row.Trial.Why)
}

// Aside are the tasks of a job of so many targets that is quarantined, by
// ordinal, read off what is durable as SetAside does for one. Of a record that
// does not fit the job, which may be why, what fits is shown.
func (r *Record) Aside(total int) []View {
	views := make([]View, total)
	for o := range views {
		views[o].Report = task.Report{Attempt: 1, State: task.Pending}
	}
	for _, o := range r.Released {
		if int(o) < total {
			views[o].Report.State, views[o].Released = task.Dispatched, true
		}
	}
	for i := range r.Tasks {
		if row := &r.Tasks[i]; int(row.Ordinal) < total {
			v := &views[row.Ordinal]
			v.Report, v.Revision, v.Concluded = row.Report, row.Revision, row.Concluded
		}
	}
	return views
}

// whySetAside is for what is not final when its job is quarantined.
func (s *Spec) whySetAside(seen task.Report, why string) []Cause {
	aside := Cause{Code: CauseQuarantined, Seen: seen, Why: why}
	if seen.State == task.Unknown {
		return []Cause{s.awaitsLate(seen), aside}
	}
	return []Cause{aside}
}

// awaitsLate is for UNKNOWN: since the settle-by, though an owner that took over
// late has waited longer.
func (s *Spec) awaitsLate(seen task.Report) Cause {
	return Cause{Code: CauseAwaitsLateOutcome, Seen: seen, Since: s.settleBy(seen.Attempt)}
}
