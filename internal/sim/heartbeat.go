package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// connect opens a session at one of the aggregators of the room.
func (a *agent) connect() {
	var near []*agg
	for _, g := range a.w.aggs {
		if g.room == a.host.room {
			near = append(near, g)
		}
	}
	g := near[a.w.pick(ofHost, len(near))]
	again := func() { a.after(a.w.span(ofHost, 100*time.Millisecond, 3*time.Second), a.connect) }
	a.w.dial(&a.proc, &g.proc, func(st *stream) {
		a.host.disk.session++
		inc, number, spool := a.host.disk.inc, a.host.disk.session, a.spoolOf(g)
		a.stream, a.welcomed, a.heard = st, false, a.w.now
		st.lost[0] = func() {
			if a.stream == st {
				a.stream, a.welcomed = nil, false
				again()
			}
		}
		st.send(1, inOrder, func() { g.open(a, st, inc, number, spool) })
	}, again)
}

// spoolOf is the spool that the acknowledgements which are held rest on.
func (a *agent) spoolOf(g *agg) int {
	if a.out.Spool() == spoolName(g, g.spool) {
		return g.spool
	}
	return 0
}

func spoolName(g *agg, spool int) string { return string(g.via) + "/" + string(rune('0'+spool)) }

// welcome opens the stream for reports.
func (a *agent) welcome(st *stream, spool int) {
	if a.stream != st {
		return
	}
	g := a.w.aggOf(st)
	a.welcomed, a.heard, a.number, a.haveReply, a.said = true, a.w.now, 0, 0, false
	a.out.Open(spoolName(g, spool))
	a.beatNow()
}

func (w *world) aggOf(st *stream) *agg {
	for _, g := range w.aggs {
		if &g.proc == st.ends[1] {
			return g
		}
	}
	panic("a session ends at no aggregator")
}

// beat sends a heartbeat soon, because there is something to say.
func (a *agent) beat() {
	if a.beating {
		return
	}
	a.beating = true
	life := a.life
	a.w.after(2*time.Millisecond, func() {
		a.beating = false
		if a.up && a.life == life && a.awake() {
			a.beatNow()
		}
	})
}

// beatNow sends a heartbeat with what is due.
func (a *agent) beatNow() {
	st := a.stream
	if st == nil || !a.welcomed {
		if st != nil && a.w.now.Sub(a.heard) > missed*heartbeatEvery {
			st.cut()
		}
		return
	}
	if a.w.now.Sub(a.heard) > missed*heartbeatEvery {
		st.cut()
		return
	}
	a.number++
	b := heartbeat{number: a.number, haveReply: a.haveReply}
	for _, p := range a.out.NextAs(a.number, 6) {
		if e := a.entries[p.n]; e != nil && e.says() {
			b.reports = append(b.reports, hostReport{p, said{a.host.disk.inc, e.seen, e.pastW, e.gone}})
		}
	}
	if a.snapshot && !a.said && a.out.Pending() == 0 {
		b.complete = true
	}
	se := a.w.aggOf(st)
	gu := a.host.n
	st.send(1, repeated, func() {
		if s := se.hosts[gu].session; s != nil && s.stream == st {
			s.heard(b)
		}
	})
	if a.out.Pending() > 0 {
		a.beat()
	}
}

// reply is the aggregator's.
func (a *agent) reply(st *stream, r reply) {
	if a.stream != st || !a.welcomed {
		return
	}
	a.heard, a.time, a.haveReply = a.w.now, r.time, r.number
	a.out.Have(r.have)
	if r.resync {
		a.out.Reset()
		a.said = false
		a.beat()
	}
	for _, f := range r.forgets {
		if e := a.entries[f.plan.n]; e != nil && e.settled() { // else nobody can rightly say so
			e.want, e.era = task.DesiredGone, f.era
			a.drive(e)
		}
	}
	for _, w := range r.wishes {
		if e := a.entries[w.plan.n]; e != nil {
			e.want = max(e.want, w.want)
			a.drive(e)
		}
	}
	for _, d := range r.commands {
		a.order(d)
	}
	if len(r.commands)+len(r.wishes)+len(r.forgets) > 0 {
		a.beat() // so that they are acknowledged
	}
}
