package agent

import (
	"iter"

	"github.com/ccs-project/ccs/pkg/core/job"
)

// heldBack is the reports that were taken from the outbox and could not go: their
// outputs are still being fetched, or their class has no credit. The outbox
// believes them to be in flight; whoever lets them go puts them into it again,
// and a new session begins with all of them. Not safe for concurrent use.
type heldBack struct {
	gathering map[job.ID]struct{}
	starved   map[string]map[job.ID]struct{} // by class
}

func newHeldBack() heldBack {
	return heldBack{gathering: map[job.ID]struct{}{}, starved: map[string]map[job.ID]struct{}{}}
}

// empty reports whether everything could go.
func (h heldBack) empty() bool { return len(h.gathering) == 0 && len(h.starved) == 0 }

func (h heldBack) gather(id job.ID) { h.gathering[id] = struct{}{} }

func (h heldBack) gathers(id job.ID) bool {
	_, ok := h.gathering[id]
	return ok
}

func (h heldBack) starve(class string, id job.ID) {
	if h.starved[class] == nil {
		h.starved[class] = map[job.ID]struct{}{}
	}
	h.starved[class][id] = struct{}{}
}

// feed takes at most n reports of a class that wait for credit.
func (h heldBack) feed(class string, n uint32) (ids []job.ID) {
	for id := range h.starved[class] {
		if uint32(len(ids)) == n {
			break
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		h.forget(id)
	}
	return ids
}

// forget: there is something newer to say, or nothing any more.
func (h heldBack) forget(id job.ID) {
	delete(h.gathering, id)
	for class, ids := range h.starved {
		delete(ids, id)
		if len(ids) == 0 {
			delete(h.starved, class)
		}
	}
}

// all yields every report, in no order.
func (h heldBack) all() iter.Seq[job.ID] {
	return func(yield func(job.ID) bool) {
		for id := range h.gathering {
			if !yield(id) {
				return
			}
		}
		for _, ids := range h.starved {
			for id := range ids {
				if !yield(id) {
					return
				}
			}
		}
	}
}
