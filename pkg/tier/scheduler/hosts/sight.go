package hosts

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// Event is what a job that has this target is to be told of its host now; false:
// nothing. It is the state and not the change, so that it does not matter in
// which order changes of several aggregators are passed on.
//
// A session of another incarnation than the target's settles its task for good.
// So that a session not yet missed of a host's former life cannot do that, it is
// said only when the host table has that incarnation too.
func (t *Table) Event(target job.Target, now time.Time) (job.Event, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.event(target, now)
}

// event is Event. The caller holds mu.
func (t *Table) event(target job.Target, now time.Time) (job.Event, bool) {
	presence, since := t.seen.Since(target.Host)
	switch presence {
	case fleet.Here:
		inc := t.seen.Incarnation(target.Host)
		if row, _ := t.row(target.Host); inc != target.Incarnation && inc != row.Incarnation {
			return nil, false
		}
		return job.Reached{Host: target.Host, Incarnation: inc}, true
	case fleet.Away:
		return job.Gone{Host: target.Host, Since: since}, true
	case fleet.Unsure:
		return job.Gone{Host: target.Host, Since: since}, now.Sub(since) >= patience
	case fleet.NeverSeen:
		return job.Gone{Host: target.Host, Since: t.born}, t.grown
	}
	return nil, false
}

// look is how many hosts are looked up at a time, so that writers are not kept
// waiting for the largest of jobs.
const look = 4096

// Events calls tell with what a job is to be told of each of its targets now, by
// ordinal.
func (t *Table) Events(targets *job.Targets, now time.Time, tell func(job.Event)) {
	found := make([]job.Event, 0, min(look, targets.Len()))
	for first := 0; first < targets.Len(); first += look {
		found = t.events(found[:0], targets, first, now)
		for _, ev := range found {
			tell(ev)
		}
	}
}

// events adds those of one look.
func (t *Table) events(found []job.Event, targets *job.Targets, first int, now time.Time) []job.Event {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for o := first; o < min(first+look, targets.Len()); o++ {
		if ev, ok := t.event(targets.At(uint32(o)), now); ok {
			found = append(found, ev)
		}
	}
	return found
}

// Route splits what is to be sent by the aggregators to which the hosts are
// attached; what has nowhere to go is left out.
func (t *Table) Route(targets *job.Targets, s job.Send) map[fleet.Via]*job.Send {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := map[fleet.Via]*job.Send{}
	at := func(ordinal uint32) *job.Send {
		via, here := t.seen.Via(targets.At(ordinal).Host)
		if !here {
			return &job.Send{}
		}
		if out[via] == nil {
			out[via] = &job.Send{}
		}
		return out[via]
	}
	for _, d := range s.Dispatch {
		to := at(d.Ordinal)
		to.Dispatch = append(to.Dispatch, d)
	}
	for _, w := range s.Wishes {
		to := at(w.Ordinal)
		to.Wishes = append(to.Wishes, w)
	}
	for _, o := range s.Forget {
		to := at(o)
		to.Forget = append(to.Forget, o)
	}
	for _, o := range s.Query {
		to := at(o)
		to.Query = append(to.Query, o)
	}
	return out
}

// Via is the aggregator to which a host is attached.
func (t *Table) Via(host fleet.HostID) (fleet.Via, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.seen.Via(host)
}
