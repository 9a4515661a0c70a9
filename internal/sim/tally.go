package sim

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Tally counts what has happened, by name, to show that the runs reach what they
// are for. Faults have the names of their kinds.
type Tally map[string]int

// saw counts something that has happened.
func (w *world) saw(what string) { w.tally[what]++ }

// sawIf counts it if it has.
func (w *world) sawIf(has bool, what string) {
	if has {
		w.tally[what]++
	}
}

// struck counts a fault.
func (w *world) struck(f Fault) { w.tally[faultNames[bits.TrailingZeros32(uint32(f))]]++ }

// Add adds what another run has counted.
func (t Tally) Add(o Tally) {
	for what, n := range o {
		t[what] += n
	}
}

// census counts what a write says has happened.
func (pr *promises) census(p *part, before *jobRow) {
	row, old, w := p.persist.Row, &before.row, pr.w
	if row.Pause != old.Pause && row.Pause != job.NotPaused {
		w.saw([]string{"", "a user paused a job", "a job reached a pause point", "the budget paused a job"}[row.Pause])
	}
	if row.State == job.Stopping && old.State != job.Stopping {
		w.sawIf(len(p.persist.Controls) > 0, "a user canceled a job")
		w.sawIf(len(p.persist.Controls) == 0, "a job was stopped at its deadline, or by its budget")
	}
	w.sawIf(row.Batch > old.Batch, "a batch began")
	for i := range p.persist.Tasks {
		r, was := p.persist.Tasks[i], before.tasks[p.persist.Tasks[i].Ordinal]
		if r.Report.State.Settled() {
			w.saw(strings.TrimSpace("outcome " + r.Report.State.String() + " " + r.Report.Exit.Reason.String()))
		}
		w.sawIf(was != nil && was.Concluded && was.Report.State.Final() && !r.Concluded, "a conclusion was corrected")
	}
	for pos, o := range pr.jobs[p.plan.n].ledger.Order {
		behind := row.Batch > old.Batch && pos < pr.jobs[p.plan.n].ledger.Ends[row.Batch-1]
		w.sawIf(behind && !before.released[o] && outcomeOf(before.tasks[o]).State == task.Unspecified, "a batch passed a host that was away")
		w.sawIf(pos < pr.jobs[p.plan.n].ledger.Begin(int(old.Batch)) && slices.Contains(p.persist.Released, o), "a host came back and was released in a later batch")
	}
}
