package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// connect is a scheduler that opens its stream: it gets a snapshot, and what is
// not forgotten once it says what it owns.
func (g *agg) connect(s *sched, st *stream, window *link.Window) {
	if old := g.streams[s.n]; old != nil {
		g.disconnect(old)
		old.stream.cut()
	}
	up := &upstream{agg: g, sched: s.n, stream: st, releases: newLender()}
	for class := range up.lanes {
		up.lanes[class] = &lane{upstream: up, class: class, out: link.NewOutbox[*record](), window: window}
	}
	g.streams[s.n] = up
	st.lost[1] = func() { g.disconnect(up) }
	takes := up.releases.opened()
	st.send(0, inOrder, func() { s.hello(g.n, takes) })
	var here []attachment
	for _, gu := range g.hosts {
		if gu.session != nil {
			here = append(here, gu.last)
		}
	}
	half := len(here) / 2
	st.send(0, inOrder, func() { s.attach(g.n, st, true, here[:half], false) })
	st.send(0, inOrder, func() { s.attach(g.n, st, false, here[half:], true) })
}

func (g *agg) disconnect(up *upstream) {
	if g.streams[up.sched] != up {
		return
	}
	g.streams[up.sched] = nil
	for i := range g.owners {
		if g.owners[i].sched == up.sched {
			g.owners[i].sched = -1
		}
	}
	for _, gu := range g.hosts {
		for _, r := range gu.records {
			if r.via != nil && r.via.upstream == up {
				r.leave()
			}
		}
	}
}

// attachmentChanged lets every scheduler know that a host came or went.
func (gu *guest) attachmentChanged() {
	g, item := gu.agg, gu.last
	for n, up := range g.streams {
		if up != nil {
			up.stream.send(0, inOrder, func() { g.w.scheds[n].attach(g.n, up.stream, false, []attachment{item}, false) })
		}
	}
}

// owns takes what a scheduler owns now. Reports of shards that change hands are
// all due again, for their new owner.
func (g *agg) owns(sched int, st *stream, epochs []job.Epoch) {
	up := g.streams[sched]
	if up == nil || up.stream != st {
		return
	}
	for shard, epoch := range epochs {
		o := &g.owners[shard]
		order := epoch.Compare(o.epoch)
		switch {
		case epoch == job.Epoch{}:
			if o.sched == sched {
				o.sched = -1
			}
			continue
		case order < 0 || order == 0 && o.name >= 0 && o.name != sched:
			continue
		case o.sched == sched && order == 0:
			continue
		}
		*o = owner{sched: sched, name: sched, epoch: epoch}
		for _, gu := range g.hosts {
			for _, r := range gu.records {
				if r.heard && r.plan.shard == shard {
					r.route()
				}
			}
		}
	}
}

// route queues the report of a record for the owner of its job.
func (r *record) route() {
	g := r.guest.agg
	o := g.owners[r.plan.shard].sched
	if o < 0 || g.streams[o] == nil {
		r.leave()
		return
	}
	lane := g.streams[o].lanes[r.plan.class()]
	if r.via != lane {
		r.leave()
		r.via = lane
	}
	lane.out.Put(r)
	lane.kick()
}

func (r *record) leave() {
	if r.via != nil {
		r.via.out.Forget(r)
		r.via, r.told = nil, false
	}
}

// kick sends what is due soon, as far as there is credit.
func (l *lane) kick() {
	if l.kicked {
		return
	}
	l.kicked = true
	l.agg.after(time.Millisecond, func() {
		l.kicked = false
		class := classes()[l.class]
		free := l.window.Free(class)
		number, keys := l.out.Next(int(free))
		l.agg.w.sawIf(free == 0, "a report waited for credit")
		if len(keys) == 0 || l.stream.broken {
			return
		}
		l.window.Take(class, uint32(len(keys)))
		batch := make([]report, 0, len(keys))
		for _, r := range keys {
			r.told = true
			batch = append(batch, report{job: r.plan.n, host: r.guest.host, said: r.said})
		}
		st, g := l.stream, l.agg
		st.send(0, numbered, func() { g.w.scheds[l.sched].reports(g.n, st, l.class, number, batch) })
	})
}

// granted is credit of a scheduler, for more reports.
func (g *agg) granted(sched int, st *stream, class int, more uint32) {
	if up := g.streams[sched]; up != nil && up.stream == st {
		up.lanes[class].window.Grant(classes()[class], more)
		if up.lanes[class].out.Pending() > 0 {
			up.lanes[class].kick()
		}
	}
}

// haveReports: the scheduler has received batches.
func (g *agg) haveReports(sched int, st *stream, class int, number uint64) {
	if up := g.streams[sched]; up != nil && up.stream == st {
		up.lanes[class].out.Have(number)
	}
}

// take merges what a host says into what is held, and reports whether that has
// grown.
func (r *record) take(in said) bool {
	switch {
	case !r.heard, r.said.pastW && !in.pastW:
	case in.pastW:
		if r.said.pastW || r.said.seen.State.Final() {
			return false
		}
	default:
		if task.Join(r.said.seen, in.seen) == r.said.seen {
			return false
		}
	}
	r.heard, r.said, r.told = true, in, false
	if r.answers(r.attempt) {
		missed := r.queued && r.dirty && r.want > task.DesiredRun
		if r.answered(); missed && r.isLive() {
			r.tell(r.want)
		}
	}
	if in.pastW || in.seen.State.Final() || r.wish == task.DesiredWithdraw && in.seen.State >= task.Starting {
		r.wish, r.wishDue = 0, false
	}
	return true
}
