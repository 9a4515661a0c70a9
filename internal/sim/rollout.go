package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// rolloutWatch is the rollout of a job in the words of the architecture: what may
// be released, counted a second time from what is durable.
type rolloutWatch struct {
	released  int
	inFlight  int
	gate      int // targets; 0: none ahead
	batchGate int
	forgiven  int
	resumes   map[string]resumed // requests that were made, durable or not
	tolerated map[task.State]bool
}

// resumed is what was so when a resume was made.
type resumed struct {
	ev       job.Resume
	released int
	bad      int
	budget   bool // the budget was spent
}

func (r *rolloutWatch) begin(p *plan) {
	*r = rolloutWatch{
		gate: next(p.spec.Rollout.PauseAfter, 0), batchGate: next(p.spec.Rollout.PauseBatches, 0), resumes: map[string]resumed{},
		tolerated: map[task.State]bool{task.Succeeded: true, task.Canceled: true, task.Skipped: true},
	}
	for _, s := range p.spec.Rollout.Tolerated {
		r.tolerated[s] = true
	}
}

func next(points []uint32, beyond int) int {
	for _, p := range points {
		if int(p) > beyond {
			return int(p)
		}
	}
	return 0
}

// badOf counts the bad outcomes.
func (r *rolloutWatch) badOf(c job.Counts) int {
	bad := 0
	for s, n := range c.All() {
		if s.Settled() && !r.tolerated[s] {
			bad += n
		}
	}
	return bad
}

// controlled: an owner has stepped a job, which was so, with a request that had
// an effect.
func (pr *promises) controlled(p *plan, row job.Row, ev job.Event) {
	if ev, ok := ev.(job.Resume); ok {
		r := &pr.jobs[p.n].rollout
		r.resumes[ev.RequestID] = resumed{ev: ev, released: int(row.Released), bad: r.badOf(row.Counts), budget: row.Pause == job.PausedByBudget}
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
		pr.w.tally.Pauses++
		pr.w.say("store", "%s is paused: cause %d", p.plan.name, row.Pause)
	}
	for _, o := range p.persist.Tasks {
		if o.Report.State == task.Unknown {
			pr.w.tally.Unknown++
			j.givenUp[o.Ordinal] = !p.here[o.Ordinal] || pr.w.now.Before(pr.w.calm.Add(patience))
		}
	}
	pr.control(p, before)
	if pr.strict(j) {
		pr.release(p, before, j)
	}
	j.noted(p)
}

// control looks at control state alone.
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

// release looks at what is released, and whether the rollout allows it.
func (pr *promises) release(p *part, before *jobRow, j *jobWatch) {
	r, rollout, name := &j.rollout, &p.plan.spec.Rollout, p.plan.name
	bad := 0
	for o := range before.tasks {
		report := outcomeOf(before.tasks[o])
		for i := range p.persist.Tasks {
			if int(p.persist.Tasks[i].Ordinal) == o {
				report = p.persist.Tasks[i].Report
				if before.released[o] && settles(before.tasks[o], report) {
					r.inFlight--
				}
			}
		}
		if report.State.Settled() && !r.tolerated[report.State] {
			bad++
		}
	}
	for _, c := range p.persist.Controls {
		r.resume(p, c)
	}
	if p.persist.Row.Batch > before.row.Batch {
		pr.barrier(p, before, j)
	}
	if n := p.persist.Row; n.Pause == job.PausedByBudget && before.row.Pause != job.PausedByBudget && bad-r.forgiven <= rollout.MaxFailures.Of(len(before.tasks)) {
		pr.violate(Budget, "%s is paused for its budget, of which %d of %d is used", name, bad-r.forgiven, rollout.MaxFailures.Of(len(before.tasks)))
	}
	fresh := len(p.persist.Released)
	if fresh == 0 {
		return
	}
	r.released += fresh
	r.inFlight += fresh
	if r.inFlight > p.plan.concurrency() {
		pr.violate(Concurrency, "%d of %s are released and not settled, its concurrency is %d", r.inFlight, name, p.plan.concurrency())
	}
	if r.gate > 0 && r.released > r.gate {
		pr.violate(PausePoint, "%d of %s are released, its pause point is after %d", r.released, name, r.gate)
	}
	if budget := rollout.MaxFailures; budget.Limited && max(0, bad-r.forgiven)+r.inFlight > budget.Of(len(before.tasks))+1 {
		pr.violate(Budget, "%d of %s are bad and %d in flight, its budget is %d", bad-r.forgiven, name, r.inFlight, budget.Of(len(before.tasks)))
	}
	pr.places(p, r)
}

// places looks at who is released: where they stand, and whether they are here.
func (pr *promises) places(p *part, r *rolloutWatch) {
	name := p.plan.name
	for _, o := range p.persist.Released {
		host := pr.w.hosts[p.plan.hosts[o]].id
		b := p.plan.batch(p.plan.place[o])
		if b > int(p.persist.Row.Batch) {
			pr.violate(BatchBarrier, "%s is of batch %d of %s and released in batch %d", host, b+1, name, p.persist.Row.Batch+1)
		}
		if r.batchGate > 0 && b >= r.batchGate {
			pr.violate(PausePoint, "%s is of batch %d of %s and released, its pause point is after batch %d", host, b+1, name, r.batchGate)
		}
		if !p.here[o] {
			pr.violate(AwayTakesNoSlot, "%s is released for %s and is not here", host, name)
		}
	}
}

// barrier looks at the batches that a write passes.
func (pr *promises) barrier(p *part, before *jobRow, j *jobWatch) {
	state := func(o uint32) task.Report {
		for i := range p.persist.Tasks {
			if p.persist.Tasks[i].Ordinal == o {
				return p.persist.Tasks[i].Report
			}
		}
		return outcomeOf(before.tasks[o])
	}
	wait := p.plan.spec.Rollout.WaitOffline
	if wait == 0 {
		wait = 30 * time.Second
	}
	for b := before.row.Batch; b < p.persist.Row.Batch; b++ {
		settled, begin := false, 0
		if b > 0 {
			begin = p.plan.ends[b-1]
		}
		for pos := range p.plan.ends[b] {
			o := p.plan.order[pos]
			host := pr.w.hosts[p.plan.hosts[o]].id
			switch since := p.sight[o]; {
			case state(o).State.Settled():
				settled = settled || pos >= begin
			case before.released[o]:
				pr.violate(BatchBarrier, "batch %d of %s begins, and %s of a batch before has not settled", b+2, p.plan.name, host)
			case since.IsZero() || p.clock.Before(since.Add(wait)):
				pr.violate(BatchBarrier, "batch %d of %s begins without %s, which was not away for %s", b+2, p.plan.name, host, wait)
			}
		}
		if !settled {
			pr.violate(BatchBarrier, "batch %d of %s begins, and nothing of the one before has settled", b+2, p.plan.name)
		}
	}
	_ = j
}

// resume moves the pause points, as the user was told when the resume was made.
func (r *rolloutWatch) resume(p *part, c job.ControlRow) {
	made, known := r.resumes[c.RequestID]
	if c.Kind != job.ResumeRequest || !known {
		return
	}
	points := &p.plan.spec.Rollout
	if made.budget {
		r.forgiven = made.bad
	}
	if batch := int(p.persist.Row.Batch); r.batchGate > 0 && batch+1 >= r.batchGate {
		r.batchGate = next(points.PauseBatches, batch+1)
	}
	switch made.ev.Until {
	case job.UntilEnd:
		r.gate, r.batchGate = 0, 0
	case job.UntilNumber:
		r.gate = made.released + int(made.ev.Targets)
	case job.UntilNext:
		if r.gate > 0 && made.released >= r.gate {
			r.gate = next(points.PauseAfter, made.released)
		}
	}
}

// settles reports whether a task that was released settles with this report.
func settles(before *job.TaskRow, now task.Report) bool {
	return now.State.Settled() && !outcomeOf(before).State.Settled()
}

// committed looks at what is durable now.
func (pr *promises) committed(p *part, now *jobRow) {
	j := &pr.jobs[p.plan.n]
	for o := range now.tasks {
		if row := now.tasks[o]; row != nil && row.Report.State == task.Skipped && now.released[o] {
			pr.violate(Truth, "ordinal %d of %s was released and is SKIPPED", o, p.plan.name)
		}
	}
	if pr.strict(j) && now.row.InFlight() != j.rollout.inFlight {
		pr.violate(Concurrency, "the row of %s counts %d in flight, there are %d", p.plan.name, now.row.InFlight(), j.rollout.inFlight)
	}
}
