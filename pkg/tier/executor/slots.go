package executor

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// group is the commands that share slots: so many run, the rest wait in the
// order in which they were accepted.
type group struct {
	running int
	waiting []*command
}

func (e *Executor) group(name string) *group {
	g := e.groups[name]
	if g == nil {
		g = &group{}
		e.groups[name] = g
	}
	return g
}

// enqueue lets the command wait for a slot.
func (e *Executor) enqueue(ctx context.Context, c *command) {
	if c.queued || c.slot && c.supervised {
		return
	}
	if c.slot { // a second try keeps its slot
		e.launch(ctx, c)
		return
	}
	c.queued = true
	g := e.group(c.slotGroup)
	g.waiting = append(g.waiting, c)
	e.pump(ctx, c.slotGroup)
}

// occupy takes a slot for what runs already, also beyond the limit.
func (e *Executor) occupy(c *command) {
	if !c.slot {
		c.slot = true
		e.group(c.slotGroup).running++
		e.running++
	}
}

// vacate gives the slot back.
func (e *Executor) vacate(ctx context.Context, c *command) {
	if c.slot {
		c.slot = false
		e.group(c.slotGroup).running--
		e.running--
		e.pumpAll(ctx)
	}
}

// fullHouse reports whether all groups together run as much as they may.
func (e *Executor) fullHouse() bool {
	return e.cfg.SlotsTotal > 0 && e.running >= max(e.cfg.SlotsTotal, e.cfg.Slots)
}

// pumpAll starts what waits in any group, first in those of which least runs:
// when the host is full, a group that has many waiting takes no more turns than
// one that has few.
func (e *Executor) pumpAll(ctx context.Context) {
	names := slices.SortedFunc(maps.Keys(e.groups), func(a, b string) int {
		return cmp.Or(cmp.Compare(e.groups[a].running, e.groups[b].running), cmp.Compare(a, b))
	})
	for _, name := range names {
		e.pump(ctx, name)
	}
}

// pump starts what waits while there are slots. Commands that were settled
// while they waited take none.
func (e *Executor) pump(ctx context.Context, name string) {
	g := e.group(name)
	for len(g.waiting) > 0 && g.running < e.cfg.Slots && !e.fullHouse() && len(e.foreign) == 0 {
		c := g.waiting[0]
		g.waiting[0] = nil
		g.waiting = g.waiting[1:]
		c.queued = false
		if !c.report.State.Final() {
			e.occupy(c)
			e.launch(ctx, c)
		}
	}
	if g.running == 0 && len(g.waiting) == 0 {
		delete(e.groups, name)
	}
}
