package job

import "slices"

// plan is the order in which the targets of a job are released, and where its
// batches end. A place in that order is a position, from 0. It never changes.
type plan struct {
	total int
	at    []uint32 // the ordinal of a position; nil: they are the same
	place []uint32 // the position of an ordinal; nil: they are the same
	ends  []int    // positions at which the batches that are named end
	rest  int      // size of every batch after those
}

func newPlan(r Rollout, targets *Targets) plan {
	p := batchesOf(r, targets.Len())
	if r.Order == SpreadRooms && len(targets.rooms) > 1 {
		p.at = spread(targets)
		p.place = make([]uint32, p.total)
		for pos, o := range p.at {
			p.place[o] = uint32(pos)
		}
	}
	return p
}

// batchesOf is the plan without its order.
func batchesOf(r Rollout, total int) plan {
	p, end := plan{total: total}, 0
	for _, size := range r.Batches {
		p.rest = size.Of(total)
		end = min(end+p.rest, total)
		p.ends = append(p.ends, end)
	}
	return p
}

// BatchesOf is the number of batches of a job of so many targets, at least 1.
func (r *Rollout) BatchesOf(total int) int {
	p := batchesOf(*r, total)
	return p.batches()
}

// spread takes one target of each room in turn.
func spread(targets *Targets) []uint32 {
	order := make([]uint32, 0, targets.Len())
	rooms := slices.Clone(targets.rooms)
	for round := uint32(0); len(rooms) > 0; round++ {
		for _, r := range rooms {
			order = append(order, r.First+round)
		}
		rooms = slices.DeleteFunc(rooms, func(r RoomRange) bool { return r.Count == round+1 })
	}
	return order
}

func (p *plan) ordinal(position uint32) uint32 {
	if p.at == nil {
		return position
	}
	return p.at[position]
}

func (p *plan) position(ordinal uint32) uint32 {
	if p.place == nil {
		return ordinal
	}
	return p.place[ordinal]
}

// end is the position after the last one of a batch, from 0.
func (p *plan) end(batch int) int {
	switch named := len(p.ends); {
	case named == 0:
		return p.total
	case batch < named:
		return p.ends[batch]
	default:
		return min(p.total, p.ends[named-1]+(batch-named+1)*p.rest)
	}
}

// batches is how many there are, at least 1.
func (p *plan) batches() int {
	named := len(p.ends)
	if named == 0 {
		return 1
	}
	if last := p.ends[named-1]; last < p.total {
		return named + (p.total-last+p.rest-1)/p.rest
	}
	return slices.Index(p.ends, p.total) + 1
}

// batchOf is the batch of a position, from 0.
func (p *plan) batchOf(pos uint32) int {
	for i, end := range p.ends {
		if int(pos) < end {
			return i
		}
	}
	if len(p.ends) == 0 {
		return 0
	}
	return len(p.ends) + (int(pos)-p.ends[len(p.ends)-1])/p.rest
}

// begin is the position of the first target of a batch.
func (p *plan) begin(batch int) int {
	if batch == 0 {
		return 0
	}
	return p.end(batch - 1)
}
