package aggregator

import (
	"maps"
	"slices"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

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

// nextReturns is what could not be done for one job; nil: there is nothing.
func (st *stream) nextReturns() *meshv1.Returns {
	if len(st.order) == 0 {
		return nil
	}
	id := st.order[0]
	if st.order = st.order[1:]; len(st.order) == 0 {
		st.order = nil
	}
	r := st.returned[id]
	delete(st.returned, id)
	return &meshv1.Returns{JobId: id[:], NotHere: ordinals(r.notHere), NotKnown: ordinals(r.notKnown), NeedPayload: r.needPayload}
}

func ordinals(tasks map[uint32]fleet.HostID) []*meshv1.HostOrdinal {
	var out []*meshv1.HostOrdinal
	for _, ordinal := range slices.Sorted(maps.Keys(tasks)) {
		out = append(out, wire.HostOrdinalToProto(ordinal, tasks[ordinal]))
	}
	return out
}
