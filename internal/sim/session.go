package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Times of a session.
const (
	heartbeatEvery = 5 * time.Second
	missed         = 3 // heartbeats, until a session is given up
	replyItems     = 8
)

// session is one agent's stream, at the aggregator.
type session struct {
	guest      *guest
	agent      *agent
	stream     *stream
	inc        fleet.Incarnation
	beat       time.Time
	heartbeats link.Cursor
	due        bool
	replies    uint64
	have       uint64
	synced     bool
	askResync  bool
	resyncIn   uint64
	all        bool
	kicked     bool
}

// heartbeat is what an agent says.
type heartbeat struct {
	number    uint64
	haveReply uint64
	complete  bool
	reports   []hostReport
}

type hostReport struct {
	plan *plan
	said said
}

// reply is what an aggregator answers.
type reply struct {
	number   uint64
	have     uint64
	resync   bool
	time     time.Time
	commands []delivery
	wishes   []wished
	forgets  []forget
}

// delivery is a release as its host gets it.
type delivery struct {
	plan    *plan
	attempt uint32
	want    task.Desired
	whole   bool // its capsule is here
}

// wished is a wish that goes by itself.
type wished struct {
	plan *plan
	want task.Desired
}

// open makes a session the host's only one, or refuses it.
func (g *agg) open(a *agent, st *stream, inc fleet.Incarnation, number uint64, spool int) {
	gu := g.hosts[a.host.n]
	known := false
	for i := range gu.numbers {
		if n := &gu.numbers[i]; n.inc == inc {
			known = true
			if number <= n.number {
				st.cut()
				return
			}
			n.number = number
		}
	}
	if !known {
		gu.numbers = append(gu.numbers, sessionNumber{inc, number})
	}
	if old := gu.session; old != nil {
		gu.detach(old)
		old.stream.cut()
	}
	se := &session{guest: gu, agent: a, stream: st, inc: inc, beat: g.w.now}
	gu.lossy = spool == g.spool && (gu.lossy || !known)
	se.askResync, se.all = gu.lossy, spool != g.spool
	gu.round++
	gu.session = se
	gu.last = attachment{host: gu.host, inc: inc, session: number, attached: true, since: g.w.now}
	g.w.say(g.name, "session %d of %s, with the spool of before: %t", number, a.host.id, !se.all)
	gu.reopen()
	st.lost[1] = func() { gu.detach(se) }
	gu.attachmentChanged()
	st.send(0, inOrder, func() { a.welcome(st, g.spool) })
	se.watch()
}

// watch gives the session up when no heartbeat comes.
func (se *session) watch() {
	g := se.guest.agg
	g.after(heartbeatEvery, func() {
		switch {
		case se.guest.session != se:
		case g.w.now.Sub(se.beat) >= missed*heartbeatEvery:
			se.guest.detach(se)
			se.stream.cut()
		default:
			se.watch()
		}
	})
}

func (gu *guest) detach(se *session) {
	if gu.session != se {
		return
	}
	gu.session = nil
	gu.last.attached, gu.last.since = false, gu.agg.w.now
	gu.attachmentChanged()
}

// reopen makes all that the host has not answered due again.
func (gu *guest) reopen() {
	for i := range gu.forgets {
		gu.forgets[i].reply = 0
	}
	for _, r := range append([]*record(nil), gu.records...) {
		switch {
		case !gu.here(r.inc):
			r.answered()
			r.wish = 0
			r.tidy()
		default:
			r.dirty, r.wishDue = r.queued, r.wish != 0
			if r.heard && (r.said.pastW || r.said.seen.State.Final()) && !gu.agg.w.bug("outcomes are not said again") {
				r.route() // its Forget may have come to nothing while the host was away
			}
		}
	}
}

// heard takes a heartbeat.
func (se *session) heard(b heartbeat) {
	gu := se.guest
	if gu.session != se {
		return
	}
	se.beat, se.due = gu.agg.w.now, true
	defer se.poke()
	if have := min(b.haveReply, se.replies); have > se.have {
		se.have = have
		kept := gu.forgets[:0]
		for _, f := range gu.forgets {
			if f.reply == 0 || f.reply > have {
				kept = append(kept, f)
			}
		}
		gu.forgets = kept
	}
	switch se.heartbeats.Observe(b.number) {
	case link.Duplicate:
		return
	case link.Gap:
		gu.agg.w.saw("a heartbeat was missing")
		se.askResync, se.synced = true, false
	case link.Accepted:
	}
	for _, in := range b.reports {
		r := gu.hold(in.plan, se.inc)
		r.round = gu.round
		if r.take(in.said) {
			r.route()
		}
	}
	if b.complete && !se.askResync && b.haveReply >= se.resyncIn {
		se.completed()
	}
}

// completed: the host has said everything.
func (se *session) completed() {
	gu := se.guest
	se.synced = true
	if se.resyncIn > 0 {
		gu.lossy = false
	}
	if !se.all {
		return
	}
	for _, r := range append([]*record(nil), gu.records...) {
		if r.heard && r.inc == se.inc && r.round != gu.round {
			r.drop() // its Forget came by another aggregator
		}
	}
}

// poke sends a reply soon, if one is due: for a heartbeat, a command or a wish.
func (se *session) poke() {
	if se.kicked {
		return
	}
	se.kicked = true
	se.guest.agg.after(time.Millisecond, func() {
		se.kicked = false
		if se.guest.session == se {
			se.answer()
		}
	})
}

func (se *session) answer() {
	gu := se.guest
	w := gu.agg.w
	push, early := !w.on(PushOff), false
	for _, r := range gu.records {
		early = early || r.dirty || r.wishDue
	}
	if early && !push {
		w.struck(PushOff)
		early = false
	}
	if !se.due && !early {
		return
	}
	se.replies++
	have, gap := se.heartbeats.Answer()
	out := reply{number: se.replies, have: have, time: gu.agg.clock()}
	se.due = false
	if out.resync = gap || se.askResync; out.resync {
		w.saw("a resync was asked for")
		se.askResync, se.synced, se.resyncIn, se.all = false, false, se.replies, true
		gu.round++
	}
	for i := range gu.forgets {
		if f := &gu.forgets[i]; f.reply == 0 {
			f.reply = se.replies
			out.forgets = append(out.forgets, *f)
		}
	}
	more := false
	for _, r := range gu.records {
		switch {
		case !r.dirty && !r.wishDue:
		case len(out.commands)+len(out.wishes) >= replyItems:
			more = true
		case r.dirty:
			r.dirty, r.sentIn = false, se.replies
			out.commands = append(out.commands, delivery{r.plan, r.attempt, r.want, !r.plan.large})
		default:
			r.wishDue = false
			out.wishes = append(out.wishes, wished{r.plan, r.wish})
		}
	}
	a, st := se.agent, se.stream
	st.send(0, inOrder, func() { a.reply(st, out) })
	if more {
		se.poke()
	}
}
