package aggregator

import (
	"maps"
	"slices"

	"github.com/ccs-project/ccs/pkg/wire"
)

// mostShares is how many classes have a share of their own in each budget, that
// of all other classes included.
const mostShares = 8

// budget is one limit, divided between classes: each has a share that nobody
// else can use up, and what is beyond the shares is common to all. So a class
// whose owner is gone stops itself alone. What was asked for already is charged
// even beyond. The hub's mutex guards it.
type budget struct {
	limit int64
	share int64            // of each class
	used  map[string]int64 // by class that has a share; wire.EveryClass: all others
}

func newBudget(limit, share int64) budget {
	return budget{limit: limit, share: share, used: map[string]int64{wire.EveryClass: 0}}
}

// open gives a class a share of its own, if there is one left.
func (b *budget) open(class string) {
	if _, known := b.used[class]; !known && len(b.used) < mostShares {
		b.used[class] = 0
	}
}

// payer is the class that is charged for this one: itself, or all others.
func (b *budget) payer(class string) string {
	if _, known := b.used[class]; known {
		return class
	}
	return wire.EveryClass
}

// charge takes n for a payer; less than 0 gives back.
func (b *budget) charge(payer string, n int64) { b.used[payer] += n }

// free is how much a payer may take now: what is left of its share and of the
// common part.
func (b *budget) free(payer string) int64 {
	common := b.limit - b.share*int64(len(b.used))
	for _, used := range b.used {
		common -= max(0, used-b.share)
	}
	return max(0, common) + max(0, b.share-b.used[payer])
}

func (b *budget) total() (n int64) {
	for _, used := range b.used {
		n += used
	}
	return n
}

// setClasses gives the classes of the deployment their shares. What a class
// held before stays charged to whom it was.
func (h *hub) setClasses(classes map[string]string) {
	h.meters.setClasses(classes)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		h.tasks.open(class)
		h.blobs.held.open(class)
	}
}

// full reports whether nothing new of a payer is to be asked for. What was asked
// for is still taken.
func (h *hub) full(payer string) bool {
	return h.tasks.free(payer) == 0 || h.blobs.held.free(payer) == 0 || h.ledger.stuck()
}

// withhold keeps credit for reports or releases back until there is room.
func withhold[P comparable](waiting map[string]map[P]struct{}, payer string, peer P) {
	if waiting[payer] == nil {
		waiting[payer] = map[P]struct{}{}
	}
	waiting[payer][peer] = struct{}{}
}

// relieve grants what was withheld, to each class for which there is room again.
func (h *hub) relieve() {
	for payer, sessions := range h.starved {
		if h.full(payer) {
			continue
		}
		for se := range sessions {
			h.give(payer, se.withheld, se.owed)
		}
		delete(h.starved, payer)
	}
	for payer, streams := range h.thirsty {
		if h.full(payer) {
			continue
		}
		for st := range streams {
			h.give(payer, st.withheld, st.owed)
			st.poke()
		}
		delete(h.thirsty, payer)
	}
}

// give moves the credit of a payer's classes to another account.
func (h *hub) give(payer string, from, to wire.Credits) {
	for class, n := range from {
		if h.tasks.payer(class) == payer {
			to[class] += n
			delete(from, class)
		}
	}
}
