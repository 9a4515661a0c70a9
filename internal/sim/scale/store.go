package scale

import (
	"fmt"
	"time"

	"github.com/ccs-project/ccs/internal/sim/rollout"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// row is what is durable of a job.
type row struct {
	job.Row
	released []bool
	tasks    []job.TaskRow // by ordinal; of those without a row only the zero state
	controls []job.ControlRow
	ledger   *rollout.Ledger
}

// part is what one job owes the store.
type part struct {
	plan    *plan
	create  bool
	persist job.Persist
}

func (r *row) record() job.Record {
	out := job.Record{Row: r.Row, Controls: r.controls}
	for o, is := range r.released {
		if is {
			out.Released = append(out.Released, uint32(o))
		}
	}
	for o := range r.tasks {
		if r.tasks[o].Report.State != task.Unspecified {
			out.Tasks = append(out.Tasks, r.tasks[o])
		}
	}
	return out
}

// commit writes a batch, if the epoch is that of the shard's owner.
func (w *world) commit(t *tenure, parts []part) bool {
	if t.epoch != w.epochs[t.shard] {
		return false
	}
	w.Commits++
	t.load().Commits++
	for i := range parts {
		p := &parts[i]
		plan := p.plan
		if plan.row == nil {
			if !p.create {
				w.violate("one-owner", "job %d is written, and was never created", plan.n)
			}
			n := plan.targets.Len()
			plan.row = &row{released: make([]bool, n), tasks: make([]job.TaskRow, n), ledger: rollout.New(&plan.spec, plan.targets)}
		}
		t.load().Rows += uint64(len(p.persist.Tasks))
		plan.row.ledger.Look(rollout.Write{Persist: &p.persist, Clock: w.clock(), Excused: w.excused(plan)}, w.of(plan))
		w.Resumes += resumes(p.persist.Controls)
		w.mix(uint64(plan.n), p.persist.Row.Revision, uint64(p.persist.Row.Released), uint64(len(p.persist.Tasks)))
		r := plan.row
		r.Row = *p.persist.Row
		r.controls = append(r.controls, p.persist.Controls...)
		for _, o := range p.persist.Released {
			r.released[o] = true
		}
		for _, row := range p.persist.Tasks {
			row.Detail = job.Detail{} // restored machines do not look at it
			r.tasks[row.Ordinal] = row
		}
	}
	return true
}

// of makes the ledger's reports of a job a violation.
func (w *world) of(p *plan) rollout.Report {
	return func(promise, format string, args ...any) {
		w.violate(promise, fmt.Sprintf("job %d: ", p.n)+format, args...)
	}
}

// excused reports whether hosts are away for so long, which their owner hears a
// little later.
func (w *world) excused(p *plan) rollout.Excused {
	return func(o uint32, wait time.Duration) bool {
		h := w.hosts[p.hosts[o]]
		if h.absent {
			return w.now >= h.changed+wait
		}
		return w.now <= h.changed+5*time.Second
	}
}

func resumes(list []job.ControlRow) (n int) {
	for _, c := range list {
		if c.Kind == job.ResumeRequest {
			n++
		}
	}
	return n
}

// mix adds to the trace of the run.
func (w *world) mix(values ...uint64) {
	for _, v := range append(values, uint64(w.now)) {
		w.Trace = (w.Trace ^ v) * 0x100000001b3
	}
}

// sending looks at what is sent: it must be durable.
func (w *world) sending(p *plan, s *job.Send) {
	for _, d := range s.Dispatch {
		if !p.row.released[d.Ordinal] || d.Want > max(p.row.Wish, task.DesiredRun) {
			w.violate("persist-before-send", "ordinal %d of job %d is dispatched, and that is not durable", d.Ordinal, p.n)
		}
	}
	for _, d := range s.Wishes {
		if d.Want > p.row.Wish {
			w.violate("persist-before-send", "ordinal %d of job %d is to %s, and that is not durable", d.Ordinal, p.n, d.Want)
		}
	}
	for _, o := range s.Forget {
		if !p.row.tasks[o].Report.State.Final() {
			w.violate("forget-after-commit", "ordinal %d of job %d is to be forgotten, and its outcome is not durable", o, p.n)
		}
	}
}
