package wire

import (
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

// TargetsPerMessage is how many targets ride in one message of a target list.
const TargetsPerMessage = 1000

// TargetToProto is the wire form of a target.
func TargetToProto(t job.Target) *typesv1.Target {
	return &typesv1.Target{HostId: string(t.Host), Incarnation: t.Incarnation[:]}
}

// TargetFromProto reads a target; the error wraps ErrMessage.
func TargetFromProto(t *typesv1.Target) (job.Target, error) {
	inc, err := Incarnation(t.GetIncarnation())
	return job.Target{Host: fleet.HostID(t.GetHostId()), Incarnation: inc}, err
}

// TargetsToProto is the wire form of the ordinals [first, first+count) of a
// list, grouped by room.
func TargetsToProto(list *job.Targets, first, count int) []*typesv1.RoomTargets {
	var rooms []*typesv1.RoomTargets
	for i := first; i < first+count; i++ {
		ordinal := uint32(i) //nolint:gosec // below job.MaxTargets
		room := string(list.Room(ordinal))
		if len(rooms) == 0 || rooms[len(rooms)-1].GetRoom() != room {
			rooms = append(rooms, &typesv1.RoomTargets{Room: room})
		}
		last := rooms[len(rooms)-1]
		last.Targets = append(last.Targets, TargetToProto(list.At(ordinal)))
	}
	return rooms
}

// AddTargets appends what came in to a list that is being built. The error
// wraps ErrMessage or is the builder's.
func AddTargets(b *job.TargetsBuilder, rooms []*typesv1.RoomTargets) error {
	for _, r := range rooms {
		for _, t := range r.GetTargets() {
			target, err := TargetFromProto(t)
			if err != nil {
				return err
			}
			if err := b.Add(fleet.Room(r.GetRoom()), target); err != nil {
				return err
			}
		}
	}
	return nil
}
