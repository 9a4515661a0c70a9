package job

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Paces of what is said again.
const (
	PullEvery  = 30 * time.Second // what is released is asked for (architecture section 6)
	rerouteGap = time.Second      // until what an aggregator could not pass on is tried again
)

// Machine is one job. It is not safe for concurrent use: one shard owns it. A
// target costs 48 bytes besides the target list, and a few bits.
type Machine struct {
	spec    Spec
	targets *Targets
	limit   int // concurrency in targets
	plan    plan
	budget  int // bad outcomes tolerated; meaningful if the rollout limits them

	now   time.Time
	row   Row // with live counts
	tasks []entry

	reruns   int                   // in flight with an attempt above 1
	answered map[string]ControlRow // requests that had their effect, by id
	batch    batch

	ready ordinals // positions: never released, and the host is attached: may be released
	live  ordinals // released, not final, and the host is attached: can be talked to

	nextPull time.Time // meaningful while something is live
	retryAt  time.Time // meaningful while something is in retry
	retry    ordinals  // could not be passed on: dispatch again at retryAt
	restored bool      // by Restore, and not stepped since
	patience time.Time // nothing becomes UNKNOWN earlier: hosts are to be heard first after a restart

	full      bool      // as many are in flight as the concurrency allows
	fullSince time.Time // since when; zero: it was so before this owner

	owed owed
}

// owed is what the next Ready says.
type owed struct {
	row                             bool
	rows, changed                   ordinals
	released                        ordinals
	dispatch, wishes, forget, query ordinals
	details                         map[uint32]Detail
	controls                        []ControlRow
}

// entry is one task.
type entry struct {
	seen      task.Report
	lost      task.Reason // why the attempt before was LOST; none: there was none, or it is not known
	mark      mark
	revision  uint64
	awayNano  int64 // since when the host is away, Unix; 0: not known
	sinceNano int64 // since when the task is in the state that was seen, Unix; 0: not known
}

// mark is what else is known of a task, in bits.
type mark uint8

const (
	released   mark = 1 << iota
	attached        // in the right incarnation
	overdue         // the host said so
	unheard         // released by an owner before this one, and nothing heard since
	conflicted      // counted
	concluded       // final by the scheduler's own word: no host has said it
)

func (e *entry) is(m mark) bool { return e.mark&m != 0 }

func (e *entry) set(m mark, on bool) {
	e.mark &^= m
	if on {
		e.mark |= m
	}
}

// New returns a job that has just been accepted; its first Ready holds its
// first row. A job that is in the store already is given its Record with
// Restore before anything else. Spec and targets have passed [Validate].
func New(spec Spec, targets *Targets) *Machine {
	n := targets.Len()
	m := &Machine{
		spec:     spec,
		targets:  targets,
		limit:    n,
		tasks:    make([]entry, n),
		answered: map[string]ControlRow{},
		plan:     newPlan(spec.Rollout, targets),
		budget:   spec.Rollout.MaxFailures.Of(n),
	}
	if c := spec.Rollout.Concurrency; !c.IsZero() {
		m.limit = c.Of(n)
	}
	for _, set := range []*ordinals{
		&m.ready, &m.live, &m.retry, &m.batch.absent,
		&m.owed.rows, &m.owed.changed, &m.owed.released, &m.owed.dispatch, &m.owed.wishes, &m.owed.forget, &m.owed.query,
	} {
		set.size = n
	}
	for o := range m.tasks {
		m.tasks[o].seen = task.Report{Attempt: 1, State: task.Pending}
	}
	m.row = Row{
		State: Running, Wish: task.DesiredRun, ControlRevision: 1,
		Gate: after(spec.Rollout.PauseAfter, 0), BatchGate: after(spec.Rollout.PauseBatches, 0),
	}
	m.row.Counts.n[task.Pending/64] = uint32(n)
	m.begin(0)
	m.owed.row = true
	return m
}

// Step applies one event at the caller's time; a time before the last one
// counts as the last one. What is due by then happens first. The errors are
// bare values of this package: the event has had no effect then.
func (m *Machine) Step(now time.Time, ev Event) error {
	if m.row.State == Quarantined {
		return ErrQuarantined
	}
	if now.After(m.now) {
		m.now = now
	}
	if m.restored {
		m.restored = false
		m.patience = m.now.Add(m.spec.grace() + Slack)
	}
	m.elapse()
	switch ev := ev.(type) {
	case Reached:
		return m.reached(ev)
	case Gone:
		return m.gone(ev)
	case Reported:
		return m.reported(ev)
	case PastW:
		return m.pastW(ev)
	case NotKnown:
		return m.notKnown(ev.Ordinals)
	case NotHere:
		return m.notHere(ev.Ordinals)
	case Cancel:
		return m.cancel(ev)
	case Pause:
		return m.pause(ev)
	case Resume:
		return m.resume(ev)
	case Tick:
		return nil
	}
	return ErrEvent
}

// see is the one place where a task becomes something else.
func (m *Machine) see(o uint32, r task.Report) {
	e := &m.tasks[o]
	wasInFlight := e.is(released) && !e.seen.State.Settled()
	if wasInFlight && e.seen.Attempt > 1 {
		m.reruns--
	}
	m.row.Counts.move(e.seen.State, r.State)
	m.unforgive(e.seen.State, r.State)
	if e.seen.State != r.State || e.seen.Attempt != r.Attempt {
		e.sinceNano = nano(m.now)
	}
	m.batch.moved(m.plan.position(o), e.seen.State, r.State)
	if r.State.Settled() || r.Attempt != e.seen.Attempt {
		e.set(overdue, false)
	}
	e.seen = r
	if e.is(released) && !r.State.Settled() && r.Attempt > 1 {
		m.reruns++
	}
	m.owed.changed.add(o)
	if r.State.Settled() {
		m.ready.remove(m.plan.position(o))
	}
	if r.State.Final() {
		m.live.remove(o)
	}
}

// write is see for what is durable. The detail is the host's, if it is a host
// that says it.
func (m *Machine) write(o uint32, r task.Report, detail *Detail) {
	m.see(o, r)
	m.tasks[o].set(concluded, inferred(r))
	m.owed.rows.add(o)
	delete(m.owed.details, o)
	if detail == nil {
		return
	}
	if m.owed.details == nil {
		m.owed.details = map[uint32]Detail{}
	}
	m.owed.details[o] = *detail
}

// conclude is write for an outcome that the scheduler may say by itself.
func (m *Machine) conclude(o uint32, s task.State, why task.Reason) {
	m.write(o, task.Report{Attempt: m.tasks[o].seen.Attempt, State: s, Exit: task.Exit{Reason: why}}, nil)
	m.tasks[o].set(concluded, s.Final())
}

// nano is a time as an entry keeps it.
func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// timeOf is the time that an entry keeps.
func timeOf(nano int64) time.Time {
	if nano == 0 {
		return time.Time{}
	}
	return time.Unix(0, nano).UTC()
}

// enliven notes that a released task can be talked to.
func (m *Machine) enliven(o uint32) {
	if m.live.empty() {
		m.nextPull = m.now.Add(PullEvery)
	}
	m.live.add(o)
}

// known checks ordinals that an aggregator has sent.
func (m *Machine) known(list []uint32) error {
	if slices.ContainsFunc(list, func(o uint32) bool { return int(o) >= len(m.tasks) }) {
		return ErrOrdinal
	}
	return nil
}
