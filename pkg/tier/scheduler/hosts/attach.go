package hosts

import (
	"slices"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// patience is how long a host counts as here after the stream to its aggregator
// broke and no complete snapshot has come (architecture section 5, promise 3).
const patience = 60 * time.Second

// lostSight is a stream that broke and who was attached through it.
type lostSight struct {
	at    time.Time
	hosts []fleet.HostID
}

// Attach takes what an aggregator says of its sessions and returns the hosts
// for which something has changed.
func (t *Table) Attach(a mesh.Attachments, now time.Time) []fleet.HostID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var changed []fleet.HostID
	note := func(c fleet.Change) {
		switch c.Kind {
		case fleet.Came, fleet.Moved, fleet.Gone, fleet.Reincarnated:
			changed = append(changed, c.Host)
		case fleet.NoChange, fleet.LostSight, fleet.Stale:
		}
	}
	if a.Begin {
		t.seen.BeginSnapshot(a.Via)
	}
	for i := range a.Items {
		note(t.item(a.Via, &a.Items[i], now))
	}
	if a.End {
		for _, c := range t.seen.EndSnapshot(a.Via, now) {
			note(c)
		}
		delete(t.unsure, a.Via)
	}
	return changed
}

// item takes one session. The caller holds mu.
func (t *Table) item(via fleet.Via, i *mesh.Attachment, now time.Time) fleet.Change {
	at := i.Since
	if at.IsZero() || at.After(now) { // a clock ahead of ours must not win for ever
		at = now
	}
	if !i.Attached {
		return t.seen.Detach(via, i.Host, i.Incarnation, i.Session, at)
	}
	c := t.seen.Attach(via, i.Host, i.Incarnation, i.Session, at)
	if c.Kind == fleet.Stale {
		return c
	}
	row, known := t.row(i.Host)
	o := observed{address: i.Address, facts: i.Facts, incarnation: i.Incarnation, witnessed: c.Kind == fleet.Reincarnated, at: now}
	if o.facts == nil {
		o.facts = row.Facts
	}
	if known && !o.differs(row) {
		delete(t.pending, i.Host)
		return c
	}
	t.pending[i.Host] = o
	signal(t.news)
	if !known {
		signal(t.unknown)
	}
	return c
}

func signal(one chan<- struct{}) {
	select {
	case one <- struct{}{}:
	default:
	}
}

// Lost says that the stream to an aggregator broke. Its hosts go on counting as
// here for a while; see [Table.Changed].
func (t *Table) Lost(via fleet.Via, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changes := t.seen.LostVia(via, at)
	l := t.unsure[via]
	if l == nil {
		l = &lostSight{at: at}
		t.unsure[via] = l
	}
	for _, c := range changes {
		l.hosts = append(l.hosts, c.Host)
	}
}

// Changed returns, once, the hosts for which something has changed that no
// aggregator has just said: their rows have another incarnation, or the stream
// to their aggregator broke so long ago that they count as away from now on, or
// they were never seen since this process began to listen, so long ago. It is
// asked every second or so.
func (t *Table) Changed(now time.Time) []fleet.HostID {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed := t.reborn
	t.reborn = nil
	if t.born.IsZero() {
		t.born = now
	}
	if !t.grown && now.Sub(t.born) >= patience {
		t.grown = true
		changed = append(changed, t.neverSeen()...)
	}
	for via, l := range t.unsure {
		if now.Sub(l.at) < patience {
			continue
		}
		for _, host := range l.hosts {
			if p, _ := t.seen.Since(host); p == fleet.Unsure {
				changed = append(changed, host)
			}
		}
		delete(t.unsure, via)
	}
	return changed
}

// neverSeen are the hosts of which no aggregator has said anything, ascending.
// The caller holds mu.
func (t *Table) neverSeen() (hosts []fleet.HostID) {
	for id := range t.rows.IDs() {
		if p, _ := t.seen.Since(id); p == fleet.NeverSeen {
			hosts = append(hosts, id)
		}
	}
	slices.Sort(hosts)
	return hosts
}
