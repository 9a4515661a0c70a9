package sim

import (
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// quiet reports whether nothing is left to do for anybody.
func (w *world) quiet() bool {
	for _, u := range w.users {
		if u.skipped {
			continue
		}
		row := w.store.jobs[u.plan.n]
		if !u.signed || row == nil && w.now.Before(u.plan.spec.StartBy) || row != nil && row.row.State != job.Done {
			return false
		}
		if row != nil && !w.allFinal(u.plan, row) {
			return false
		}
	}
	for _, h := range w.hosts {
		if !h.gone && (!h.machine.up || len(h.remembers()) > 0) {
			return false
		}
	}
	return true
}

func (w *world) allFinal(p *plan, row *jobRow) bool {
	for o, n := range p.hosts {
		if !outcomeOf(row.tasks[o]).State.Final() && !w.hosts[n].gone && !w.jobs[p.n].givenUp[o] {
			return false
		}
	}
	return true
}

// remembers is the plans of which a host has anything on its disk.
func (h *host) remembers() (plans []int) {
	for n := range h.disk.commands {
		if h.disk.commands[n] != nil || h.disk.tombs[n] != nil || h.disk.copies[n] != nil {
			plans = append(plans, n)
		}
	}
	return plans
}

// judge looks at everything when the faults have long stopped.
func (w *world) judge() {
	for n := range w.jobs {
		j := &w.jobs[n]
		if j.plan == nil || !j.seen {
			continue
		}
		row := w.store.jobs[n]
		if row == nil {
			if j.accepted && w.store.era == 0 {
				w.violate(NothingLost, "%s was accepted and is gone", j.plan.name)
			}
			continue
		}
		if row.row.State != job.Done {
			w.violate(Liveness, "the faults have stopped, %s is over and the job is %s", j.plan.name, row.row.State)
		}
		for o := range row.tasks {
			w.judgeTask(j, uint32(o), outcomeOf(row.tasks[o]), row)
		}
		if row.row.Conflicts > 0 && w.store.era == 0 {
			w.violate(Truth, "%d conflicts in %s among hosts that do not lie", row.row.Conflicts, j.plan.name)
		}
	}
	for _, h := range w.hosts {
		w.judgeHost(h)
	}
}

// judgeTask compares what is durable with what the host did.
func (w *world) judgeTask(j *jobWatch, o uint32, got task.Report, row *jobRow) {
	p := j.plan
	h := w.hosts[p.hosts[o]]
	if !got.State.Settled() {
		w.violate(Liveness, "%s of %s is %s, and not settled", h.id, p.name, got.State)
		return
	}
	inc := p.targets.At(o).Incarnation
	d := w.deeds[deed{h.n, p.n, inc}]
	if d == nil {
		d = &deeds{}
	}
	lied := got.State == task.Skipped || !mayHaveRun(got)
	for i := range d.attempts {
		if lied && d.attempts[i].starts > 0 && (row.released[o] || !h.gone && h.disk.inc == inc && !w.excused(d)) {
			w.violate(Truth, "%s has started %s, which is %s", h.id, p.name, got.State)
		}
	}
	if h.gone || h.disk.inc != inc {
		return
	}
	truth, did := d.truth()
	did = did && !p.spec.Ping && !w.excused(d)
	if p.spec.Ping && d.invented(got) {
		w.violate(Truth, "%s has not answered %s, and the job says %v", h.id, p.name, got)
	}
	if !got.State.Final() && !did && j.givenUp[o] {
		return // the job was over before its host came back, who knows nothing of it
	}
	if !got.State.Final() {
		w.violate(NothingLost, "%s can be heard and %s is %s %s", h.id, p.name, got.State, got.Exit.Reason)
		return
	}
	if did && got != truth && !w.agrees(row.tasks[o], truth) {
		w.violate(Truth, "%s did %s: %v, and the job says %v", h.id, p.name, truth, got)
	}
}

// excused reports whether the host was told to forget the task on the word of a
// store that was restored since: nobody knows any more.
func (w *world) excused(d *deeds) bool { return d.forgotten && d.era < w.store.era }

// invented reports whether a ping has succeeded and no host has said so. That it
// has not may be so although one has: nobody keeps a record of the answer.
func (d *deeds) invented(got task.Report) bool {
	said := func(a deedOf) bool { return slices.Contains(a.answers, got) }
	return got.State == task.Succeeded && !slices.ContainsFunc(d.attempts, said)
}

// truth is the outcome of the task by what the host did; false: it did nothing.
func (d *deeds) truth() (task.Report, bool) {
	for i, a := range slices.Backward(d.attempts) {
		r := a.outcome
		if r.State == task.Unspecified {
			continue
		}
		if i > 0 && !mayHaveRun(r) {
			return d.attempts[i-1].outcome, true // the attempt before stands
		}
		return r, true
	}
	return task.Report{}, false
}

// agrees reports whether the job says as much of a task as it can after the
// store was restored.
func (w *world) agrees(row *job.TaskRow, truth task.Report) bool {
	if w.store.era == 0 {
		return false
	}
	said := row.Report
	said.Exit.Reason = truth.Exit.Reason
	nothing := !mayHaveRun(truth) && !mayHaveRun(row.Report) || row.Report.State == task.Skipped && !mayHaveRun(truth)
	return said == truth || row.Concluded && nothing
}

// judgeHost looks at what is still remembered: everything is past its E.
func (w *world) judgeHost(h *host) {
	if h.gone {
		return
	}
	for _, n := range h.remembers() {
		if w.store.jobs[n] == nil {
			continue // the store has lost it: the host keeps its word
		}
		w.violate(Bounded, "%s still remembers %s: %s", h.id, w.plans[n].name, h.describe(n))
	}
}
