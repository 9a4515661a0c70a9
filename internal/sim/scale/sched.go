package scale

import (
	"maps"
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// sched is a scheduler process: half of the shards, and the whole fleet's
// attachments.
type sched struct {
	w       *world
	n       int
	seen    *fleet.Attachments
	tenures []*tenure // by shard; nil: not owned
	links   []*mesh   // by aggregator
}

// mesh is the stream to an aggregator.
type mesh struct {
	agg    *agg
	cursor link.Cursor
	window *link.Window
	wait   []releases // for credit
	sent   map[*plan]struct{}
}

// releases are of one job.
type releases struct {
	plan *plan
	list []job.Dispatch
}

// report is what a host says of a task, on the mesh.
type report struct {
	plan    *plan
	ordinal uint32
	seen    task.Report
}

func newSched(w *world, n int) *sched {
	s := &sched{w: w, n: n, seen: fleet.NewAttachments(), tenures: make([]*tenure, shards)}
	for _, g := range w.aggs {
		m := &mesh{agg: g, window: link.NewWindow(releaseWindow), sent: map[*plan]struct{}{}}
		m.window.Grant(class, releaseWindow)
		s.links = append(s.links, m)
		g.up = append(g.up, &upstream{agg: g, sched: s, out: link.NewOutbox[*record]()})
		s.seen.BeginSnapshot(g.via)
		s.seen.EndSnapshot(g.via, w.began)
	}
	return s
}

// attach takes what an aggregator says of a session.
func (s *sched) attach(g *agg, se *seat, here bool, at time.Time) {
	var c fleet.Change
	if here {
		c = s.seen.Attach(g.via, se.host.id, se.host.inc, se.number, at)
	} else {
		c = s.seen.Detach(g.via, se.host.id, se.host.inc, se.number, at)
	}
	switch c.Kind {
	case fleet.Came, fleet.Moved, fleet.Gone, fleet.Reincarnated:
		for _, t := range s.tenures {
			if t != nil && len(t.jobs) > 0 {
				t.post(func() { t.hostChanged(se.host) })
			}
		}
	case fleet.NoChange, fleet.LostSight, fleet.Stale:
	}
}

// sight is what a job is to be told of a target's host now.
func (s *sched) sight(h *host) (job.Event, bool) {
	switch presence, since := s.seen.Since(h.id); presence {
	case fleet.Here:
		return job.Reached{Host: h.id, Incarnation: s.seen.Incarnation(h.id)}, true
	case fleet.Away:
		return job.Gone{Host: h.id, Since: since}, true
	case fleet.Unsure, fleet.NeverSeen:
	}
	return nil, false
}

// reports is a numbered batch.
func (s *sched) reports(g *agg, number uint64, batch []report) {
	m := s.links[g.n]
	if m.cursor.Observe(number) == link.Accepted {
		byShard := map[int][]report{}
		for _, r := range batch {
			byShard[r.plan.shard] = append(byShard[r.plan.shard], r)
		}
		for _, shard := range slices.Sorted(maps.Keys(byShard)) {
			if t := s.tenures[shard]; t != nil {
				t.post(func() { t.hear(byShard[shard]) })
			}
		}
	}
	s.sendDown(g, s.w.sizes.have)
	s.w.after(meshHop, func() { g.up[s.n].out.Have(number) })
}

func (s *sched) returned(p *plan, list []uint32, notHere bool) {
	t := s.tenures[p.shard]
	if t == nil {
		return
	}
	t.post(func() {
		switch h := t.jobs[p]; {
		case h == nil:
		case notHere:
			t.step(h, job.NotHere{Ordinals: list})
		default:
			t.step(h, job.NotKnown{Ordinals: list})
		}
	})
}

func (s *sched) sendDown(g *agg, bytes int) {
	s.w.Messages++
	g.load().MeshDown++
	g.load().BytesDown += uint64(bytes)
}

// send hands over what is owed to where the hosts are.
func (s *sched) send(p *plan, owed job.Send) {
	parts := map[int]*job.Send{}
	at := func(o uint32) *job.Send {
		via, here := s.seen.Via(s.w.hosts[p.hosts[o]].id)
		if !here {
			return &job.Send{} // it comes again when the host is reached
		}
		n := s.w.byVia[via].n
		if parts[n] == nil {
			parts[n] = &job.Send{}
		}
		return parts[n]
	}
	for _, d := range owed.Dispatch {
		part := at(d.Ordinal)
		part.Dispatch = append(part.Dispatch, d)
	}
	for _, d := range owed.Wishes {
		part := at(d.Ordinal)
		part.Wishes = append(part.Wishes, d)
	}
	for _, o := range owed.Forget {
		part := at(o)
		part.Forget = append(part.Forget, o)
	}
	for _, o := range owed.Query {
		part := at(o)
		part.Query = append(part.Query, o)
	}
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		s.sendTo(s.links[n], p, parts[n])
	}
}

// sendTo sends one aggregator its part. What is released waits for credit.
func (s *sched) sendTo(m *mesh, p *plan, part *job.Send) {
	if len(part.Dispatch) > 0 {
		m.wait = append(m.wait, releases{p, part.Dispatch})
		s.pump(m)
	}
	if n := len(part.Wishes) + len(part.Forget); n > 0 {
		s.sendDown(m.agg, s.w.weighWishes(p, n))
		s.w.after(meshHop, func() {
			m.agg.forget(p, part.Forget)
			m.agg.wish(s, p, part.Wishes)
		})
	}
	if n := len(part.Query); n > 0 {
		s.sendDown(m.agg, s.w.weighQuery(p, n))
		s.w.after(meshHop, func() { m.agg.query(s, p, part.Query) })
	}
}

func (s *sched) pump(m *mesh) {
	for len(m.wait) > 0 {
		next := &m.wait[0]
		n := int(m.window.Take(class, uint32(len(next.list))))
		if n == 0 {
			return
		}
		p, list := next.plan, next.list[:n]
		if next.list = next.list[n:]; len(next.list) == 0 {
			m.wait = m.wait[1:]
		}
		s.sendDown(m.agg, s.w.weighDispatch(m, p, n))
		s.w.after(meshHop, func() { m.agg.dispatch(s, p, list) })
	}
	m.wait = nil
}

func (s *sched) granted(g *agg, n int) {
	m := s.links[g.n]
	m.window.Grant(class, uint32(n))
	s.pump(m)
}
