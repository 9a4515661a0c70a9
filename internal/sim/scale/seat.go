package scale

import (
	"slices"

	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

const mostCommands = 32 // in a reply

// seat is a session, at its aggregator.
type seat struct {
	agg     *agg
	host    *host
	number  uint64
	beats   link.Cursor
	replies uint64
	records []*record
	forgets []*plan
	due     bool // a heartbeat is to be answered
	synced  bool // it has said everything
	kicked  bool
	closed  bool
}

// record is one job on one host: the release on its way down, the newest report
// on its way up.
type record struct {
	seat    *seat
	plan    *plan
	ordinal uint32
	attempt uint32
	seen    task.Report
	heard   bool
	queued  bool         // the host has not answered
	dirty   bool         // it is to be sent
	want    task.Desired // rides with the release
	wish    task.Desired // is to be said by itself; 0: none
	via     *upstream
}

// reply is what an aggregator answers.
type reply struct {
	number, have uint64
	commands     []command
	wishes       []wished
	forgets      []*plan
}

// command is a release as its host gets it.
type command struct {
	plan             *plan
	ordinal, attempt uint32
	want             task.Desired
}

// wished is a wish that goes by itself.
type wished struct {
	plan *plan
	want task.Desired
}

func (se *seat) record(p *plan) *record {
	for _, r := range se.records {
		if r.plan == p {
			return r
		}
	}
	return nil
}

func (se *seat) hold(p *plan, ordinal uint32) *record {
	if r := se.record(p); r != nil {
		return r
	}
	r := &record{seat: se, plan: p, ordinal: ordinal}
	se.records = append(se.records, r)
	se.agg.records++
	se.agg.load().MostRecords = max(se.agg.load().MostRecords, se.agg.records)
	return r
}

func (se *seat) drop(r *record) {
	if r == nil {
		return
	}
	r.leave()
	se.records = slices.DeleteFunc(se.records, func(o *record) bool { return o == r })
	se.agg.records--
}

// end is the end of the session, unless a newer one is here.
func (se *seat) end() {
	if se.closed {
		return
	}
	se.closed = true
	for len(se.records) > 0 {
		se.drop(se.records[0])
	}
	delete(se.agg.seats, se.host.n)
	se.agg.attach(se, false)
}

// hear takes a heartbeat.
func (se *seat) hear(number uint64, reports []hostReport) {
	g := se.agg
	if se.closed || se.beats.Observe(number) != link.Accepted {
		return
	}
	se.due, se.synced = true, true
	g.w.Messages++
	g.load().SessionUp++
	g.load().BytesFrom += uint64(g.w.sizes.heartbeat)
	for _, in := range reports {
		g.load().BytesFrom += uint64(g.w.sizes.said(in.seen))
		r := se.hold(in.plan, in.ordinal)
		if r.heard && task.Join(r.seen, in.seen) == r.seen {
			continue
		}
		r.heard, r.seen = true, in.seen
		if in.seen.Attempt >= r.attempt {
			r.queued, r.dirty = false, false
		}
		r.route()
	}
	se.poke()
}

// poke sends a reply soon, if one is due: for a heartbeat, a command or a wish.
func (se *seat) poke() {
	if se.kicked {
		return
	}
	se.kicked = true
	se.agg.w.after(linger, func() {
		se.kicked = false
		if !se.closed {
			se.answer()
		}
	})
}

func (se *seat) answer() {
	g := se.agg
	out := reply{forgets: se.forgets}
	more, bytes := false, g.w.sizes.reply+len(se.forgets)*g.w.sizes.forgotten
	for _, r := range se.records {
		switch {
		case !r.dirty && r.wish == 0:
		case len(out.commands)+len(out.wishes) >= mostCommands:
			more = true
		case r.dirty:
			out.commands = append(out.commands, command{r.plan, r.ordinal, r.attempt, max(r.want, r.wish)})
			r.dirty, r.wish = false, 0
			bytes += g.w.sizes.commandOf(r.plan)
		default:
			out.wishes = append(out.wishes, wished{r.plan, r.wish})
			r.wish = 0
			bytes += g.w.sizes.forgotten
		}
	}
	if !se.due && len(out.commands) == 0 && len(out.wishes) == 0 {
		return
	}
	se.replies++
	se.due, se.forgets = false, nil
	out.number, out.have = se.replies, se.beats.Have()
	g.w.Messages++
	g.load().SessionDown++
	g.load().BytesToHost += uint64(bytes)
	g.w.after(sessionHop, func() { se.host.hear(se, out) })
	if more {
		se.poke()
	}
}
