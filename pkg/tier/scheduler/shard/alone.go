package shard

import (
	"context"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// take applies an event: at once, or as long as there are suspects one job after
// the other.
func (t *tenure) take(ctx context.Context, ev event) {
	if len(t.trial.suspects) == 0 {
		ev.apply(ctx, t)
		return
	}
	for _, p := range t.parts(ev) {
		t.alone(ctx, p.id, func() { p.apply(ctx, t) })
		if t.fault != nil {
			return
		}
	}
}

// part is what of an event is for one job, or of the zero id, for jobs none of
// which is a suspect.
type part struct {
	event
	id job.ID
}

func (t *tenure) parts(ev event) []part {
	switch ev := ev.(type) {
	case *submission:
		return []part{{ev, ev.Create.Spec.ID}}
	case *control:
		return []part{{ev, ev.id}}
	case *question:
		return []part{{ev, ev.id}}
	case *unwatch:
		return []part{{ev, ev.id}}
	case *returned:
		return []part{{ev, ev.Job}}
	case *Heard:
		return t.reportsByJob(ev)
	case hostsChanged:
		return t.changesByJob(ev)
	}
	return []part{{ev, job.ID{}}} // it steps no job
}

// reportsByJob keeps the reports of all that are no suspects together.
func (t *tenure) reportsByJob(all *Heard) (parts []part) {
	at := map[job.ID]int{}
	for _, r := range all.Reports {
		id := r.Job
		if t.trial.suspects[id] == nil {
			id = job.ID{}
		}
		i, known := at[id]
		if !known {
			i = len(parts)
			at[id] = i
			parts = append(parts, part{&Heard{Contents: all.Contents}, id})
		}
		heard := parts[i].event.(*Heard)
		heard.Reports = append(heard.Reports, r)
	}
	return parts
}

// changesByJob tells suspects of those of their hosts that have changed.
func (t *tenure) changesByJob(changed hostsChanged) []part {
	parts := []part{{changed, job.ID{}}} // which leaves suspects out
	for id := range t.trial.suspects {
		h := t.jobs[id]
		if h == nil || h.done && !h.late {
			continue
		}
		var mine []fleet.HostID
		for _, host := range changed {
			if _, ok := h.machine.Targets().Find(host); ok {
				mine = append(mine, host)
			}
		}
		if len(mine) > 0 {
			parts = append(parts, part{&changesOfOne{h, mine}, id})
		}
	}
	return parts
}

// changesOfOne is hosts that changed, for one job.
type changesOfOne struct {
	h     *held
	hosts []fleet.HostID
}

func (c *changesOfOne) weight() (reports, bytes int) { return len(c.hosts), 0 }

func (c *changesOfOne) apply(_ context.Context, t *tenure) {
	t.guard(c.h.id, func() { t.hostsOf(c.h, c.hosts) })
}
