package aggregator

import (
	"maps"
	"slices"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// mostReturns bounds the hosts in one message of returns.
const mostReturns = 2000

// returned is what could not be done for one job, until the scheduler is told.
// It is bounded by the tasks that the scheduler named.
type returned struct {
	notHere     map[uint32]fleet.HostID
	notKnown    map[uint32]fleet.HostID
	needPayload bool
}

// returnOf is what the scheduler will be told of a job.
func (st *stream) returnOf(id job.ID) *returned {
	r := st.returned[id]
	if r == nil {
		r = &returned{notHere: map[uint32]fleet.HostID{}, notKnown: map[uint32]fleet.HostID{}}
		st.returned[id] = r
		st.order = append(st.order, id)
		st.poke()
	}
	return r
}

// nextReturns is some of what could not be done for one job; nil: there is
// nothing.
func (st *stream) nextReturns() *meshv1.Returns {
	if len(st.returns) == 0 && len(st.order) > 0 {
		id := st.order[0]
		if st.order = st.order[1:]; len(st.order) == 0 {
			st.order = nil
		}
		st.returns = st.returned[id].messages(id)
		delete(st.returned, id)
	}
	if len(st.returns) == 0 {
		return nil
	}
	next := st.returns[0]
	if st.returns = st.returns[1:]; len(st.returns) == 0 {
		st.returns = nil
	}
	return next
}

// messages is all of it, in messages of a bounded size.
func (r *returned) messages(id job.ID) (out []*meshv1.Returns) {
	for some := range slices.Chunk(ordinals(r.notHere), mostReturns) {
		out = append(out, &meshv1.Returns{JobId: id[:], NotHere: some})
	}
	for some := range slices.Chunk(ordinals(r.notKnown), mostReturns) {
		out = append(out, &meshv1.Returns{JobId: id[:], NotKnown: some})
	}
	if len(out) == 0 {
		out = append(out, &meshv1.Returns{JobId: id[:]})
	}
	out[0].NeedPayload = r.needPayload
	return out
}

func ordinals(tasks map[uint32]fleet.HostID) []*meshv1.HostOrdinal {
	var out []*meshv1.HostOrdinal
	for _, ordinal := range slices.Sorted(maps.Keys(tasks)) {
		out = append(out, wire.HostOrdinalToProto(ordinal, tasks[ordinal]))
	}
	return out
}
