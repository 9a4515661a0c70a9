package sim

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// patience is how long a host counts as here after the stream to its aggregator
// broke.
const patience = 60 * time.Second

type sightLost struct {
	via   fleet.Via
	at    time.Time
	hosts []fleet.HostID
}

// attachment is what an aggregator says of a session.
type attachment struct {
	host     int
	inc      fleet.Incarnation
	session  uint64
	attached bool
	since    time.Time
}

// attach takes a piece of a snapshot, or changes.
func (s *sched) attach(n int, st *stream, begin bool, items []attachment, end bool) {
	if m := s.links[n]; m == nil || m.stream != st {
		return
	}
	via := s.w.aggs[n].via
	var changed []int
	note := func(c fleet.Change) {
		switch c.Kind {
		case fleet.Came, fleet.Moved, fleet.Gone, fleet.Reincarnated:
			changed = append(changed, s.w.hostOf(c.Host).n)
		case fleet.NoChange, fleet.LostSight, fleet.Stale:
		}
	}
	if begin {
		s.seen.BeginSnapshot(via)
	}
	for _, a := range items {
		at, id := a.since, s.w.hosts[a.host].id
		if at.After(s.clock()) {
			at = s.clock()
		}
		if a.attached {
			note(s.seen.Attach(via, id, a.inc, a.session, at))
		} else {
			note(s.seen.Detach(via, id, a.inc, a.session, at))
		}
	}
	if end {
		for _, c := range s.seen.EndSnapshot(via, s.clock()) {
			note(c)
		}
		kept := s.lost[:0]
		for _, l := range s.lost {
			if l.via != via {
				kept = append(kept, l)
			}
		}
		s.lost = kept
	}
	s.changed(changed)
}

// lostVia: the stream to an aggregator broke.
func (s *sched) lostVia(g *agg) {
	changes := s.seen.LostVia(g.via, s.clock())
	var hosts []fleet.HostID
	for _, c := range changes {
		hosts = append(hosts, c.Host)
	}
	for i := range s.lost {
		if s.lost[i].via == g.via {
			s.lost[i].hosts = append(s.lost[i].hosts, hosts...)
			return
		}
	}
	s.lost = append(s.lost, sightLost{g.via, s.clock(), hosts})
}

// lookAround is done every second: who is out of sight for too long is away.
func (s *sched) lookAround() {
	var changed []int
	kept := s.lost[:0]
	for _, l := range s.lost {
		if s.clock().Sub(l.at) < patience {
			kept = append(kept, l)
			continue
		}
		for _, id := range l.hosts {
			if p, _ := s.seen.Since(id); p == fleet.Unsure {
				changed = append(changed, s.w.hostOf(id).n)
			}
		}
	}
	s.lost = kept
	s.changed(changed)
}

// changed passes on that hosts came, went or were enrolled anew.
func (s *sched) changed(hosts []int) {
	if len(hosts) == 0 {
		return
	}
	for _, t := range s.tenures {
		if t != nil && t.loaded {
			t.post(func() { t.hostsChanged(hosts) })
		}
	}
}

// sight is what a job is to be told of a target's host now.
func (s *sched) sight(target job.Target) (job.Event, bool) {
	presence, since := s.seen.Since(target.Host)
	switch presence {
	case fleet.Here:
		inc := s.seen.Incarnation(target.Host)
		if inc != target.Incarnation && inc != s.w.store.rows[s.w.hostOf(target.Host).n] {
			return nil, false
		}
		return job.Reached{Host: target.Host, Incarnation: inc}, true
	case fleet.Away:
		return job.Gone{Host: target.Host, Since: since}, true
	case fleet.Unsure:
		return job.Gone{Host: target.Host, Since: since}, s.clock().Sub(since) >= patience
	case fleet.NeverSeen:
	}
	return nil, false
}

func (w *world) hostOf(id fleet.HostID) *host {
	for _, h := range w.hosts {
		if h.id == id {
			return h
		}
	}
	panic("there is no host " + string(id))
}
