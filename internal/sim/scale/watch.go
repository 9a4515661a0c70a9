package scale

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// watch is the rollout of a job in the words of the architecture, counted a second
// time from what is durable. A commit costs what it changes.
type watch struct {
	released, inFlight, bad int
	gate, batchGate         int // 0: none is ahead
	forgiven                int
	resumes                 map[string]resumed
	tolerated               []task.State
}

// resumed is what was so when a resume was made.
type resumed struct {
	ev            job.Resume
	released, bad int
	budget        bool // the budget was spent
}

func (c *watch) begin(p *plan) {
	r := &p.spec.Rollout
	*c = watch{gate: next(r.PauseAfter, 0), batchGate: next(r.PauseBatches, 0), resumes: map[string]resumed{}}
	c.tolerated = append([]task.State{task.Succeeded, task.Canceled, task.Skipped}, r.Tolerated...)
}

func next(points []uint32, beyond int) int {
	for _, p := range points {
		if int(p) > beyond {
			return int(p)
		}
	}
	return 0
}

func (c *watch) isBad(s task.State) bool { return s.Settled() && !slices.Contains(c.tolerated, s) }

// made notes a resume that had an effect, on a job that was so.
func (c *watch) made(ev job.Resume, before job.Row) {
	r := resumed{ev: ev, released: int(before.Released), budget: before.Pause == job.PausedByBudget}
	for s, n := range before.Counts.All() {
		if c.isBad(s) {
			r.bad += n
		}
	}
	if _, again := c.resumes[ev.RequestID]; !again {
		c.resumes[ev.RequestID] = r
	}
}

// look checks a write before it is applied.
func (w *world) look(p *part) {
	plan, now := p.plan, p.persist.Row
	r := plan.row
	c := &r.watch
	for i := range p.persist.Tasks {
		o, s := p.persist.Tasks[i].Ordinal, p.persist.Tasks[i].Report.State
		before := r.tasks[o].Report.State
		if r.released[o] && s.Settled() && !before.Settled() {
			c.inFlight--
		}
		if c.isBad(before) {
			c.bad--
		}
		if c.isBad(s) {
			c.bad++
		}
		if before.Final() && before != s {
			w.violate("truth", "ordinal %d of job %d was %s and is %s", o, plan.n, before, s)
		}
	}
	for _, a := range p.persist.Controls {
		w.resume(p, a)
	}
	for b := r.Batch; b < now.Batch; b++ {
		w.barrier(p, int(b))
	}
	w.release(p)
	if now.InFlight() != c.inFlight {
		w.violate("concurrency", "the row of job %d counts %d in flight, there are %d", plan.n, now.InFlight(), c.inFlight)
	}
	if r.State != job.Running && r.State != 0 && now.State == job.Running && !slices.ContainsFunc(p.persist.Controls, isResume) {
		w.violate("no-late-resume", "job %d goes on, and nobody has resumed it", plan.n)
	}
}

func isResume(c job.ControlRow) bool { return c.Kind == job.ResumeRequest }

// resume moves the pause points as the user was told.
func (w *world) resume(p *part, a job.ControlRow) {
	c, points := &p.plan.row.watch, &p.plan.spec.Rollout
	for _, had := range p.plan.row.controls {
		if had.RequestID == a.RequestID {
			w.violate("resume-once", "request %s has an effect on job %d a second time", a.RequestID, p.plan.n)
		}
	}
	made, known := c.resumes[a.RequestID]
	if !isResume(a) || !known {
		return
	}
	w.Resumes++
	if made.budget {
		c.forgiven = made.bad
	}
	if batch := int(p.persist.Row.Batch); c.batchGate > 0 && batch+1 >= c.batchGate {
		c.batchGate = next(points.PauseBatches, batch+1)
	}
	switch made.ev.Until {
	case job.UntilEnd:
		c.gate, c.batchGate = 0, 0
	case job.UntilNumber:
		c.gate = made.released + int(made.ev.Targets)
	case job.UntilNext:
		if c.gate > 0 && made.released >= c.gate {
			c.gate = next(points.PauseAfter, made.released)
		}
	}
}

// release looks at what is released, and whether the rollout allows it.
func (w *world) release(p *part) {
	plan, fresh := p.plan, len(p.persist.Released)
	if fresh == 0 {
		return
	}
	c, r, total := &plan.row.watch, &plan.spec.Rollout, plan.targets.Len()
	c.released += fresh
	c.inFlight += fresh
	if limit := r.Concurrency; !limit.IsZero() && c.inFlight > limit.Of(total) {
		w.violate("concurrency", "%d of job %d are in flight, its concurrency is %d", c.inFlight, plan.n, limit.Of(total))
	}
	if c.gate > 0 && c.released > c.gate {
		w.violate("pause-point", "%d of job %d are released, its pause point is after %d", c.released, plan.n, c.gate)
	}
	if b := r.MaxFailures; b.Limited && max(0, c.bad-c.forgiven)+c.inFlight > b.Of(total)+1 {
		w.violate("budget", "%d of job %d are bad and %d in flight, its budget is %d", c.bad-c.forgiven, plan.n, c.inFlight, b.Of(total))
	}
	end, gate := plan.ends[p.persist.Row.Batch], total
	if c.batchGate > 0 && c.batchGate <= len(plan.ends) {
		gate = plan.ends[c.batchGate-1]
	}
	for _, o := range p.persist.Released {
		switch pos := int(plan.place[o]); {
		case plan.row.released[o]:
			w.violate("never-twice", "ordinal %d of job %d is released twice", o, plan.n)
		case pos >= end:
			w.violate("batch-barrier", "position %d of job %d is released in batch %d", pos, plan.n, p.persist.Row.Batch+1)
		case pos >= gate:
			w.violate("pause-point", "position %d of job %d is released, its pause point is at %d", pos, plan.n, gate)
		}
	}
}

// barrier looks at a batch that is passed: all of it that was released has
// settled, and who was not has been away for long enough.
func (w *world) barrier(p *part, batch int) {
	plan := p.plan
	fresh := map[uint32]task.State{}
	for i := range p.persist.Tasks {
		fresh[p.persist.Tasks[i].Ordinal] = p.persist.Tasks[i].Report.State
	}
	wait := plan.spec.Rollout.WaitOffline
	if wait == 0 {
		wait = job.DefaultWaitOffline
	}
	something := false
	for pos, o := range plan.order[:plan.ends[batch]] {
		state, now := plan.row.tasks[o].Report.State, fresh[uint32(o)]
		h := w.hosts[plan.hosts[o]]
		switch {
		case state.Settled() || now.Settled():
			something = something || batch == 0 || pos >= plan.ends[batch-1]
		case plan.row.released[o]:
			w.violate("batch-barrier", "batch %d of job %d begins, and %s has not settled", batch+2, plan.n, h.id)
		case h.absent && w.now < h.changed+wait, !h.absent && w.now > h.changed+5*time.Second:
			w.violate("batch-barrier", "batch %d of job %d begins without %s, absent %t since %s", batch+2, plan.n, h.id, h.absent, h.changed)
		}
	}
	if !something {
		w.violate("batch-barrier", "batch %d of job %d begins, and nothing of the one before has settled", batch+2, plan.n)
	}
}
