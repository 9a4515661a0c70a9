package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
)

func TestTheOrderOfTheListGivesTheOrdinals(t *testing.T) {
	list := targetsOf(t, "bj01: a c", "bj02: b", "gz01: d e f")
	if list.Len() != 6 {
		t.Fatalf("%d targets", list.Len())
	}
	want := []struct{ room, host string }{
		{"bj01", "a"}, {"bj01", "c"}, {"bj02", "b"}, {"gz01", "d"}, {"gz01", "e"}, {"gz01", "f"},
	}
	for o, w := range want {
		got := list.At(uint32(o))
		if string(got.Host) != w.host || string(list.Room(uint32(o))) != w.room || got.Incarnation != inc(1) {
			t.Errorf("ordinal %d is %v in %s, want %v", o, got, list.Room(uint32(o)), w)
		}
		if found, ok := list.Find(got.Host); !ok || found != uint32(o) {
			t.Errorf("%s is found at %d, %v; want %d", got.Host, found, ok, o)
		}
	}
	ranges := []RoomRange{{"bj01", 0, 2}, {"bj02", 2, 1}, {"gz01", 3, 3}}
	if !slices.Equal(list.Rooms(), ranges) {
		t.Errorf("rooms %v, want %v", list.Rooms(), ranges)
	}
	for _, stranger := range []string{"", "0", "bb", "g", "zz"} {
		if o, ok := list.Find(fleet.HostID(stranger)); ok {
			t.Errorf("the stranger %q is found at %d", stranger, o)
		}
	}
}

func TestAnEmptyListHasNobody(t *testing.T) {
	list := targetsOf(t)
	if _, ok := list.Find("a"); ok || list.Len() != 0 || len(list.Rooms()) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAListThatIsNotAsResolvedIsRefusedAtItsFirstFault(t *testing.T) {
	type add struct {
		room, host string
		inc        fleet.Incarnation
	}
	for _, c := range []struct {
		name string
		adds []add
		want error
		says string
	}{
		{"hosts in descending order", []add{{"r1", "b", inc(1)}, {"r1", "a", inc(1)}}, ErrTargetOrder, `ordinal 1, "a" in room "r1"`},
		{"a host twice in a row", []add{{"r1", "a", inc(1)}, {"r1", "a", inc(2)}}, ErrTargetOrder, `comes after "a"`},
		{"rooms in descending order", []add{{"r2", "a", inc(1)}, {"r1", "b", inc(1)}}, ErrTargetOrder, `the room comes after "r2"`},
		{"a room that comes back", []add{{"r1", "a", inc(1)}, {"r2", "b", inc(1)}, {"r1", "c", inc(1)}}, ErrTargetOrder, "ordinal 2"},
		{"no host", []add{{"r1", "", inc(1)}}, fleet.ErrBadHostID, "ordinal 0"},
		{"a bad host", []add{{"r1", "a", inc(1)}, {"r1", "B", inc(1)}}, fleet.ErrBadHostID, `"B"`},
		{"a host that is too long", []add{{"r1", strings.Repeat("a", 129), inc(1)}}, fleet.ErrBadHostID, "ordinal 0"},
		{"no room", []add{{"", "a", inc(1)}}, fleet.ErrBadRoom, "ordinal 0"},
		{"no incarnation", []add{{"r1", "a", inc(0)}}, ErrBadTarget, "incarnation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b TargetsBuilder
			for i, a := range c.adds {
				err := b.Add(fleet.Room(a.room), Target{fleet.HostID(a.host), a.inc})
				if i < len(c.adds)-1 {
					if err != nil {
						t.Fatalf("ordinal %d: %v", i, err)
					}
					continue
				}
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want %v with %q", err, c.want, c.says)
				}
			}
		})
	}
}

func TestAHostInTwoRoomsIsRefused(t *testing.T) {
	var b TargetsBuilder
	for _, room := range []fleet.Room{"r1", "r2", "r3"} {
		host := fleet.HostID("same")
		if room == "r2" {
			host = "other"
		}
		if err := b.Add(room, Target{host, inc(1)}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := b.Build()
	if !errors.Is(err, ErrTargetTwice) || !strings.Contains(err.Error(), "ordinal 2") || !strings.Contains(err.Error(), "ordinal 0") {
		t.Errorf("error %v", err)
	}
}

func TestABuilderStartsAnewAfterItHasBuilt(t *testing.T) {
	var b TargetsBuilder
	for range 2 {
		if err := b.Add("r1", Target{"a", inc(1)}); err != nil {
			t.Fatal(err)
		}
		list, err := b.Build()
		if err != nil || list.Len() != 1 {
			t.Fatalf("%d targets: %v", list.Len(), err)
		}
	}
}

// TestEveryHostIsFoundWhereverItsRoomIs compares with a plain map.
func TestEveryHostIsFoundWhereverItsRoomIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		where := rapid.MapOfN(
			rapid.StringMatching(`[a-c]([a-c0-1-]{0,4}[a-c0-1])?`),
			rapid.StringMatching(`r[1-9]`), 1, 60,
		).Draw(t, "room of host")
		type pair struct{ room, host string }
		var pairs []pair
		for host, room := range where {
			pairs = append(pairs, pair{room, host})
		}
		slices.SortFunc(pairs, func(a, b pair) int {
			return strings.Compare(a.room+"\x00"+a.host, b.room+"\x00"+b.host)
		})
		var b TargetsBuilder
		for i, p := range pairs {
			if err := b.Add(fleet.Room(p.room), Target{fleet.HostID(p.host), inc(byte(i) + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range pairs {
			o, ok := list.Find(fleet.HostID(p.host))
			if !ok || o != uint32(i) || list.Room(o) != fleet.Room(p.room) || list.At(o).Incarnation != inc(byte(i)+1) {
				t.Fatalf("%v is found at %d in %s, want %d", p, o, list.Room(o), i)
			}
		}
		stranger := rapid.StringMatching(`[a-d][a-d0-2]{0,3}`).Draw(t, "stranger")
		if _, known := where[stranger]; !known {
			if o, ok := list.Find(fleet.HostID(stranger)); ok {
				t.Fatalf("%q is found at %d", stranger, o)
			}
		}
	})
}

// hostName gives neighbours in the list to different rooms, the worst case for
// finding a host by its name.
func hostName(room, n int) fleet.HostID { return fleet.HostID(fmt.Sprintf("node-%06d-%03d", n, room)) }

func manyTargets(tb rapid.TB, rooms, hosts int) *Targets {
	tb.Helper()
	var b TargetsBuilder
	for room := range rooms {
		name := fleet.Room(fmt.Sprintf("room-%03d", room))
		for n := range hosts {
			if err := b.Add(name, Target{hostName(room, n), inc(1)}); err != nil {
				tb.Fatal(err)
			}
		}
	}
	list, err := b.Build()
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

func TestAListHoldsTheWholeFleetAndNotOneMore(t *testing.T) {
	var b TargetsBuilder
	b.list.ends = make([]uint32, MaxTargets)
	err := b.Add("r", Target{"one-more", inc(1)})
	if !errors.Is(err, ErrTooManyTargets) || !strings.Contains(err.Error(), "500000") {
		t.Errorf("error %v", err)
	}
}

func TestTheWholeFleetIsACheapList(t *testing.T) {
	const rooms, hosts = 200, 2500
	began := time.Now()
	list := manyTargets(t, rooms, hosts)
	t.Logf("%d targets in %d rooms in %s", list.Len(), rooms, time.Since(began))

	bytes := len(list.names) + cap(list.ends)*4 + cap(list.byHost)*4 +
		cap(list.incarnations)*int(unsafe.Sizeof(fleet.Incarnation{}))
	if perTarget := bytes / list.Len(); perTarget > 48 {
		t.Errorf("%d bytes a target with names of 15", perTarget)
	}
	for _, where := range [][2]int{{0, 0}, {0, hosts - 1}, {rooms / 2, 77}, {rooms - 1, hosts - 1}} {
		host := hostName(where[0], where[1])
		if o, ok := list.Find(host); !ok || o != uint32(where[0]*hosts+where[1]) {
			t.Errorf("%s is found at %d", host, o)
		}
	}
}
