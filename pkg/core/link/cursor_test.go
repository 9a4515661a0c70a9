package link

import (
	"maps"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatAReceiverDoesWithANumber(t *testing.T) {
	type seen struct {
		number uint64
		want   Verdict
	}
	for sentence, stream := range map[string][]seen{
		"one after another":                  {{1, Accepted}, {2, Accepted}, {3, Accepted}},
		"a repetition is dropped":            {{1, Accepted}, {1, Duplicate}, {2, Accepted}, {1, Duplicate}},
		"a hole is noticed once":             {{1, Accepted}, {3, Gap}, {4, Accepted}},
		"what comes out of the hole is late": {{1, Accepted}, {3, Gap}, {2, Duplicate}},
		"the first message is missing":       {{2, Gap}, {3, Accepted}},
		"a number that is never given":       {{0, Duplicate}, {1, Accepted}},
		"the greatest number":                {{^uint64(0), Gap}, {0, Duplicate}, {^uint64(0), Duplicate}},
	} {
		var c Cursor
		for i, m := range stream {
			if got := c.Observe(m.number); got != m.want {
				t.Errorf("%s: message %d is %v, want %v", sentence, i, got, m.want)
			}
		}
	}
}

func TestAGapIsAskedForOnceAndTogetherWithTheAcknowledgement(t *testing.T) {
	var c Cursor
	answer := func(wantHave uint64, wantResync bool) {
		t.Helper()
		if have, resync := c.Answer(); have != wantHave || resync != wantResync || c.Have() != have {
			t.Errorf("answers %d %v, want %d %v", have, resync, wantHave, wantResync)
		}
	}
	answer(0, false)
	c.Observe(1)
	answer(1, false)
	c.Observe(5)
	c.Observe(6)
	answer(6, true)
	answer(6, false)
	c.Observe(9)
	c.Observe(9)
	answer(9, true)
}

func TestVerdictsAreNamed(t *testing.T) {
	for v, want := range []string{"unspecified", "accepted", "duplicate", "gap", "unspecified"} {
		if got := Verdict(v).String(); got != want {
			t.Errorf("verdict %d is %q, want %q", v, got, want)
		}
	}
}

func TestTheCursorDoesWhatASetOfNumbersDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Cursor
		settled := map[uint64]bool{0: true} // come, or asked for again
		top := uint64(0)
		for range rapid.IntRange(1, 30).Draw(t, "messages") {
			n := rapid.Uint64Range(0, 12).Draw(t, "number")
			want := Accepted
			switch {
			case settled[n]:
				want = Duplicate
			case n > top+1:
				want = Gap
			}
			if got := c.Observe(n); got != want {
				t.Fatalf("%d after %d is %v, want %v", n, top, got, want)
			}
			for top < n {
				top++
				settled[top] = true
			}
			if c.Have() != top {
				t.Fatalf("has %d, want %d", c.Have(), top)
			}
		}
	})
}

// hop is one sender and one receiver with a network between them that drops and
// repeats messages, breaks streams, and a receiver that loses its disk.
type hop struct {
	out    *Outbox[int]
	truth  map[int]int // version of each key at the sender
	wire   []batch
	cursor Cursor
	disk   int         // id of the receiver's spool
	have   map[int]int // what the receiver knows
	bug    string      // planted
}

type batch struct {
	number uint64
	says   map[int]int
}

const (
	oblivious = "acknowledges past a gap without asking for everything"
	nostalgic = "keeps its cursor over to the next stream"
	trusting  = "the sender does not look at the spool id"
	forgetful = "the sender does not repeat what was in flight"
)

func newHop(bug string) *hop {
	h := &hop{out: NewOutbox[int](), truth: map[int]int{}, have: map[int]int{}, bug: bug}
	h.out.Open("0")
	return h
}

func (h *hop) news(key int) {
	h.truth[key]++
	h.out.Put(key)
}

func (h *hop) send(limit int) {
	number, keys := h.out.Next(limit)
	if number == 0 {
		return
	}
	b := batch{number, map[int]int{}}
	for _, k := range keys {
		b.says[k] = h.truth[k] // what is true now, not when it was put
	}
	h.wire = append(h.wire, b)
}

// receive takes the first message off the wire; repeated leaves it there too.
func (h *hop) receive(repeated bool) {
	if len(h.wire) == 0 {
		return
	}
	b := h.wire[0]
	if !repeated {
		h.wire = h.wire[1:]
	}
	if h.cursor.Observe(b.number) == Duplicate {
		return
	}
	for k, version := range b.says {
		h.have[k] = max(h.have[k], version)
	}
}

// answer is one message back. It is not lost unless the stream is.
func (h *hop) answer() {
	have, resync := h.cursor.Answer()
	h.out.Have(have)
	if resync && h.bug != oblivious {
		h.out.Reset()
	}
}

func (h *hop) breakStream(diskToo bool) {
	h.wire = nil
	if h.bug != nostalgic {
		h.cursor = Cursor{}
	}
	if diskToo {
		clear(h.have)
		if h.bug != trusting {
			h.disk++
		}
	}
	if h.bug == forgetful {
		h.out.Have(h.out.Last())
	}
	h.out.Open(strconv.Itoa(h.disk))
}

// lose drops a message in the middle of a stream; a later one shows the gap.
func (h *hop) lose() {
	if len(h.wire) > 1 {
		h.wire = h.wire[1:]
	}
}

// quiet lets everything arrive, and reports whether it came to an end.
func (h *hop) quiet() bool {
	for range 200 {
		if h.out.Pending() == 0 && h.out.InFlight() == 0 && len(h.wire) == 0 {
			return maps.Equal(h.have, h.truth)
		}
		h.send(3)
		h.receive(false)
		h.answer()
	}
	return false
}

// live leads a hop through steps, each a number that says what happens.
func (h *hop) live(steps []int) {
	for _, step := range steps {
		key := step / 12 % 6
		switch step % 12 {
		case 0, 1, 2:
			h.news(key)
		case 3, 4:
			h.send(1 + key%3)
		case 5, 6:
			h.receive(false)
		case 7:
			h.receive(true)
		case 8:
			h.answer()
		case 9:
			h.lose()
		case 10:
			h.breakStream(false)
		case 11:
			h.breakStream(true)
		}
	}
}

func TestWhateverTheNetworkDoesTheReceiverEndsWithTheTruth(t *testing.T) {
	steps := rapid.SliceOfN(rapid.IntRange(0, 71), 1, 60)
	rapid.Check(t, func(t *rapid.T) {
		h := newHop("")
		h.live(steps.Draw(t, "steps"))
		if !h.quiet() {
			t.Fatalf("the receiver has %v, true is %v", h.have, h.truth)
		}
	})
}

// TestTheHopFindsPlantedBugs shows that the property above can fail: each bug is
// one of the mistakes that the package's rules are there to prevent.
func TestTheHopFindsPlantedBugs(t *testing.T) {
	steps := rapid.SliceOfN(rapid.IntRange(0, 71), 1, 60)
	for _, bug := range []string{oblivious, nostalgic, trusting, forgetful} {
		found := false
		for seed := 0; seed < 2000 && !found; seed++ {
			h := newHop(bug)
			h.live(steps.Example(seed))
			found = !h.quiet()
		}
		if !found {
			t.Errorf("nothing shows that it %s", bug)
		}
	}
}
