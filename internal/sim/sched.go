package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
)

// sched is a scheduler process.
type sched struct {
	proc
	n       int
	skew    time.Duration
	links   []*mesh // by aggregator; nil: no stream
	cursors []*[2]link.Cursor
	should  []int // as etcd said last
	tenures []*tenure
	seen    *fleet.Attachments
	lost    []sightLost // streams that broke and have not been made up for
}

// mesh is the stream to an aggregator.
type mesh struct {
	agg    *agg
	stream *stream
	cursor *[2]link.Cursor // by class
	greets bool            // the hello has come

	window  *link.Window // releases that the aggregator takes
	debt    borrower
	wait    []waiting
	sent    []bool // payloads, by plan
	reports lender
}

func newSched(w *world, n int) *sched {
	s := &sched{proc: w.newProc(fmt.Sprintf("scheduler %d", n)), n: n}
	if skew := w.span(ofPlan, -2*time.Second, 2*time.Second); w.faults&Clock != 0 {
		s.skew = skew
	}
	return s
}

func (s *sched) clock() time.Time { return s.w.now.Add(s.skew) }

// start is a new process: it knows nothing.
func (s *sched) start() {
	s.rise()
	s.links = make([]*mesh, len(s.w.aggs))
	s.cursors = make([]*[2]link.Cursor, len(s.w.aggs))
	s.tenures = make([]*tenure, shards)
	s.should = nil
	s.seen, s.lost = fleet.NewAttachments(), nil
	for n := range s.w.aggs {
		s.connect(n)
	}
	s.every(time.Second, s.lookAround)
	s.w.say(s.name, "starts")
}

// crash ends the process and starts another a little later.
func (s *sched) crash(why string) {
	if !s.up {
		return
	}
	s.w.say(s.name, "crashes: %s", why)
	s.die()
	s.w.after(s.w.span(ofFault, 200*time.Millisecond, 20*time.Second), func() {
		if !s.up {
			s.start()
		}
	})
}

// crashPoint is a moment in which a crash would hurt.
func (s *sched) crashPoint(why string) bool {
	if !s.w.strikes(SchedulerCrash, 6) {
		return false
	}
	s.w.saw("a scheduler crashed " + why)
	s.crash(why)
	return true
}

// own takes what etcd says: who loses a shard gives it up, who gets one claims it.
func (s *sched) own(should []int) {
	s.should = should
	for shard, by := range should {
		t := s.tenures[shard]
		switch {
		case by == s.n && t == nil:
			s.tenures[shard] = newTenure(s, shard)
		case by != s.n && t != nil && by >= 0 && !t.busy:
			t.end("it is another's")
		}
	}
}

// connect keeps a stream to an aggregator.
func (s *sched) connect(n int) {
	g := s.w.aggs[n]
	again := func() { s.connect(n) }
	s.w.dial(&s.proc, &g.proc, func(st *stream) {
		m := &mesh{agg: g, stream: st, cursor: &[2]link.Cursor{}, reports: newLender(), window: link.NewWindow(credit), debt: newBorrower(), sent: make([]bool, len(s.w.plans))}
		if s.w.bug("cursor kept over streams") && s.cursors[n] != nil {
			m.cursor = s.cursors[n]
		}
		s.links[n], s.cursors[n] = m, m.cursor
		st.lost[0] = func() {
			s.links[n] = nil
			s.lostVia(g)
			s.after(s.w.span(ofNet, 50*time.Millisecond, 3*time.Second), again)
		}
		window := m.reports.opened()
		st.send(1, inOrder, func() { g.connect(s, st, window) })
	}, again)
}

// owns is what this process serves now.
func (s *sched) owns() []job.Epoch {
	epochs := make([]job.Epoch, shards)
	for i, t := range s.tenures {
		if t != nil && t.serving {
			epochs[i] = t.epoch
		}
	}
	return epochs
}

// tell says to the aggregators what is owned.
func (s *sched) tell() {
	for _, m := range s.links {
		if m != nil && m.greets {
			s.tellOne(m)
		}
	}
}

func (s *sched) tellOne(m *mesh) {
	epochs := s.owns()
	m.stream.send(1, inOrder, func() { m.agg.owns(s.n, m.stream, epochs) })
}

// hello is the aggregator's.
func (s *sched) hello(n int, window *link.Window) {
	if m := s.links[n]; m != nil {
		m.greets, m.window, m.debt = true, window, newBorrower()
		s.tellOne(m)
	}
}

// reports is a numbered batch of reports.
func (s *sched) reports(n int, st *stream, class int, number uint64, batch []report) {
	m := s.links[n]
	if m == nil || m.stream != st {
		return
	}
	switch m.cursor[class].Observe(number) {
	case link.Gap:
		st.cut()
		return
	case link.Duplicate:
	case link.Accepted:
		if !m.reports.took(class, len(batch)) {
			s.w.violate(Bounded, "%s gets %d reports for which it has given no credit", s.name, len(batch))
		}
		more := uint32(len(batch))
		st.send(1, inOrder, func() { m.agg.granted(s.n, st, class, more) })
		for i := range batch {
			r := batch[i]
			if t := s.tenures[s.w.plans[r.job].shard]; t != nil && t.loaded {
				t.post(func() { t.heard(r) })
			}
		}
	}
	have := m.cursor[class].Have()
	st.send(1, inOrder, func() { m.agg.haveReports(s.n, st, class, have) })
}

// report is what a host says of a task, on the mesh.
type report struct {
	job, host int
	said      said
}

// returned is what an aggregator could not pass on.
func (s *sched) returned(p *plan, ordinal uint32, notHere bool) {
	t := s.tenures[p.shard]
	if t == nil || !t.loaded {
		return
	}
	t.post(func() {
		h := t.held(p)
		if h == nil {
			return
		}
		s.w.sawIf(notHere, "a host was not here")
		s.w.sawIf(!notHere, "a release was not known")
		if list := []uint32{ordinal}; notHere {
			_ = t.step(h, job.NotHere{Ordinals: list})
		} else {
			_ = t.step(h, job.NotKnown{Ordinals: list})
		}
	})
}

// route sends something to the aggregator that has the host.
func (s *sched) route(host int, send func(*mesh)) {
	via, here := s.seen.Via(s.w.hosts[host].id)
	if !here {
		return
	}
	n := slices.IndexFunc(s.w.aggs, func(g *agg) bool { return g.via == via })
	if m := s.links[n]; m != nil {
		send(m)
	}
}
