package fleet

import (
	"slices"
	"strings"
	"time"
)

// Attachments is who is attached where, as the aggregators say. It believes
// them in any order of arrival and repetition:
//
//   - Within an incarnation the session with the greatest number is the one.
//   - Another incarnation supersedes the one known, which is never taken back.
//     Of two with sessions at once the one that was attached later, by the
//     aggregators' clocks, is right: the other is a session not yet missed.
//
// It is not safe for concurrent use. Its owner passes only hosts of the table:
// it keeps at most 300 bytes for each. Make it with [NewAttachments].
type Attachments struct {
	hosts map[HostID]*presence
	vias  map[Via]*via
}

// superseded is how many old incarnations of a host are remembered.
const superseded = 4

// presence is one host. It is in the ring of the aggregator that spoke last.
type presence struct {
	host       HostID
	at         *via
	prev, next *presence
	old        *[superseded]Incarnation // most recent first; nil as long as there is none
	inc        Incarnation
	session    uint64
	since      int64 // Unix nanoseconds: of the state
	round      uint32
	state      Presence
	ended      bool // the session was said to have ended; it cannot come back
}

// via is one aggregator.
type via struct {
	name     Via
	ring     presence // sentinel
	here     int
	round    uint32 // number of the snapshot begun last
	complete bool   // a snapshot has ended on the stream that is open
}

// NewAttachments returns one that has never seen a host.
func NewAttachments() *Attachments {
	return &Attachments{hosts: map[HostID]*presence{}, vias: map[Via]*via{}}
}

// Attach says that host has a session at an aggregator since the given time.
// It returns Came, Moved, Reincarnated, NoChange or Stale.
func (a *Attachments) Attach(name Via, host HostID, inc Incarnation, session uint64, at time.Time) Change {
	v, p := a.via(name), a.hosts[host]
	if p == nil {
		p = &presence{host: host, inc: inc}
		a.hosts[host] = p
	}
	kind := p.judge(v, inc, session, at)
	if kind == Stale {
		return p.change(Stale, at)
	}
	if kind == Reincarnated {
		p.supersede(inc)
	}
	if kind != NoChange {
		p.since = at.UnixNano()
	}
	p.sit(v)
	p.set(Here)
	p.session, p.ended, p.round = session, false, v.round
	return p.change(kind, at)
}

// judge says what an attach means, and changes nothing.
func (p *presence) judge(v *via, inc Incarnation, session uint64, at time.Time) ChangeKind {
	switch {
	case inc != p.inc && p.isSuperseded(inc):
		return Stale
	case inc != p.inc && p.state == Here && at.UnixNano() < p.since:
		return Stale
	case inc != p.inc:
		return Reincarnated
	case p.state == NeverSeen:
		return Came
	case session < p.session, session == p.session && (p.ended || p.at != v):
		return Stale
	case p.state != Here:
		return Came
	case p.at != v:
		return Moved
	}
	return NoChange
}

// Detach says that a session has ended. It returns Gone, NoChange or Stale.
func (a *Attachments) Detach(name Via, host HostID, inc Incarnation, session uint64, at time.Time) Change {
	p := a.hosts[host]
	if p == nil {
		return Change{Kind: NoChange, Host: host, Incarnation: inc, Via: name, At: at}
	}
	if inc != p.inc || session < p.session {
		return p.change(Stale, at)
	}
	p.session, p.ended = session, true
	return a.leave(p, Away, at)
}

// LostVia says that the stream to an aggregator broke: what it holds is unsure
// from then. It returns a LostSight for each host that was here through it, by
// host id.
func (a *Attachments) LostVia(name Via, at time.Time) []Change {
	v := a.via(name)
	v.complete = false
	var changes []Change
	for p := v.ring.next; p != &v.ring; p = p.next {
		if p.state == Here {
			changes = append(changes, a.leave(p, Unsure, at))
		}
	}
	return byHost(changes)
}

// BeginSnapshot says that an aggregator now names all its sessions, by Attach.
func (a *Attachments) BeginSnapshot(name Via) {
	v := a.via(name)
	v.round++
	v.complete = false
}

// EndSnapshot says that it has named them all. It returns a Gone for each host
// that was here or unsure through it and was not named, by host id. Away is
// since the given time, or since sight was lost.
func (a *Attachments) EndSnapshot(name Via, at time.Time) []Change {
	v := a.via(name)
	v.complete = true
	var changes []Change
	for p := v.ring.next; p != &v.ring; p = p.next {
		if p.round != v.round && (p.state == Here || p.state == Unsure) {
			changes = append(changes, a.leave(p, Away, at))
		}
	}
	return byHost(changes)
}

// leave makes p away or unsure. What was already said not to be here keeps its
// time.
func (a *Attachments) leave(p *presence, to Presence, at time.Time) Change {
	kind := Gone
	switch {
	case p.state == Away:
		return p.change(NoChange, at)
	case to == Unsure:
		kind = LostSight
	}
	if p.state == Here {
		p.since = at.UnixNano()
	}
	p.set(to)
	return p.change(kind, at)
}

// Via returns the aggregator that host is attached to; false if it is not
// known to be here.
func (a *Attachments) Via(host HostID) (Via, bool) {
	p := a.hosts[host]
	if p == nil || p.state != Here {
		return "", false
	}
	return p.at.name, true
}

// LastVia returns the aggregator that spoke last of host, whether it is here or
// not; false if none ever did.
func (a *Attachments) LastVia(host HostID) (Via, bool) {
	p := a.hosts[host]
	if p == nil || p.at == nil {
		return "", false
	}
	return p.at.name, true
}

// Since returns what is known of host, and since when; the time is zero if it
// was never seen.
func (a *Attachments) Since(host HostID) (Presence, time.Time) {
	p := a.hosts[host]
	if p == nil {
		return NeverSeen, time.Time{}
	}
	return p.state, time.Unix(0, p.since)
}

// Incarnation returns the one of host that is right now; zero if it was never
// seen.
func (a *Attachments) Incarnation(host HostID) Incarnation {
	if p := a.hosts[host]; p != nil {
		return p.inc
	}
	return Incarnation{}
}

// Count returns how many hosts are here through an aggregator.
func (a *Attachments) Count(name Via) int {
	if v := a.vias[name]; v != nil {
		return v.here
	}
	return 0
}

// Here returns how many hosts are here, through any aggregator.
func (a *Attachments) Here() int {
	n := 0
	for _, v := range a.vias {
		n += v.here
	}
	return n
}

// Complete reports whether an aggregator has named all its sessions on the
// stream that is open now.
func (a *Attachments) Complete(name Via) bool {
	v := a.vias[name]
	return v != nil && v.complete
}

func (a *Attachments) via(name Via) *via {
	v := a.vias[name]
	if v == nil {
		v = &via{name: name}
		v.ring.prev, v.ring.next = &v.ring, &v.ring
		a.vias[name] = v
	}
	return v
}

func (p *presence) isSuperseded(inc Incarnation) bool {
	return p.old != nil && slices.Contains(p.old[:], inc)
}

// supersede makes inc the incarnation of p.
func (p *presence) supersede(inc Incarnation) {
	if p.old == nil {
		p.old = new([superseded]Incarnation)
	}
	copy(p.old[1:], p.old[:superseded-1])
	p.old[0], p.inc = p.inc, inc
}

// sit moves p into the ring of v.
func (p *presence) sit(v *via) {
	if p.at == v {
		return
	}
	if p.at != nil {
		p.prev.next, p.next.prev = p.next, p.prev
		if p.state == Here {
			p.at.here--
			v.here++
		}
	}
	p.at = v
	p.prev, p.next = v.ring.prev, &v.ring
	p.prev.next, p.next.prev = p, p
}

func (p *presence) set(to Presence) {
	if p.state == Here {
		p.at.here--
	}
	if p.state = to; to == Here {
		p.at.here++
	}
}

func (p *presence) change(kind ChangeKind, at time.Time) Change {
	c := Change{Kind: kind, Host: p.host, Incarnation: p.inc, At: at}
	if p.at != nil {
		c.Via = p.at.name
	}
	return c
}

func byHost(changes []Change) []Change {
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(string(a.Host), string(b.Host)) })
	return changes
}
