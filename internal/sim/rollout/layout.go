package rollout

import "github.com/ccs-project/ccs/pkg/core/job"

// Layout is the order in which targets are released, and the batches.
type Layout struct {
	Order []uint32 // ordinals, by position
	Place []uint32 // positions, by ordinal
	Ends  []int    // of batches, as positions
}

// Lay reads a rollout.
func Lay(r *job.Rollout, targets *job.Targets) Layout {
	n := targets.Len()
	l := Layout{Order: make([]uint32, 0, n), Place: make([]uint32, n)}
	if r.Order == job.AsListed {
		for o := range uint32(n) {
			l.Order = append(l.Order, o)
		}
	}
	for round := uint32(0); len(l.Order) < n; round++ {
		for _, room := range targets.Rooms() {
			if round < room.Count {
				l.Order = append(l.Order, room.First+round)
			}
		}
	}
	for pos, o := range l.Order {
		l.Place[o] = uint32(pos)
	}
	for end, i := 0, 0; end < n; i++ {
		size := n
		if len(r.Batches) > 0 {
			size = r.Batches[min(i, len(r.Batches)-1)].Of(n)
		}
		end = min(n, end+size)
		l.Ends = append(l.Ends, end)
	}
	return l
}

// Begin is the first position of a batch.
func (l *Layout) Begin(batch int) int {
	if batch == 0 {
		return 0
	}
	return l.Ends[batch-1]
}

// gate is the position at which the pause point after so many batches stands;
// none is ahead with 0.
func (l *Layout) gate(batches int) int {
	if batches == 0 || batches > len(l.Ends) {
		return len(l.Order)
	}
	return l.Ends[batches-1]
}
