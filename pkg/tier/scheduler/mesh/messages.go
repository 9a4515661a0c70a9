package mesh

import (
	"cmp"
	"maps"
	"math"
	"slices"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/wire"
)

// take removes at most limit entries, by ordinal.
func take[V any](from map[uint32]V, limit int) []uint32 {
	ordinals := slices.Sorted(maps.Keys(from))
	ordinals = ordinals[:min(len(ordinals), limit)]
	for _, o := range ordinals {
		delete(from, o)
	}
	return ordinals
}

func (o *owed) host(ordinal uint32) *meshv1.HostOrdinal {
	return &meshv1.HostOrdinal{Ordinal: ordinal, HostId: string(o.payload.Targets.At(ordinal).Host)}
}

func (o *owed) hosts(ordinals []uint32) []*meshv1.HostOrdinal {
	out := make([]*meshv1.HostOrdinal, len(ordinals))
	for i, ordinal := range ordinals {
		out[i] = o.host(ordinal)
	}
	return out
}

func (o *owed) wishes() *meshv1.ConnectRequest {
	w := &meshv1.Wishes{JobId: o.payload.Job[:]}
	wished := maps.Clone(o.wish)
	for _, ordinal := range take(o.wish, maxReleases) {
		wire.AddWish(w, wished[ordinal])
	}
	w.Forget = o.hosts(take(o.forget, maxReleases))
	return &meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Wishes{Wishes: w}}
}

func (o *owed) ask() *meshv1.ConnectRequest {
	return &meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Query{Query: &meshv1.Query{
		JobId: o.payload.Job[:], Tasks: o.hosts(take(o.query, maxReleases)),
	}}}
}

// dispatch makes a message of at most n releases that share a payload: those in
// one chunk of the room's targets. The others have their turn later, and their
// credit back.
func (q *queue) dispatch(o *owed, n int) (*meshv1.ConnectRequest, error) {
	p := o.payload
	ordinals := slices.Sorted(maps.Keys(o.dispatch))
	c := q.chunkOf(p, ordinals[0])
	msg := &meshv1.Dispatch{JobId: p.Job[:], Pool: p.Pool, Class: p.Class, Epoch: wire.EpochToProto(p.Epoch)}
	for _, ordinal := range ordinals {
		if ordinal < c.first || ordinal >= c.first+c.count || len(msg.GetReleases()) == n {
			break
		}
		d := o.dispatch[ordinal]
		delete(o.dispatch, ordinal)
		release := wire.ReleaseToProto(d)
		release.TraceParent = o.traces[ordinal]
		msg.Releases = append(msg.Releases, release)
		delete(o.traces, ordinal)
	}
	q.window.Return(p.Class, uint32(n-len(msg.GetReleases())))
	if !q.sent.has(p.Job, c.first) {
		payload, err := payloadOf(p, c, q.repeats || !q.sent.has(p.Job, theCapsule))
		if err != nil {
			q.window.Return(p.Class, uint32(len(msg.GetReleases())))
			return nil, err
		}
		msg.Payload = payload
		q.sent.add(p.Job, theCapsule)
	}
	q.sent.add(p.Job, c.first)
	return &meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Dispatch{Dispatch: msg}}, nil
}

// chunk is a run of ordinals whose targets are sent together.
type chunk struct{ first, count uint32 }

// chunkOf is the chunk of an ordinal: a piece of the room's run of the list, or
// of one where the host has changed its room since the list was frozen.
func (q *queue) chunkOf(p *Payload, ordinal uint32) chunk {
	rooms := p.Targets.Rooms()
	i, found := slices.BinarySearchFunc(rooms, q.room, func(r job.RoomRange, name fleet.Room) int { return cmp.Compare(r.Room, name) })
	if !found || ordinal < rooms[i].First || ordinal >= rooms[i].First+rooms[i].Count {
		return chunk{ordinal, 1}
	}
	first := rooms[i].First + (ordinal-rooms[i].First)/maxChunk*maxChunk
	return chunk{first, min(maxChunk, rooms[i].First+rooms[i].Count-first)}
}

func payloadOf(p *Payload, c chunk, withCapsule bool) (*meshv1.Payload, error) {
	proof, err := p.Tree.Range(uint64(c.first), uint64(c.count))
	if err != nil {
		return nil, err
	}
	out := &meshv1.Payload{
		Targets: make([]*typesv1.Target, c.count),
		Proof:   wire.RangeProofToProto(proof),
	}
	if withCapsule {
		out.Capsule = wire.EnvelopeToProto(p.Capsule)
	}
	for i := range out.GetTargets() {
		out.Targets[i] = wire.TargetToProto(p.Targets.At(c.first + uint32(i)))
	}
	return out, nil
}

// theCapsule stands for the capsule among the runs of a job that were sent.
const theCapsule = math.MaxUint32

// sentPayloads is what a stream has sent already. When there are too many the
// older half is forgotten: to send a payload twice is harmless.
type sentPayloads struct{ young, old map[payloadKey]struct{} }

type payloadKey struct {
	job   job.ID
	first uint32
}

func newSentPayloads() *sentPayloads { return &sentPayloads{young: map[payloadKey]struct{}{}} }

// has reports whether a payload is noted.
func (s *sentPayloads) has(id job.ID, first uint32) bool {
	key := payloadKey{id, first}
	_, young := s.young[key]
	_, old := s.old[key]
	return young || old
}

// add notes a payload that is sent now, or was used again.
func (s *sentPayloads) add(id job.ID, first uint32) {
	if len(s.young) >= maxKnownPayload/2 {
		s.old, s.young = s.young, map[payloadKey]struct{}{}
	}
	s.young[payloadKey{id, first}] = struct{}{}
}

// lost forgets the payloads of a job: the aggregator does not have them.
func (s *sentPayloads) lost(id job.ID) {
	gone := func(key payloadKey, _ struct{}) bool { return key.job == id }
	maps.DeleteFunc(s.young, gone)
	maps.DeleteFunc(s.old, gone)
}
