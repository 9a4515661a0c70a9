package disk

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// small is a config whose segments are soon full.
func small() Config { return Config{Quota: 1 << 20, SegmentBytes: 2 << 10} }

func contents(t *rapid.T, s *Spool) map[string]string {
	got := map[string]string{}
	if err := s.All(func(key string, value []byte) error { got[key] = string(value); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// drawCommit draws some changes and makes them in a map as well.
func drawCommit(t *rapid.T, onto map[string]string) (changes []roomspool.Change) {
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		key := rapid.SampledFrom(strings.Split("abcdefgh", "")).Draw(t, "key")
		if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
			changes = append(changes, roomspool.Change{Key: key})
			delete(onto, key)
			continue
		}
		value := strings.Repeat(key, rapid.IntRange(1, 700).Draw(t, "size"))
		changes = append(changes, roomspool.Change{Key: key, Value: []byte(value)})
		onto[key] = value
	}
	return changes
}

// TestPowerIsLostBetweenAnyTwoWrites lets a disk lose its power in the middle of
// commits, again and again. Every commit that returned is there; of the one that
// did not, all or nothing is.
func TestPowerIsLostBetweenAnyTwoWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, committed := newPower(), map[string]string{}
		for range rapid.IntRange(1, 4).Draw(t, "lives") {
			s, found, err := open(small(), dir)
			if err != nil || found.Damaged != "" {
				t.Fatalf("cannot open what a crash left: %v %s", err, found.Damaged)
			}
			id, maybe := s.ID(), maps.Clone(committed)
			dies := dir.calls + rapid.IntRange(1, 120).Draw(t, "calls until the power goes")
			dir.fail = func(call int) error {
				if call >= dies {
					return errNoSpace
				}
				return nil
			}
			for err == nil {
				maybe = maps.Clone(committed)
				if err = s.Commit(drawCommit(t, maybe)); err == nil {
					committed = maybe
				}
			}
			if !errors.Is(err, errNoSpace) {
				t.Fatal(err)
			}
			dir = dir.lose(func(n int) int { return rapid.IntRange(0, n).Draw(t, "survives") })
			again, found, err := open(small(), dir)
			if err != nil || found.Damaged != "" {
				t.Fatalf("cannot open what a crash left: %v %s", err, found.Damaged)
			}
			got := contents(t, again)
			if !maps.Equal(got, committed) && !maps.Equal(got, maybe) {
				t.Fatalf("it holds %.200q, want %.200q or %.200q", got, committed, maybe)
			}
			if found.Torn == (again.ID() == id) {
				t.Fatalf("torn: %t, the same id: %t", found.Torn, again.ID() == id)
			}
			committed = got
		}
	})
}

// TestAFullDiskIsNoEnd lets writes fail now and then: what failed is not there,
// what did not is, and the log stays readable.
func TestAFullDiskIsNoEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, want := newPower(), map[string]string{}
		s, _, err := open(small(), dir)
		if err != nil {
			t.Fatal(err)
		}
		id := s.ID()
		for range rapid.IntRange(1, 60).Draw(t, "commits") {
			failing := rapid.IntRange(0, 3).Draw(t, "fails") == 0
			dir.fail = func(int) error {
				if failing {
					return errNoSpace
				}
				return nil
			}
			after := maps.Clone(want)
			if err := s.Commit(drawCommit(t, after)); (err != nil) != failing {
				t.Fatalf("the disk fails: %t, and a commit says %v", failing, err)
			} else if err == nil {
				want = after
			}
			if got := contents(t, s); !maps.Equal(got, want) {
				t.Fatalf("it holds %.200q, want %.200q", got, want)
			}
		}
		dir.fail = nil
		if err := s.Commit([]roomspool.Change{{Key: "last", Value: []byte("word")}}); err != nil {
			t.Fatal(err)
		}
		want["last"] = "word"
		again, found, err := open(small(), dir)
		if err != nil || found != (Found{}) || again.ID() != id {
			t.Fatalf("opened again: %v %+v", err, found)
		}
		if got := contents(t, again); !maps.Equal(got, want) {
			t.Fatalf("it holds %.200q, want %.200q", got, want)
		}
	})
}

// TestDamageIsNeverBelieved changes or cuts one byte of what is durable. Then the
// spool is empty and has another id, or it holds what was true at some commit and
// has another id, or nothing of it was changed.
func TestDamageIsNeverBelieved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, want := newPower(), map[string]string{}
		s, _, err := open(small(), dir)
		if err != nil {
			t.Fatal(err)
		}
		history := []map[string]string{maps.Clone(want)}
		for range rapid.IntRange(1, 25).Draw(t, "commits") {
			if err := s.Commit(drawCommit(t, want)); err != nil {
				t.Fatal(err)
			}
			history = append(history, maps.Clone(want))
		}
		names, _ := dir.Names()
		name := rapid.SampledFrom(names).Draw(t, "file")
		f := dir.files[name]
		at := rapid.IntRange(0, len(f.now)-1).Draw(t, "byte")
		f.now[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		again, found, err := open(small(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if again.ID() == s.ID() {
			t.Fatalf("byte %d of %s is another, and the id the same", at, name)
		}
		got := contents(t, again)
		if found.Damaged != "" {
			if len(got) != 0 || len(dir.aside) == 0 || dir.why == "" {
				t.Fatalf("it holds %.200q; set aside: %v, %q", got, dir.aside, dir.why)
			}
			return
		}
		for _, then := range history {
			if maps.Equal(got, then) {
				return
			}
		}
		t.Fatalf("it holds %.200q, which never was", got)
	})
}

func TestAMissingSegmentIsMissed(t *testing.T) {
	for _, which := range []string{"first", "middle"} {
		dir := newPower()
		s, _, err := open(small(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			if err := s.Commit([]roomspool.Change{{Key: fmt.Sprint(n), Value: make([]byte, 700)}}); err != nil {
				t.Fatal(err)
			}
		}
		names, _ := dir.Names()
		if len(names) < 4 {
			t.Fatalf("there are only %v", names)
		}
		delete(dir.files, map[string]string{"first": names[0], "middle": names[1]}[which])
		again, found, err := open(small(), dir)
		if err != nil || !strings.Contains(found.Damaged, "missing") || again.ID() == s.ID() || again.Usage().Entries != 0 {
			t.Errorf("without the %s segment: %v, %+v, %d entries", which, err, found, again.Usage().Entries)
		}
	}
}

func TestDamageThatIsMetWhileItRunsEndsIt(t *testing.T) {
	dir := newPower()
	s, _, err := open(small(), dir)
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 500)
	for n := range 4 {
		if err := s.Commit([]roomspool.Change{{Key: fmt.Sprint(n), Value: value}}); err != nil {
			t.Fatal(err)
		}
	}
	dir.files[segmentName(1)].now[headerBytes+20] ^= 1
	for range 100 {
		if err = s.Commit([]roomspool.Change{{Key: "again", Value: value}}); err != nil {
			break
		}
	}
	if !errors.Is(err, roomspool.ErrDamaged) {
		t.Fatalf("the oldest segment was moved over and over, and: %v", err)
	}
}

func TestAFormatOfTomorrowIsNotRead(t *testing.T) {
	dir := newPower()
	if _, _, err := open(small(), dir); err != nil {
		t.Fatal(err)
	}
	f := dir.files[segmentName(1)]
	h := header{number: 1, oldest: 1}
	raw := h.bytes()
	raw[8]++
	sum := checksumOf(raw[:headerBytes-4])
	copy(raw[headerBytes-4:], sum)
	f.now = raw
	_, found, err := open(small(), dir)
	if err != nil || !strings.Contains(found.Damaged, "format 2") {
		t.Errorf("%v %+v", err, found)
	}
}
