package roomspooltest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/state/roomspool"
)

// Spool is a spool that somebody has open.
type Spool interface {
	ID() string
	All(yield func(key string, value []byte) error) error
	Commit(changes []roomspool.Change) error
	Usage() roomspool.Usage
	Close() error
}

// Place is where a spool lies, or what stands for it.
type Place interface {
	// Open opens it, as a process that starts does.
	Open() (Spool, error)
	// Crash ends the process that has it open, without a word.
	Crash()
	// Lose is a new place instead of this one, which nobody has open.
	Lose()
}

// Run runs the suite. Each test gets a place of its own, with room for a few
// megabytes.
func Run(t *testing.T, place func(t *testing.T) Place) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Place){
		"what was committed is there after a crash":          survives,
		"a commit counts as a whole or not at all":           atomic,
		"what is deleted stays so":                           staysDeleted,
		"the id lasts as long as the place":                  keepsItsID,
		"nobody opens it twice":                              opensOnce,
		"who was ended writes nothing more":                  endedIsEnded,
		"the caller's bytes are its own":                     copiesBytes,
		"it holds what a plain map would, crash after crash": likeAMap,
		"what is too large is refused":                       refusesTooLarge,
		"the quota refuses to put and lets delete":           keepsItsQuota,
		"what it is told to yield stops at an error":         yieldStops,
		"what comes and goes takes no room":                  constantRoom,
	} {
		t.Run(name, func(t *testing.T) { test(t, place(t)) })
	}
}

// open opens a place that can be opened.
func open(tb testing.TB, p Place) Spool {
	tb.Helper()
	s, err := p.Open()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// put is a change, and del another.
func put(key, value string) roomspool.Change {
	return roomspool.Change{Key: key, Value: []byte(value)}
}
func del(key string) roomspool.Change { return roomspool.Change{Key: key} }

func commit(tb testing.TB, s Spool, changes ...roomspool.Change) {
	tb.Helper()
	if err := s.Commit(changes); err != nil {
		tb.Fatal(err)
	}
}

// Contents is all that a spool holds.
func Contents(s Spool) (map[string]string, error) {
	got := map[string]string{}
	err := s.All(func(key string, value []byte) error {
		if _, twice := got[key]; twice {
			return fmt.Errorf("key %q comes twice", key)
		}
		got[key] = string(value)
		return nil
	})
	return got, err
}

func want(tb testing.TB, s Spool, want map[string]string) {
	tb.Helper()
	got, err := Contents(s)
	if err != nil {
		tb.Fatal(err)
	}
	if !maps.Equal(got, want) {
		tb.Fatalf("the spool holds %d entries %.300q, want %d %.300q", len(got), got, len(want), want)
	}
	if n := s.Usage().Entries; n != len(want) {
		tb.Fatalf("it says that it holds %d entries, and holds %d", n, len(want))
	}
}

func survives(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	commit(t, s, put("a", "1"), put("b", ""))
	commit(t, s, put("a", "2"))
	p.Crash()
	want(t, open(t, p), map[string]string{"a": "2", "b": ""})
}

func atomic(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	commit(t, s, put("a", "1"), del("a"), put("b", "1"), put("b", "2"), del("never there"))
	want(t, s, map[string]string{"b": "2"})
	if err := s.Commit([]roomspool.Change{put("c", "3"), {Key: ""}}); !errors.Is(err, roomspool.ErrTooLarge) {
		t.Errorf("a change without a key: %v", err)
	}
	want(t, s, map[string]string{"b": "2"})
	commit(t, s) // nothing
	p.Crash()
	want(t, open(t, p), map[string]string{"b": "2"})
}

func staysDeleted(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	commit(t, s, put("a", "1"), put("b", "1"))
	commit(t, s, del("a"))
	for range 3 {
		p.Crash()
		s = open(t, p)
		want(t, s, map[string]string{"b": "1"})
		commit(t, s, put("b", "1"))
	}
}

func keepsItsID(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	first := s.ID()
	if len(first) != 32 {
		t.Errorf("the id is %q", first)
	}
	commit(t, s, put("a", "1"))
	p.Crash()
	s = open(t, p)
	if s.ID() != first {
		t.Error("after a crash the id is another")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p.Lose()
	s = open(t, p)
	if s.ID() == first {
		t.Error("a new place has the id of the old one")
	}
	want(t, s, map[string]string{})
}

func opensOnce(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	if _, err := p.Open(); !errors.Is(err, roomspool.ErrLocked) {
		t.Fatalf("a second one opens it: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open(t, p)
}

func endedIsEnded(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	commit(t, s, put("a", "1"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit([]roomspool.Change{put("a", "2")}); !errors.Is(err, roomspool.ErrClosed) {
		t.Errorf("a closed one says %v", err)
	}
	want(t, open(t, p), map[string]string{"a": "1"})
}

func copiesBytes(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	value := []byte("mine")
	commit(t, s, roomspool.Change{Key: "a", Value: value})
	copy(value, "xxxx")
	want(t, s, map[string]string{"a": "mine"})
}

func refusesTooLarge(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	for what, change := range map[string]roomspool.Change{
		"key":   put(string(make([]byte, roomspool.MaxKey+1)), ""),
		"value": {Key: "a", Value: make([]byte, roomspool.MaxValue+1)},
	} {
		if err := s.Commit([]roomspool.Change{change}); !errors.Is(err, roomspool.ErrTooLarge) {
			t.Errorf("a %s above the limit: %v", what, err)
		}
	}
	want(t, s, map[string]string{})
}

func keepsItsQuota(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	value, n := bytes.Repeat([]byte("x"), 16<<10), 0
	var err error
	for ; err == nil && n < 100_000; n++ {
		err = s.Commit([]roomspool.Change{{Key: fmt.Sprint(n), Value: value}})
	}
	if !errors.Is(err, roomspool.ErrFull) {
		t.Fatalf("after %d puts: %v", n, err)
	}
	use := s.Usage()
	if use.Entries != n-1 {
		t.Errorf("%d entries of %d that were taken", use.Entries, n-1)
	}
	for i := range n - 2 {
		commit(t, s, del(fmt.Sprint(i)))
	}
	commit(t, s, put("one more", "fits"))
	p.Crash()
	want(t, open(t, p), map[string]string{fmt.Sprint(n - 2): string(value), "one more": "fits"})
}

func yieldStops(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	commit(t, s, put("a", "1"), put("b", "1"))
	enough, n := errors.New("enough"), 0
	err := s.All(func(string, []byte) error { n++; return enough })
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("%d entries and %v", n, err)
	}
}

func constantRoom(t *testing.T, p Place) {
	t.Helper()
	s := open(t, p)
	commit(t, s, put("stays", "all the time"))
	value, most := bytes.Repeat([]byte("x"), 1000), int64(0)
	for n := range 400 {
		var changes []roomspool.Change
		for i := range 50 {
			changes = append(changes, roomspool.Change{Key: fmt.Sprint(50*n + i), Value: value}, del(fmt.Sprint(50*n+i-10)))
		}
		commit(t, s, changes...)
		most = max(most, s.Usage().Held)
	}
	if use := s.Usage(); use.Entries != 11 || use.Live > 20_000 {
		t.Errorf("it holds %+v", use)
	}
	if room := s.Usage().Room; most > room {
		t.Errorf("20 MB that came and went took %d bytes of disk at a time, more than %d", most, room)
	}
	p.Crash()
	got, err := Contents(open(t, p))
	if err != nil || len(got) != 11 || got["stays"] == "" {
		t.Errorf("after a crash there are %d entries, %v", len(got), err)
	}
}

func likeAMap(t *testing.T, p Place) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		p.Lose()
		s, err := p.Open()
		if err != nil {
			t.Fatal(err)
		}
		oracle := map[string]string{}
		for range rapid.IntRange(1, 40).Draw(t, "commits") {
			var changes []roomspool.Change
			for range rapid.IntRange(0, 5).Draw(t, "changes") {
				key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "key")
				if rapid.Bool().Draw(t, "delete") {
					changes = append(changes, del(key))
					delete(oracle, key)
					continue
				}
				value := rapid.StringN(0, 2000, 4000).Draw(t, "value")
				changes = append(changes, put(key, value))
				oracle[key] = value
			}
			if err := s.Commit(changes); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 5).Draw(t, "crash") == 0 {
				id := s.ID()
				p.Crash()
				if s, err = p.Open(); err != nil || s.ID() != id {
					t.Fatalf("after a crash: %v, another id: %t", err, err == nil)
				}
			}
		}
		got, err := Contents(s)
		if err != nil || !maps.Equal(got, oracle) {
			t.Fatalf("it holds %q, want %q, %v", got, oracle, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
