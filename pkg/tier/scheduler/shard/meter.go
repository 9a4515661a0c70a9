package shard

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
)

// meter counts what becomes of the jobs of a shard.
type meter struct {
	accepted, done, released, settled metric.Int64Counter

	strays                     metric.Int64Counter // reports of what is not there
	purged, unknown, forgotten metric.AddOption    // why

	classes map[string]*classMeter // there are no more than classes
}

// classMeter is the attributes of a class, each made once.
type classMeter struct {
	name    attribute.KeyValue
	class   metric.AddOption
	settled [states]metric.AddOption // by state; nil until there is one
}

// states of a task are 64 apart.
const states = task.Succeeded/64 + 1

func newMeter(t obs.Telemetry) meter {
	return meter{
		accepted: t.Counter(obs.JobsAccepted), done: t.Counter(obs.JobsDone),
		released: t.Counter(obs.TasksReleased), settled: t.Counter(obs.TasksSettled),
		strays: t.Counter(obs.ReportsStray), purged: strayOf("purged"), unknown: strayOf("unknown"), forgotten: strayOf("forgotten"),
		classes: map[string]*classMeter{},
	}
}

func strayOf(reason string) metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", reason)))
}

func (m *meter) of(class string) *classMeter {
	c := m.classes[class]
	if c == nil {
		name := attribute.String("class", class)
		c = &classMeter{name: name, class: metric.WithAttributeSet(attribute.NewSet(name))}
		m.classes[class] = c
	}
	return c
}

func (c *classMeter) outcome(n int) metric.AddOption {
	if c.settled[n] == nil {
		c.settled[n] = metric.WithAttributeSet(attribute.NewSet(c.name, attribute.String("outcome", outcome(task.State(n*64)))))
	}
	return c.settled[n]
}

// outcome is a state as attributes have it, such as TIMED_OUT.
func outcome(s task.State) string { return s.String() }

// count counts what of one job has become durable in a round.
func (t *tenure) count(ctx context.Context, h *held, r *job.Ready, fresh bool) {
	row := h.machine.Row()
	flying := int64(row.InFlight())
	t.inFlight.Add(flying - h.flying)
	h.flying = flying
	if r.Persist.Row == nil {
		return
	}
	if h.meter == nil {
		h.meter = t.meter.of(h.machine.Spec().Class)
	}
	c := h.meter
	if fresh {
		t.meter.accepted.Add(ctx, 1, c.class)
	}
	if n := len(r.Persist.Released); n > 0 {
		t.meter.released.Add(ctx, int64(n), c.class)
	}
	var settled [states]int64
	for i := range r.Persist.Tasks {
		if s := r.Persist.Tasks[i].Report.State; s.Settled() {
			settled[s/64]++
		}
	}
	for i, n := range settled {
		if n > 0 {
			t.meter.settled.Add(ctx, n, c.outcome(i))
		}
	}
	if r.Settled {
		t.meter.done.Add(ctx, 1, c.class)
	}
}
