package sim

import (
	"time"

	"github.com/ccs-project/ccs/internal/sim/rollout"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// controlled: an owner has stepped a job, which was so, with a request that had
// an effect.
func (pr *promises) controlled(h *held, row job.Row, ev job.Event) {
	if ev, ok := ev.(job.Resume); ok {
		pr.jobs[h.plan.n].ledger.Made(ev, row, h.excused)
	}
}

// of makes the ledger's reports of a job a violation.
func (pr *promises) of(p *plan) rollout.Report {
	return func(promise, format string, args ...any) {
		pr.violate(Promise(promise), p.name+": "+format, args...)
	}
}

// committing looks at a write before it is applied.
func (pr *promises) committing(p *part, before *jobRow) {
	j := &pr.jobs[p.plan.n]
	if !j.seen || j.lost {
		if !j.seen {
			j.era = pr.w.store.era
		} else {
			j.era = -1 // it was there once: what its hosts do is of another history
		}
		j.seen, j.lost = true, false
	}
	row := p.persist.Row
	if row.State == job.Paused && before.row.State == job.Running {
		pr.w.say("store", "%s is paused: cause %d", p.plan.name, row.Pause)
	}
	pr.census(p, before)
	for _, o := range p.persist.Tasks {
		if o.Report.State == task.Unknown {
			j.givenUp[o.Ordinal] = !p.here[o.Ordinal] || pr.w.now.Before(pr.w.calm.Add(patience))
		}
	}
	pr.control(p, before)
	if pr.strict(j) {
		j.ledger.Look(rollout.Write{Persist: &p.persist, Clock: p.clock, Excused: p.excused}, pr.of(p.plan))
		for _, o := range p.persist.Released {
			if !p.here[o] {
				pr.violate(AwayTakesNoSlot, "%s is released for %s and is not here", pr.w.hosts[p.plan.hosts[o]].id, p.plan.name)
			}
		}
	}
	j.noted(p)
}

// excused reports whether a host is away for so long, as the owner was told.
func (p *part) excused(o uint32, wait time.Duration) bool { return isAway(p.sight[o], p.clock, wait) }

func (h *held) excused(o uint32, wait time.Duration) bool { return isAway(h.away[o], h.clock, wait) }

func isAway(since, now time.Time, wait time.Duration) bool {
	return !since.IsZero() && !now.Before(since.Add(wait))
}

// control looks at control state alone: that holds over a restore of the store.
func (pr *promises) control(p *part, before *jobRow) {
	row, old, name := p.persist.Row, &before.row, p.plan.name
	resume := false
	for _, c := range p.persist.Controls {
		resume = resume || c.Kind == job.ResumeRequest
		for _, had := range before.controls {
			if had.RequestID == c.RequestID {
				pr.violate(ResumeOnce, "request %s has an effect on %s a second time", c.RequestID, name)
			}
		}
	}
	if old.Revision == 0 {
		return
	}
	if old.State != job.Running && row.State == job.Running && !resume {
		pr.violate(NoLateResume, "%s goes on, and nobody has resumed it", name)
	}
	changed := old.State != row.State || old.Pause != row.Pause || old.Wish != row.Wish
	if changed && row.State != job.Done && row.ControlRevision <= old.ControlRevision {
		pr.violate(ControlRevision, "%s goes from %s to %s under control revision %d", name, old.State, row.State, row.ControlRevision)
	}
	if row.Wish < old.Wish {
		pr.violate(NoLateResume, "the wish for %s goes back from %s to %s", name, old.Wish, row.Wish)
	}
}

// idle looks at a job of which its owner owes nothing now.
func (pr *promises) idle(h *held, clock time.Time) {
	if j := &pr.jobs[h.plan.n]; j.seen && pr.strict(j) {
		j.ledger.Idle(clock, func(o uint32) bool { return h.hereNow[o] }, pr.of(h.plan))
	}
}
