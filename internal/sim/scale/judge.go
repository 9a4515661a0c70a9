package scale

import (
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// judge looks at everything when nothing is left to do: every task has settled,
// and what is durable is what its host's disk says.
func (w *world) judge() {
	w.Outcomes = map[task.State]int{}
	for _, p := range w.plans {
		if p.row == nil || p.row.State != job.Done {
			w.violate("liveness", "job %d has not settled: %+v", p.n, p.row)
			continue
		}
		for o := range p.hosts {
			w.judgeTask(p, o)
		}
	}
	for _, h := range w.hosts {
		if len(h.works) > 0 && !h.absent {
			w.violate("bounded", "%s remembers job %d and is here", h.id, h.works[0].plan.n)
		}
	}
	for _, g := range w.aggs {
		if g.records > 0 {
			w.violate("bounded", "%s holds %d tasks", g.via, g.records)
		}
	}
}

func (w *world) judgeTask(p *plan, o int) {
	h, said, truth := w.hosts[p.hosts[o]], p.row.tasks[o].Report, p.truth[o]
	w.Outcomes[said.State]++
	switch {
	case !said.State.Settled():
		w.violate("liveness", "job %d on %s is %s", p.n, h.id, said.State)
	case said.State == task.Unknown:
		// A host that never got it has nothing to say when it is back.
		if !h.absent && (p.starts[o] > 0 || truth.State != task.Unspecified) {
			w.violate("nothing-lost", "job %d on %s is UNKNOWN, and the host is here", p.n, h.id)
		}
	case truth.State != task.Unspecified:
		if said != truth {
			w.violate("truth", "job %d on %s is %+v, and its host says %+v", p.n, h.id, said, truth)
		}
	case p.starts[o] > 0, p.row.released[o], !p.row.tasks[o].Concluded:
		w.violate("truth", "job %d on %s is %s, and its host has not said so: started %d times", p.n, h.id, said.State, p.starts[o])
	}
}
