package sim

import (
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// keepSaid is how long what a host said is kept when the host is away.
const keepSaid = time.Minute

// agg is an aggregator: a cache between the store and the hosts' disks. It may
// keep its spool over a crash, or lose it.
type agg struct {
	proc
	n       int
	room    int
	via     fleet.Via
	spool   int
	skew    time.Duration
	hosts   []*guest    // by host
	streams []*upstream // by scheduler; nil: none
	owners  []owner     // by shard

	payloads []bool // that are held, by plan
}

// owner is who has said with the greatest epoch that it owns a shard.
type owner struct {
	sched int // -1: it is not connected, or has given the shard up
	name  int
	epoch job.Epoch
}

// guest is what is held of one host.
type guest struct {
	agg     *agg
	host    int
	session *session
	last    attachment
	numbers []sessionNumber
	records []*record
	forgets []forget
	lossy   bool
	round   int
}

type sessionNumber struct {
	inc    fleet.Incarnation
	number uint64
}

// forget is a Forget on its way down.
type forget struct {
	plan  *plan
	era   int
	reply uint64 // that carried it; 0: none yet
}

// record is one job on one incarnation of a host: the release on its way down,
// the newest report on its way up.
type record struct {
	guest   *guest
	plan    *plan
	inc     fleet.Incarnation
	attempt uint32
	want    task.Desired // rides with the release
	queued  bool         // the host has not answered this attempt
	dirty   bool         // it is to be sent
	wish    task.Desired // goes by itself; 0: none
	wishDue bool
	sentIn  uint64
	heard   bool
	said    said
	told    bool
	round   int
	via     *lane
}

// upstream is the stream of a scheduler.
type upstream struct {
	agg    *agg
	sched  int
	stream *stream
	lanes  [2]*lane // by class

	releases lender
}

// lane is the reports of a class.
type lane struct {
	*upstream
	class  int
	out    *link.Outbox[*record]
	window *link.Window // of reports that the scheduler takes
	kicked bool
}

func newAgg(w *world, n int) *agg {
	name := fmt.Sprintf("aggregator %d", n)
	g := &agg{proc: w.newProc(name), n: n, room: n % rooms, via: fleet.Via(name)}
	return g
}

// start is a new process; keeps: with the spool of the one before.
func (g *agg) start() {
	g.rise()
	g.streams = make([]*upstream, len(g.w.scheds))
	g.owners = make([]owner, shards)
	for i := range g.owners {
		g.owners[i] = owner{sched: -1, name: -1}
	}
	if g.hosts == nil {
		g.spool++
		g.payloads = make([]bool, len(g.w.plans))
		for n := range g.w.hosts {
			g.hosts = append(g.hosts, &guest{agg: g, host: n})
		}
	}
	g.every(10*time.Second, g.sweep)
}

func (g *agg) clock() time.Time { return g.w.now.Add(g.skew) }

func (g *agg) crash(keepsSpool bool) {
	g.w.say(g.name, "crashes; its spool is kept: %t", keepsSpool)
	g.w.sawIf(!keepsSpool, "an aggregator has lost its spool")
	g.die()
	for _, gu := range g.hosts {
		gu.session = nil
		gu.last.attached, gu.last.since = false, g.w.now
		for _, r := range gu.records {
			r.via, r.told = nil, false
		}
		for i := range gu.forgets {
			gu.forgets[i].reply = 0
		}
	}
	if !keepsSpool {
		g.hosts = nil
	}
	g.w.after(g.w.span(ofFault, 100*time.Millisecond, 30*time.Second), g.start)
}

func (gu *guest) here(inc fleet.Incarnation) bool { return gu.session != nil && gu.session.inc == inc }

func (gu *guest) find(p *plan, inc fleet.Incarnation) *record {
	for _, r := range gu.records {
		if r.plan == p && r.inc == inc {
			return r
		}
	}
	return nil
}

func (gu *guest) hold(p *plan, inc fleet.Incarnation) *record {
	r := gu.find(p, inc)
	if r == nil {
		r = &record{guest: gu, plan: p, inc: inc}
		gu.records = append(gu.records, r)
	}
	return r
}

// tidy drops a record of which nothing is owed.
func (r *record) tidy() {
	if r.queued || r.wish != 0 || r.heard {
		return
	}
	kept := r.guest.records[:0]
	for _, other := range r.guest.records {
		if other != r {
			kept = append(kept, other)
		}
	}
	r.guest.records = kept
}

func (r *record) drop() {
	r.wish, r.wishDue, r.heard, r.told, r.said = 0, false, false, false, said{}
	r.leave()
	r.tidy()
}

func (r *record) answered() { r.queued, r.dirty = false, false }

func (r *record) isLive() bool {
	return r.heard && !r.said.pastW && r.said.seen.State >= task.Accepted && r.said.seen.State.Live()
}

// answers reports whether what was said answers a release of this attempt.
func (r *record) answers(attempt uint32) bool {
	return r.heard && (r.said.pastW || r.said.seen.Attempt >= attempt && r.said.seen.State >= task.Accepted)
}

// had reports whether the host has taken over the command.
func (r *record) had() bool {
	se := r.guest.session
	return r.queued && !r.dirty && se != nil && r.sentIn <= se.have
}

// sweep drops what waited too long for a host that is away, and releases that no
// host answers and nobody may start any more.
func (g *agg) sweep() {
	g.evict()
	for _, gu := range g.hosts {
		away := gu.session == nil && g.w.now.Sub(gu.last.since) >= keepSaid
		for _, r := range append([]*record(nil), gu.records...) {
			if away && r.heard && (r.told || r.said.seen.State.Live()) {
				gu.lossy = true
				r.drop()
			}
			past := r.had() && g.clock().After(r.plan.until())
			if r.queued && (away || past) {
				r.answered()
			}
			if away {
				r.wish = 0
			}
			r.tidy()
		}
		if away && len(gu.forgets) > 0 {
			gu.forgets, gu.lossy = nil, true
		}
	}
}

// dispatch puts a release on its way, or answers it with what was said already.
func (g *agg) dispatch(sched int, st *stream, p *plan, d job.Dispatch, payload bool) {
	if up := g.streams[sched]; up != nil && up.stream == st {
		defer g.worked(up, p.spec.Class)
	}
	if g.payloads[p.n] = g.payloads[p.n] || payload; !g.payloads[p.n] {
		st.send(0, inOrder, func() { g.w.scheds[sched].needsPayload(g.n, st, p) })
		return
	}
	target := p.targets.At(d.Ordinal)
	gu := g.hosts[p.hosts[d.Ordinal]]
	if !gu.here(target.Incarnation) {
		g.back(sched, st, p, d.Ordinal, true)
		return
	}
	r := gu.hold(p, target.Incarnation)
	if r.answers(d.Attempt) {
		r.route()
		if d.Want > task.DesiredRun && r.isLive() {
			r.tell(d.Want)
		}
	} else {
		if d.Attempt > r.attempt {
			r.attempt, r.want = d.Attempt, task.DesiredRun
		}
		r.want = max(r.want, d.Want)
		r.queued, r.dirty = true, true
	}
	gu.session.poke()
}

// tell lets the host know what is wanted of the task.
func (r *record) tell(want task.Desired) {
	if r.queued {
		r.want, r.dirty = max(r.want, want), true
		return
	}
	r.wish, r.wishDue = max(r.wish, want), true
}

// wish passes on what is wanted of a task. One that has ended says so again.
func (g *agg) wish(sched int, st *stream, p *plan, s job.Wish) {
	target := p.targets.At(s.Ordinal)
	gu := g.hosts[p.hosts[s.Ordinal]]
	if !gu.here(target.Incarnation) {
		g.back(sched, st, p, s.Ordinal, true)
		return
	}
	r := gu.hold(p, target.Incarnation)
	if r.heard && (r.said.seen.State.Final() || r.said.pastW) && !r.queued {
		r.route()
		return
	}
	r.attempt = max(r.attempt, s.Attempt)
	r.tell(s.Want)
	gu.session.poke()
}

// forget passes a Forget on: only the owner makes one.
func (g *agg) forget(p *plan, host, era int) {
	gu := g.hosts[host]
	for _, r := range append([]*record(nil), gu.records...) {
		if r.plan == p {
			r.answered()
			r.drop()
		}
	}
	gu.forgets = append(gu.forgets, forget{plan: p, era: era})
}

// query says what is known of a task.
func (g *agg) query(sched int, st *stream, p *plan, ordinal uint32) {
	gu := g.hosts[p.hosts[ordinal]]
	heard, waits := false, false
	for _, r := range gu.records {
		if r.plan != p {
			continue
		}
		if r.heard {
			r.route()
			heard = true
		}
		waits = waits || r.queued && !r.had()
	}
	switch {
	case gu.session == nil:
		g.back(sched, st, p, ordinal, true)
	case !heard && !waits && gu.session.synced:
		g.back(sched, st, p, ordinal, false)
	}
}

// back tells a scheduler what could not be done.
func (g *agg) back(sched int, st *stream, p *plan, ordinal uint32, notHere bool) {
	st.send(0, inOrder, func() { g.w.scheds[sched].returned(p, ordinal, notHere) })
}
