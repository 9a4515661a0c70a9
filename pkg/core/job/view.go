package job

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// View is what a machine knows of one task. The details of an outcome are in
// the store.
type View struct {
	Report           task.Report
	Revision         uint64    // of the job when it was last written; 0: it has no row
	Released         bool      // it may be known to its host
	Unreachable      bool      // not settled for good, and its host is away
	UnreachableSince time.Time // zero: it has not been here under this owner
	Since            time.Time // it is in its state since then; of what is released and not settled; zero: not known
	Overdue          bool      // it runs past a timeout that only reports
	Concluded        bool      // final by the scheduler's own word: an outcome of its host may still replace it
}

// Spec is what the job is.
func (m *Machine) Spec() Spec { return m.spec }

// Targets is the frozen list.
func (m *Machine) Targets() *Targets { return m.targets }

// Row is the job now, with how far its hosts have come. It is shown to users
// only once everything in the last Ready is durable.
func (m *Machine) Row() Row { return m.row }

// Task is the task with an ordinal below the number of targets.
func (m *Machine) Task(ordinal uint32) View {
	e := &m.tasks[ordinal]
	v := View{
		Report:      e.seen,
		Revision:    e.revision,
		Released:    e.is(released),
		Unreachable: !e.is(attached) && !e.seen.State.Final(),
		Overdue:     e.is(overdue),
		Concluded:   e.is(concluded),
	}
	if v.Released && !v.Report.State.Settled() {
		v.Since = timeOf(e.sinceNano)
	}
	if v.Unreachable {
		v.UnreachableSince = timeOf(e.awayNano)
	}
	return v
}
