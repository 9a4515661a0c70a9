package sim

import (
	"slices"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
)

// credit is how many releases, or reports, of a class a receiver on the mesh
// takes at a time.
const credit = 2

// lender is the receiver's side of credit: what it has given, and what has come.
type lender struct{ given, come []int } // by class

func newLender() lender { return lender{make([]int, len(classes())), make([]int, len(classes()))} }

// opened is a sender's window with what it begins with.
func (l *lender) opened() *link.Window {
	w := link.NewWindow(credit)
	for i, class := range classes() {
		l.given[i] += int(w.Grant(class, credit))
	}
	return w
}

// took notes what has come, and reports whether there was credit for it. It gives
// as much again.
func (l *lender) took(class, n int) bool {
	l.come[class] += n
	ok := l.come[class] <= l.given[class]
	l.given[class] += n
	return ok
}

// borrower is the sender's side, counted without the window: what it may send by
// the credit that has come, and what it has sent. Who lends cannot see that too much
// was sent: it gives credit back before it is there.
type borrower struct{ may, did []int } // by class

func newBorrower() borrower {
	b := borrower{make([]int, len(classes())), make([]int, len(classes()))}
	for i := range b.may {
		b.may[i] = credit
	}
	return b
}

// sent notes what is sent, and reports whether there was credit for it.
func (b *borrower) sent(class, n int) bool {
	b.did[class] += n
	return b.did[class] <= b.may[class]
}

// waiting is a release that is on its way to an aggregator, or waits for credit.
type waiting struct {
	plan *plan
	job.Dispatch
}

// dispatch sends a release when its class has credit. A newer one of the same task
// replaces it.
func (s *sched) dispatch(m *mesh, p *plan, d job.Dispatch) {
	same := func(w waiting) bool { return w.plan == p && w.Ordinal == d.Ordinal }
	if i := slices.IndexFunc(m.wait, same); i >= 0 {
		m.wait[i].Dispatch = d
	} else {
		m.wait = append(m.wait, waiting{p, d})
	}
	s.pump(m)
}

// wish sends a wish, or adds it to the release that waits.
func (s *sched) wish(m *mesh, p *plan, d job.Wish) {
	for i := range m.wait {
		if w := &m.wait[i]; w.plan == p && w.Ordinal == d.Ordinal && w.Attempt <= d.Attempt {
			w.Want = d.Want
			return
		}
	}
	m.stream.send(1, inOrder, func() { m.agg.wish(s.n, m.stream, p, d) })
}

// forget sends a Forget, and nothing else that waits.
func (s *sched) forget(m *mesh, p *plan, o uint32, era int) {
	m.wait = slices.DeleteFunc(m.wait, func(w waiting) bool { return w.plan == p && w.Ordinal == o })
	m.stream.send(1, inOrder, func() { m.agg.forget(p, p.hosts[o], era) })
}

// pump sends what has credit. A class without holds up no other.
func (s *sched) pump(m *mesh) {
	m.wait = slices.DeleteFunc(m.wait, func(w waiting) bool {
		p, d := w.plan, w.Dispatch
		if m.window.Take(p.spec.Class, 1) == 0 {
			s.w.saw("a release waited for credit")
			return false
		}
		if !m.debt.sent(slices.Index(classes(), p.spec.Class), 1) {
			s.w.violate(Bounded, "%s sends a release of class %s for which it has no credit", s.name, p.spec.Class)
		}
		payload := !m.sent[p.n]
		m.sent[p.n] = true
		m.stream.send(1, inOrder, func() { m.agg.dispatch(s.n, m.stream, p, d, payload) })
		return true
	})
}

// granted is credit of an aggregator.
func (s *sched) granted(n int, st *stream, class string, more uint32) {
	if m := s.links[n]; m != nil && m.stream == st {
		m.window.Grant(class, more)
		m.debt.may[slices.Index(classes(), class)] += int(more)
		s.pump(m)
	}
}

// needsPayload: an aggregator has got a release of a job that it does not know.
func (s *sched) needsPayload(n int, st *stream, p *plan) {
	m := s.links[n]
	t := s.tenures[p.shard]
	if m == nil || m.stream != st {
		return
	}
	s.w.saw("a payload was asked for")
	m.sent[p.n] = false
	if t == nil || !t.loaded {
		return
	}
	t.post(func() {
		h := t.held(p)
		if h == nil {
			return
		}
		var again []uint32
		for o, host := range p.hosts {
			if via, here := s.seen.Via(s.w.hosts[host].id); here && via == m.agg.via && h.machine.Task(uint32(o)).Released {
				again = append(again, uint32(o))
			}
		}
		_ = t.step(h, job.NotKnown{Ordinals: again})
	})
}

// worked gives credit back for a release.
func (g *agg) worked(up *upstream, class string) {
	i := slices.Index(classes(), class)
	if !up.releases.took(i, 1) {
		g.w.violate(Bounded, "%s gets a release of class %s for which it has given no credit", g.name, class)
	}
	if g.w.bug("credit is not given back") {
		return
	}
	up.stream.send(0, inOrder, func() { g.w.scheds[up.sched].granted(g.n, up.stream, class, 1) })
}
