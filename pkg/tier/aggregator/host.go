package aggregator

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/wire"
)

// How long something is kept for a host that is away, or for a report that was
// announced by its outputs.
const (
	keepForAway = time.Minute
	keepSaid    = 5 * time.Minute // by an incarnation that is away
	keepUpload  = 2 * time.Minute
)

// host is what is held of one host, with a session or without. The hub's mutex
// guards it.
type host struct {
	hub     *hub
	id      fleet.HostID
	session *session // nil: away
	last    wire.Attachment
	numbers []sessionNumber // by incarnation, newest first

	tasks   map[job.ID]*record // of several incarnations, linked
	classes []*commandQueue
	next    int // the class whose turn it is
	wishes  []*record
	forgets forgets
	uploads map[[32]byte]upload  // blobs that came before their report
	bytes   map[string]int64     // of blobs that it brought, by payer
	refused map[string]time.Time // when an upload waited for room in vain, by payer
	live    liveSet
	views   []*view // its outputs that are looked at

	round     uint64 // of saying everything
	lossy     bool   // something was dropped that it believes to be had: it has to say everything again, and has not yet
	queued    int    // releases that it has not answered
	uploading bool

	unsaved bool // its mark is not what it should be
	saved   bool // its mark is on the disk
}

// sessionNumber is the greatest that an incarnation has used.
type sessionNumber struct {
	inc    fleet.Incarnation
	number uint64
}

// host is the record of a host, made if need be.
func (h *hub) host(id fleet.HostID) *host {
	if known := h.hosts[id]; known != nil {
		return known
	}
	if len(h.hosts) >= rememberHosts*h.cfg.MaxSessions {
		h.forgetAHost()
	}
	made := &host{hub: h, id: id}
	h.hosts[id] = made
	return made
}

// forgetAHost drops what is remembered of some host that is away and owes
// nothing: its session numbers, and Forgets that it never heard.
func (h *hub) forgetAHost() {
	for id, host := range h.hosts {
		if host.session == nil && len(host.tasks) == 0 && len(host.uploads) == 0 && !host.uploading {
			h.forgotten(host)
			delete(h.hosts, id)
			return
		}
	}
}

// forgotten notes that something which a host believes to be had goes with what is
// remembered of it.
func (h *hub) forgotten(ho *host) {
	if ho.saved {
		h.ledger.gone(hostKey(ho.id))
	}
	if ho.owes() && !h.forgot {
		h.forgot = true
		h.ledger.mark()
	}
}

// lastNumber is the greatest session number of an incarnation; 0: none.
func (ho *host) lastNumber(inc fleet.Incarnation) uint64 {
	for _, n := range ho.numbers {
		if n.inc == inc {
			return n.number
		}
	}
	return 0
}

func (ho *host) setNumber(inc fleet.Incarnation, number uint64) {
	kept := []sessionNumber{{inc, number}}
	for _, n := range ho.numbers {
		if n.inc != inc && len(kept) < rememberNumbers {
			kept = append(kept, n)
		}
	}
	ho.numbers = kept
}

// here reports whether this incarnation of the host has a session.
func (ho *host) here(inc fleet.Incarnation) bool {
	return ho != nil && ho.session != nil && (ho.session.inc == inc || planted.Bug("incarnation ignored at dispatch"))
}

// addForget queues a Forget on its way down. It outlives sessions: a host that
// keeps its spool id says nothing of what it believes to be had.
func (ho *host) addForget(id job.ID) {
	if ho.forgets.size() >= mostForgets {
		ho.forgets, ho.lossy = forgets{}, true
		if ho.session != nil {
			ho.session.askResync, ho.session.resyncIn = true, 0
		}
	}
	ho.forgets.add(id)
	ho.marked()
}

// sweep drops what waited too long for a host that is away, and uploads whose
// report never came.
func (ho *host) sweep(now time.Time) {
	for digest, up := range ho.uploads {
		if now.Sub(up.since) >= keepUpload {
			ho.uploadDone(digest)
		}
	}
	if now.Sub(ho.last.Since) >= keepSaid {
		ho.dropSaid()
	}
	away := ho.session == nil && now.Sub(ho.last.Since) >= keepForAway
	if away && ho.forgets.size() > 0 {
		ho.forgets, ho.lossy = forgets{}, true
	}
	defer ho.marked()
	if ho.queued == 0 && !away {
		return
	}
	waits := false
	for _, first := range ho.tasks {
		for r := first; r != nil; r = r.next {
			r.sweep(now, away)
			waits = waits || r.queued || r.wish != 0
		}
	}
	if away && !waits {
		ho.wishes, ho.classes, ho.next = nil, nil, 0
	}
}

// sweep drops what is on its way down and is waited for no longer: past its
// start-by, or for a host that is away while its owner is here, who sends it again.
// A room that is cut off keeps it.
func (r *record) sweep(now time.Time, away bool) {
	late := now.After(r.job.until) && (r.had() || r.host.session == nil)
	elsewhere := away && r.job.capsule != nil && r.host.hub.ownerOf(r) != nil
	if r.queued && (late || elsewhere) {
		r.answered()
	}
	if away && r.wish != 0 && (r.job.capsule == nil || late || elsewhere) {
		r.wish = 0
		r.changed()
	}
	r.tidy()
}

// dropSaid drops what was said by incarnations that have long been away. If one
// comes back it says everything again; if it went elsewhere it has done so there.
// An outcome that no owner was told stays: it may be the only word of a host that
// is gone for good.
func (ho *host) dropSaid() {
	for _, first := range ho.tasks {
		for r := first; r != nil; r = r.next {
			if r.said != nil && !ho.here(r.inc) && (r.told || r.seen.State.Live()) {
				r.drop()
				ho.lossy = true
			}
		}
	}
	ho.marked()
}

// liveSet is the tasks of the incarnation in session that are accepted and have
// not ended, as the host has reported them.
type liveSet struct {
	n     int
	known [32]byte
	fresh bool // known is right
}

// liveDigest is the digest over the live set, made when it is asked for after a
// change.
func (ho *host) liveDigest() [32]byte {
	if ho.live.fresh {
		return ho.live.known
	}
	ids := make([]job.ID, 0, ho.live.n)
	for _, first := range ho.tasks {
		for r := first; r != nil; r = r.next {
			if r.isLive() && ho.here(r.inc) {
				ids = append(ids, r.job.id)
			}
		}
	}
	ho.live = liveSet{n: len(ids), known: wire.LiveDigest(ids), fresh: true}
	return ho.live.known
}
