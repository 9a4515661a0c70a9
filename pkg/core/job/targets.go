package job

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

// MaxTargets is the greatest number of targets of one job.
const MaxTargets = 500_000

// Target is one host of a job, as it was when the list was frozen.
type Target struct {
	Host        fleet.HostID
	Incarnation fleet.Incarnation
}

// RoomRange is the run of ordinals of one room.
type RoomRange struct {
	Room  fleet.Room
	First uint32
	Count uint32
}

// Targets is a frozen target list, strictly ascending by (room, host id) in
// bytes; the index of a target is its ordinal. It costs about 24 bytes a target
// and the host ids themselves. It never changes, so it may be shared.
type Targets struct {
	rooms        []RoomRange
	names        string // all host ids, one after another
	ends         []uint32
	incarnations []fleet.Incarnation
	byHost       []uint32 // ordinals by host id; nil in a list of one room, which is by host id already
}

// Len is the number of targets.
func (t *Targets) Len() int { return len(t.ends) }

// At is the target with an ordinal below Len.
func (t *Targets) At(ordinal uint32) Target {
	return Target{Host: fleet.HostID(t.name(ordinal)), Incarnation: t.incarnations[ordinal]}
}

// Room is the room of the target with an ordinal below Len.
func (t *Targets) Room(ordinal uint32) fleet.Room {
	i, found := slices.BinarySearchFunc(t.rooms, ordinal, func(r RoomRange, o uint32) int { return cmp.Compare(r.First, o) })
	if !found {
		i--
	}
	return t.rooms[i].Room
}

// Rooms are the rooms of the list, ascending. The caller does not change it.
func (t *Targets) Rooms() []RoomRange { return t.rooms }

// Find is the ordinal of a host, by binary search.
func (t *Targets) Find(host fleet.HostID) (uint32, bool) {
	low, high := 0, t.Len()
	for low < high {
		mid := int(uint(low+high) >> 1)
		if t.name(t.nthByHost(mid)) < string(host) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == t.Len() || t.name(t.nthByHost(low)) != string(host) {
		return 0, false
	}
	return t.nthByHost(low), true
}

func (t *Targets) nthByHost(n int) uint32 {
	if t.byHost == nil {
		return uint32(n)
	}
	return t.byHost[n]
}

func (t *Targets) name(ordinal uint32) string {
	var begin uint32
	if ordinal > 0 {
		begin = t.ends[ordinal-1]
	}
	return t.names[begin:t.ends[ordinal]]
}

// TargetsBuilder collects a target list as it comes in, piece by piece. The
// zero value is ready; it is not safe for concurrent use.
type TargetsBuilder struct {
	list  Targets
	names strings.Builder
	last  string
}

// Add appends the next target. The error says at which ordinal the list is
// wrong, and why: ErrBadTarget, ErrTargetOrder, ErrTooManyTargets, or fleet's
// errors of names. The builder is of no use after an error.
func (b *TargetsBuilder) Add(room fleet.Room, target Target) error {
	ordinal := uint32(len(b.list.ends))
	if ordinal == MaxTargets {
		return fmt.Errorf("cannot take the target with ordinal %d, %q: %w; split the job", ordinal, target.Host, ErrTooManyTargets)
	}
	if err := b.check(room, target); err != nil {
		return fmt.Errorf("cannot take the target with ordinal %d, %q in room %q: %w; resolve the targets again and send them as resolved",
			ordinal, target.Host, room, err)
	}
	if n := len(b.list.rooms); n == 0 || b.list.rooms[n-1].Room != room {
		b.list.rooms = append(b.list.rooms, RoomRange{Room: room, First: ordinal})
	}
	b.list.rooms[len(b.list.rooms)-1].Count++
	b.names.WriteString(string(target.Host))
	b.list.ends = append(b.list.ends, uint32(b.names.Len()))
	b.list.incarnations = append(b.list.incarnations, target.Incarnation)
	b.last = string(target.Host)
	return nil
}

func (b *TargetsBuilder) check(room fleet.Room, target Target) error {
	if _, err := fleet.ParseHostID(string(target.Host)); err != nil {
		return err
	}
	if target.Incarnation.IsZero() {
		return ErrBadTarget
	}
	if n := len(b.list.rooms); n > 0 && b.list.rooms[n-1].Room == room {
		if string(target.Host) <= b.last {
			return fmt.Errorf("%w: it comes after %q", ErrTargetOrder, b.last)
		}
		return nil
	}
	if _, err := fleet.ParseRoom(string(room)); err != nil {
		return err
	}
	if n := len(b.list.rooms); n > 0 && room < b.list.rooms[n-1].Room {
		return fmt.Errorf("%w: the room comes after %q", ErrTargetOrder, b.list.rooms[n-1].Room)
	}
	return nil
}

// Build freezes the list; the builder is empty afterwards. A host in two rooms
// is ErrTargetTwice: the host would run one of the two and know nothing of the
// other.
func (b *TargetsBuilder) Build() (*Targets, error) {
	list := b.list
	list.names = b.names.String()
	*b = TargetsBuilder{}
	list.ends, list.incarnations = slices.Clip(list.ends), slices.Clip(list.incarnations)
	if len(list.rooms) > 1 {
		list.byHost = mergeRooms(&list)
	}
	for n := 1; n < len(list.byHost); n++ {
		if one, two := list.byHost[n-1], list.byHost[n]; list.name(one) == list.name(two) {
			return nil, fmt.Errorf("cannot take the target with ordinal %d, %q: %w, the first time with ordinal %d; resolve the targets again",
				max(one, two), list.name(one), ErrTargetTwice, min(one, two))
		}
	}
	return &list, nil
}

// mergeRooms orders the ordinals by host id. Rooms are ordered already, so they
// are merged two by two: a tenth of the time of sorting.
func mergeRooms(t *Targets) []uint32 {
	from, to := make([]uint32, t.Len()), make([]uint32, t.Len())
	ends := make([]int, 0, len(t.rooms))
	for i := range from {
		from[i] = uint32(i)
	}
	for _, r := range t.rooms {
		ends = append(ends, int(r.First+r.Count))
	}
	for len(ends) > 1 {
		begin, merged := 0, ends[:0]
		for i := 0; i < len(ends); i += 2 {
			mid, end := ends[i], ends[min(i+1, len(ends)-1)]
			mergeRuns(t, to[begin:end], from[begin:mid], from[mid:end])
			merged = append(merged, end)
			begin = end
		}
		from, to, ends = to, from, merged
	}
	return from
}

func mergeRuns(t *Targets, to, a, b []uint32) {
	for i := range to {
		if len(b) == 0 || len(a) > 0 && t.name(a[0]) <= t.name(b[0]) {
			to[i], a = a[0], a[1:]
		} else {
			to[i], b = b[0], b[1:]
		}
	}
}
