package scale

import (
	"fmt"
	"slices"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

const (
	releaseWindow = 20_000
	batchReports  = 500
)

// agg is an aggregator: sessions on one side, schedulers on the other.
type agg struct {
	w       *world
	n, room int
	via     fleet.Via
	seats   map[int]*seat // by host
	up      []*upstream   // by scheduler
	owners  []owner       // by shard
	records int
}

// owner is who owns a shard, as far as is known.
type owner struct {
	epoch job.Epoch
	sched int
}

// upstream is the reports on their way to a scheduler.
type upstream struct {
	agg    *agg
	sched  *sched
	out    *link.Outbox[*record]
	kicked bool
}

func newAgg(w *world, n, room int) *agg {
	g := &agg{w: w, n: n, room: room, via: fleet.Via(fmt.Sprintf("agg-%03d", n)), seats: map[int]*seat{}, owners: make([]owner, shards)}
	w.byVia[g.via] = g
	return g
}

func (g *agg) load() *AggregatorLoad { return &g.w.Aggregators[g.n] }

// open makes a session the host's only one. What was on its way here stays on its
// way.
func (g *agg) open(se *seat) {
	if old := g.seats[se.host.n]; old != nil {
		old.closed = true
		se.records, old.records = old.records, nil
		for _, r := range se.records {
			r.seat, r.dirty = se, r.queued
		}
	}
	g.seats[se.host.n] = se
	g.load().Sessions = max(g.load().Sessions, len(g.seats))
	g.attach(se, true)
}

// attach says to all schedulers that a host came or went.
func (g *agg) attach(se *seat, here bool) {
	at := g.w.clock()
	for _, s := range g.w.scheds {
		g.sendUp(g.w.sizes.attachment)
		g.w.after(meshHop, func() { s.attach(g, se, here, at) })
	}
}

func (g *agg) sendUp(bytes int) {
	g.w.Messages++
	g.load().MeshUp++
	g.load().BytesUp += uint64(bytes)
}

// owns takes what a scheduler owns. What was not forgotten is said again to a new
// owner.
func (g *agg) owns(s *sched, shard int, epoch job.Epoch) {
	o := &g.owners[shard]
	if epoch.Compare(o.epoch) <= 0 {
		return
	}
	*o = owner{epoch, s.n}
	if epoch.N == 1 {
		return // nobody owned it before: nothing has been said of it
	}
	for _, h := range g.w.hosts[g.room*len(g.w.hosts)/g.w.opt.Rooms:][:len(g.w.hosts)/g.w.opt.Rooms] {
		if se := g.seats[h.n]; se != nil {
			for _, r := range se.records {
				if r.heard && r.plan.shard == shard {
					r.route()
				}
			}
		}
	}
}

// dispatch puts releases on their way.
func (g *agg) dispatch(s *sched, p *plan, list []job.Dispatch) {
	var returned []uint32
	for _, d := range list {
		se := g.seats[int(p.hosts[d.Ordinal])]
		if se == nil {
			returned = append(returned, d.Ordinal)
			continue
		}
		g.load().Releases++
		r := se.hold(p, d.Ordinal)
		if r.heard && r.seen.State >= task.Accepted && r.seen.Attempt >= d.Attempt {
			r.route()
			if d.Want > task.DesiredRun && !r.seen.State.Final() {
				r.wish = max(r.wish, d.Want)
				se.poke()
			}
			continue
		}
		r.attempt, r.want, r.queued, r.dirty = d.Attempt, max(r.want, d.Want), true, true
		se.poke()
	}
	g.give(s, p, returned, true)
	g.sendUp(g.w.sizes.credits)
	g.w.after(meshHop, func() { s.granted(g, len(list)) })
}

func (g *agg) wish(s *sched, p *plan, list []job.Wish) {
	var returned []uint32
	for _, d := range list {
		if se := g.seats[int(p.hosts[d.Ordinal])]; se != nil {
			r := se.hold(p, d.Ordinal)
			r.wish = max(r.wish, d.Want)
			se.poke()
		} else {
			returned = append(returned, d.Ordinal)
		}
	}
	g.give(s, p, returned, true)
}

func (g *agg) forget(p *plan, list []uint32) {
	for _, o := range list {
		if se := g.seats[int(p.hosts[o])]; se != nil {
			se.drop(se.record(p))
			se.forgets = append(se.forgets, p)
		}
	}
}

// expire drops releases that no host has answered by their start-by: its tombstone
// may be why.
func (w *world) expire(p *plan) {
	for _, n := range p.hosts {
		h := w.hosts[n]
		for _, g := range w.aggs[h.room*perRoom:][:perRoom] {
			if se := g.seats[h.n]; se != nil {
				if r := se.record(p); r != nil && !r.heard {
					se.drop(r)
				}
			}
		}
	}
}

// query says what is known of tasks.
func (g *agg) query(s *sched, p *plan, list []uint32) {
	var notHere, notKnown []uint32
	for _, o := range list {
		se := g.seats[int(p.hosts[o])]
		switch {
		case se == nil:
			notHere = append(notHere, o)
		case !se.synced:
			g.w.after(sessionHop, func() { g.query(s, p, []uint32{o}) })
		default:
			if r := se.record(p); r != nil && r.heard {
				r.route()
			} else if r == nil || !r.queued {
				notKnown = append(notKnown, o)
			}
		}
	}
	g.give(s, p, notHere, true)
	g.give(s, p, notKnown, false)
}

// give returns what could not be done.
func (g *agg) give(s *sched, p *plan, list []uint32, notHere bool) {
	if len(list) == 0 {
		return
	}
	g.sendUp(g.w.sizes.wishes + len(list)*g.w.sizes.named)
	g.w.after(meshHop, func() { s.returned(p, list, notHere) })
}

// route queues the report of a record for the owner of its job.
func (r *record) route() {
	up := r.seat.agg.up[r.seat.agg.owners[r.plan.shard].sched]
	if r.via != up {
		r.leave()
		r.via = up
	}
	up.out.Put(r)
	up.kick()
}

func (r *record) leave() {
	if r.via != nil {
		r.via.out.Forget(r)
		r.via = nil
	}
}

// kick sends what is due soon.
func (up *upstream) kick() {
	if up.kicked {
		return
	}
	up.kicked = true
	g := up.agg
	g.w.after(linger, func() {
		up.kicked = false
		number, keys := up.out.Next(batchReports)
		if len(keys) == 0 {
			return
		}
		if up.out.Pending() > 0 {
			up.kick()
		}
		batch := make([]report, 0, len(keys))
		for _, r := range keys {
			batch = append(batch, report{r.plan, r.ordinal, r.seen})
		}
		slices.SortStableFunc(batch, func(a, b report) int { return a.plan.n - b.plan.n })
		g.load().Reports += uint64(len(batch))
		g.sendUp(g.w.weigh(batch))
		g.w.after(meshHop, func() { up.sched.reports(g, number, batch) })
	})
}
