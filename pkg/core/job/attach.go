package job

import (
	"github.com/ccs-project/ccs/pkg/core/task"
)

// reached: the host is here. A task that may not have arrived is sent again, a
// wish is said again; reports need no asking, for a host says all that was not
// Forgotten in every new session.
func (m *Machine) reached(ev Reached) error {
	o, ok := m.targets.Find(ev.Host)
	if !ok {
		return ErrUnknownHost
	}
	e := &m.tasks[o]
	if ev.Incarnation != m.targets.At(o).Incarnation && !bug("incarnation ignored") {
		m.replaced(o)
		return nil
	}
	if e.seen.State.Final() {
		return nil
	}
	if !e.is(attached) {
		e.set(attached, true)
		e.awayNano = 0
		m.owed.changed.add(o)
	}
	if !e.is(released) {
		m.batch.returned(m.plan.position(o))
		if e.seen.State == task.Pending && (m.row.Released == 0 || !bug("who comes back is not released")) {
			m.ready.add(m.plan.position(o))
		}
		return nil
	}
	m.enliven(o)
	if e.is(unheard) || e.seen.State == task.Unknown {
		m.owed.query.add(o)
	} else if e.seen.State < task.Accepted {
		m.owed.dispatch.add(o)
	}
	m.wishAgain(o)
	return nil
}

// replaced: the state directory that was the target is gone for good.
func (m *Machine) replaced(o uint32) {
	e := &m.tasks[o]
	if e.seen.State.Final() {
		return
	}
	m.detach(o)
	if e.is(released) {
		m.conclude(o, task.Lost, task.StateWiped)
	} else {
		m.conclude(o, task.Skipped, task.NewIncarnation)
	}
}

// gone: the host is away. Its task stays what it is.
func (m *Machine) gone(ev Gone) error {
	o, ok := m.targets.Find(ev.Host)
	if !ok {
		return ErrUnknownHost
	}
	e := &m.tasks[o]
	if e.seen.State.Final() {
		return nil
	}
	m.detach(o)
	e.awayNano = nano(ev.Since)
	m.batch.returned(m.plan.position(o))
	if e.awayNano != 0 && e.seen.State == task.Pending {
		m.batch.left(m.plan.position(o))
		plant("away hosts take a slot", func() { m.ready.add(m.plan.position(o)) })
	}
	m.owed.changed.add(o)
	return nil
}

func (m *Machine) detach(o uint32) {
	m.tasks[o].set(attached, false)
	m.ready.remove(m.plan.position(o))
	m.live.remove(o)
}

// notKnown: the pull has found that a release did not arrive, or that its
// aggregator died with it. The same release goes out again: the host starts it
// once at most.
func (m *Machine) notKnown(list []uint32) error {
	if err := m.known(list); err != nil {
		return err
	}
	for _, o := range list {
		if m.live.has(o) && !bug("NotKnown changes nothing") {
			m.tasks[o].set(unheard, false)
			m.owed.dispatch.add(o)
		}
	}
	return nil
}

// notHere: what was sent is on its way to where the host was. If the host is
// said to be elsewhere, that has dispatched the task again already, or will;
// this is for the case that nothing more is said. It waits a little, so that
// two sides that disagree do not answer each other at full speed.
func (m *Machine) notHere(list []uint32) error {
	if err := m.known(list); err != nil {
		return err
	}
	for _, o := range list {
		if !m.live.has(o) || m.tasks[o].seen.State >= task.Accepted {
			continue
		}
		if m.retry.empty() {
			m.retryAt = m.now.Add(rerouteGap)
		}
		m.retry.add(o)
	}
	return nil
}
