package link

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// take is Next where the test knows the number.
func take(t *testing.T, o *Outbox[string], limit int, wantNumber uint64, want ...string) {
	t.Helper()
	number, keys := o.Next(limit)
	if number != wantNumber || !slices.Equal(keys, want) {
		t.Fatalf("Next(%d) = %d %v, want %d %v", limit, number, keys, wantNumber, want)
	}
}

func outboxOf(keys ...string) *Outbox[string] {
	o := NewOutbox[string]()
	for _, k := range keys {
		o.Put(k)
	}
	return o
}

func TestWhatIsPutIsSentInOrderAndOnce(t *testing.T) {
	o := outboxOf("a", "b", "c", "a")
	take(t, o, 2, 1, "a", "b")
	take(t, o, 2, 2, "c")
	take(t, o, 2, 0)
	if o.Len() != 3 || o.Pending() != 0 || o.InFlight() != 3 || o.Last() != 2 {
		t.Errorf("len %d, pending %d, in flight %d, last %d", o.Len(), o.Pending(), o.InFlight(), o.Last())
	}
}

func TestNewsAfterSendingIsNotClearedByTheOldAcknowledgement(t *testing.T) {
	o := outboxOf("a", "b")
	take(t, o, 9, 1, "a", "b")
	o.Put("a")
	if moved := o.Have(1); moved != 1 {
		t.Errorf("the acknowledgement moved %d keys, want b alone", moved)
	}
	take(t, o, 9, 2, "a")
	o.Have(2)
	take(t, o, 9, 0)
}

func TestHavingIsNotForgetting(t *testing.T) {
	o := outboxOf("a")
	take(t, o, 9, 1, "a")
	o.Have(1)
	if o.Len() != 1 || !o.Holds("a") {
		t.Error("an acknowledgement of one hop deleted a key")
	}
	if !o.Forget("a") || o.Forget("a") || o.Len() != 0 || o.Holds("a") {
		t.Error("Forget does not delete once")
	}
}

func TestAcknowledgementsAreCumulativeAndHarmlessWhenRepeated(t *testing.T) {
	o := outboxOf("a", "b", "c")
	take(t, o, 1, 1, "a")
	take(t, o, 1, 2, "b")
	take(t, o, 1, 3, "c")
	for _, c := range []struct {
		have  uint64
		moved int
	}{{0, 0}, {2, 2}, {2, 0}, {1, 0}, {3, 1}, {99, 0}} {
		if moved := o.Have(c.have); moved != c.moved {
			t.Errorf("Have(%d) moved %d keys, want %d", c.have, moved, c.moved)
		}
	}
	if o.InFlight() != 0 {
		t.Errorf("%d keys are in flight after all", o.InFlight())
	}
}

func TestAReceiverWithANewSpoolGetsEverythingThatIsNotForgotten(t *testing.T) {
	o := outboxOf("had", "forgotten", "flying")
	take(t, o, 2, 1, "had", "forgotten")
	o.Have(1)
	take(t, o, 1, 2, "flying")
	o.Put("new")
	o.Forget("forgotten")
	o.Reset()
	if o.InFlight() != 0 || o.Pending() != 3 {
		t.Errorf("in flight %d, pending %d", o.InFlight(), o.Pending())
	}
	take(t, o, 9, 3, "had", "flying", "new")
}

func TestAnAcknowledgementFromBeforeAResetClearsNothing(t *testing.T) {
	o := outboxOf("a")
	take(t, o, 9, 1, "a")
	o.Reset()
	if o.Have(1) != 0 {
		t.Error("an acknowledgement cleared what is to be sent again")
	}
	take(t, o, 9, 2, "a")
	if o.Have(1) != 0 {
		t.Error("an acknowledgement of the first sending cleared the second")
	}
}

func TestANewStreamToTheSameSpoolRepeatsOnlyWhatWasInFlight(t *testing.T) {
	o := outboxOf("had", "flying")
	o.Open("disk 1")
	take(t, o, 1, 1, "had")
	take(t, o, 1, 2, "flying")
	o.Have(1)
	o.Put("new")
	if !o.Open("disk 1") || o.Spool() != "disk 1" {
		t.Error("the same spool is taken for another")
	}
	take(t, o, 9, 1, "flying", "new")
	o.Have(1)
	o.Open("disk 1")
	take(t, o, 9, 0)
}

func TestANewStreamToAnotherSpoolRepeatsEverything(t *testing.T) {
	for _, spool := range []string{"disk 2", ""} {
		o := outboxOf("had", "flying")
		o.Open("disk 1")
		take(t, o, 1, 1, "had")
		take(t, o, 1, 2, "flying")
		o.Have(1)
		if o.Open(spool) || o.Spool() != spool {
			t.Errorf("spool %q is taken for the one before", spool)
		}
		take(t, o, 9, 1, "had", "flying")
	}
}

func TestAReceiverWithoutASpoolNeverHasAnythingOnTheNextStream(t *testing.T) {
	o := outboxOf("a")
	for range 3 {
		if o.Open("") {
			t.Error("no spool is taken for the one before")
		}
		take(t, o, 9, 1, "a")
		o.Have(1)
	}
}

func TestTheFirstStreamSendsWhatWasPutBeforeIt(t *testing.T) {
	o := outboxOf("a", "b")
	if o.Spool() != "" || o.Open("disk 1") {
		t.Error("an outbox knows a spool before its first stream")
	}
	take(t, o, 9, 1, "a", "b")
}

func TestHeartbeatsLendTheirNumbersToBatches(t *testing.T) {
	o := outboxOf("a", "b")
	if keys := o.NextAs(7, 1); !slices.Equal(keys, []string{"a"}) {
		t.Fatalf("heartbeat 7 carries %v", keys)
	}
	if keys := o.NextAs(7, 1); keys != nil {
		t.Errorf("heartbeat 7 carries a second batch %v", keys)
	}
	if keys := o.NextAs(6, 1); keys != nil {
		t.Errorf("a heartbeat of the past carries %v", keys)
	}
	if o.Have(6) != 0 || o.Have(8) != 1 {
		t.Error("the acknowledgement of heartbeat 8 is that of 7 too, that of 6 is not")
	}
	if keys := o.NextAs(9, 1); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("heartbeat 9 carries %v", keys)
	}
}

func TestABatchWithoutRoomTakesNothing(t *testing.T) {
	o := outboxOf("a")
	for _, limit := range []int{0, -1} {
		take(t, o, limit, 0)
		if keys := o.NextAs(5, limit); keys != nil {
			t.Errorf("limit %d took %v", limit, keys)
		}
	}
	take(t, o, 1, 1, "a")
}

func TestTheOldestIsWhatTheReceiverHasLackedLongest(t *testing.T) {
	o := NewOutbox[string]()
	want := func(key string, ok bool) {
		t.Helper()
		if k, has := o.Oldest(); k != key || has != ok {
			t.Errorf("oldest is %q %v, want %q %v", k, has, key, ok)
		}
	}
	want("", false)
	o.Put("a")
	o.Put("b")
	want("a", true)
	o.Next(1)
	want("a", true)
	o.Have(1)
	want("b", true)
	o.Next(1)
	o.Put("b")
	want("b", true)
	o.Forget("b")
	want("", false)
}

func TestABatchIsTheCallersOwn(t *testing.T) {
	o := outboxOf("a", "b")
	_, first := o.Next(1)
	_, second := o.Next(1)
	first[0] = "x"
	if second[0] != "b" || !o.Holds("a") {
		t.Error("a batch shares memory with the outbox")
	}
}

func TestAKeyCostsTheSameHoweverOftenItIsSent(t *testing.T) {
	o := NewOutbox[int]()
	for k := range 100 {
		o.Put(k)
	}
	o.Next(100)
	allocs := testing.AllocsPerRun(100, func() {
		for k := range 100 {
			o.Put(k)
		}
		n, _ := o.Next(100)
		o.Have(n)
		o.Reset()
		o.Open("x")
	})
	if allocs > 1 { // the batch itself
		t.Errorf("%v allocations a round", allocs)
	}
}

// plain is the outbox again, dumb: one slice in which what the receiver has
// comes before what flies and that before what is dirty, scanned every time.
type plain struct {
	rows  []plainRow
	last  uint64
	spool string
}

type plainRow struct {
	key    int
	state  string // "had", "flight", "dirty"
	number uint64
}

func (p *plain) find(key int) int {
	return slices.IndexFunc(p.rows, func(r plainRow) bool { return r.key == key })
}

func (p *plain) put(key int) {
	if i := p.find(key); i >= 0 {
		if p.rows[i].state == "dirty" {
			return
		}
		p.rows = slices.Delete(p.rows, i, i+1)
	}
	p.rows = append(p.rows, plainRow{key: key, state: "dirty"})
}

func (p *plain) next(number uint64, limit int) (keys []int) {
	if number <= p.last || p.count("dirty") == 0 || limit <= 0 {
		return nil
	}
	p.last = number
	for i := range p.rows {
		if p.rows[i].state == "dirty" && len(keys) < limit {
			p.rows[i].state, p.rows[i].number = "flight", number
			keys = append(keys, p.rows[i].key)
		}
	}
	return keys
}

func (p *plain) turn(from, to string, upTo uint64) (n int) {
	for i := range p.rows {
		if p.rows[i].state == from && p.rows[i].number <= upTo {
			p.rows[i].state = to
			n++
		}
	}
	return n
}

func (p *plain) count(state string) (n int) {
	for _, r := range p.rows {
		if r.state == state {
			n++
		}
	}
	return n
}

func (p *plain) oldest() (int, bool) {
	for _, r := range p.rows {
		if r.state != "had" {
			return r.key, true
		}
	}
	return 0, false
}

func TestTheOutboxDoesWhatADumbOneDoes(t *testing.T) {
	const forever = ^uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		o, p := NewOutbox[int](), &plain{}
		key := rapid.IntRange(0, 7)
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k := key.Draw(t, "key")
				o.Put(k)
				p.put(k)
			},
			"next": func(t *rapid.T) {
				limit := rapid.IntRange(-1, 5).Draw(t, "limit")
				number, got := o.Next(limit)
				want := p.next(p.last+1, limit)
				if !slices.Equal(got, want) || (number == 0) != (len(got) == 0) || number != 0 && number != p.last {
					t.Fatalf("Next(%d) = %d %v, want %d %v", limit, number, got, p.last, want)
				}
			},
			"next as": func(t *rapid.T) {
				number := p.last + rapid.Uint64Range(0, 3).Draw(t, "ahead")
				limit := rapid.IntRange(0, 5).Draw(t, "limit")
				if got, want := o.NextAs(number, limit), p.next(number, limit); !slices.Equal(got, want) {
					t.Fatalf("NextAs(%d, %d) = %v, want %v", number, limit, got, want)
				}
			},
			"have": func(t *rapid.T) {
				number := rapid.Uint64Range(0, p.last+2).Draw(t, "number")
				if got, want := o.Have(number), p.turn("flight", "had", number); got != want {
					t.Fatalf("Have(%d) moved %d, want %d", number, got, want)
				}
			},
			"reset": func(*rapid.T) {
				o.Reset()
				p.turn("had", "dirty", forever)
				p.turn("flight", "dirty", forever)
			},
			"open": func(t *rapid.T) {
				spool := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "spool")
				same := spool != "" && spool == p.spool
				if o.Open(spool) != same || o.Spool() != spool {
					t.Fatalf("Open(%q) after %q is not %v", spool, p.spool, same)
				}
				p.turn("flight", "dirty", forever)
				if !same {
					p.turn("had", "dirty", forever)
				}
				p.last, p.spool = 0, spool
			},
			"forget": func(t *rapid.T) {
				k := key.Draw(t, "key")
				i := p.find(k)
				if got := o.Forget(k); got != (i >= 0) {
					t.Fatalf("Forget(%d) = %v", k, got)
				}
				if i >= 0 {
					p.rows = slices.Delete(p.rows, i, i+1)
				}
			},
			"": func(t *rapid.T) { sameAsPlain(t, o, p) },
		})
	})
}

func sameAsPlain(t *rapid.T, o *Outbox[int], p *plain) {
	if o.Len() != len(p.rows) || o.Pending() != p.count("dirty") || o.InFlight() != p.count("flight") || o.Last() != p.last {
		t.Fatalf("len %d, pending %d, in flight %d, last %d; want %+v", o.Len(), o.Pending(), o.InFlight(), o.Last(), p)
	}
	gotKey, got := o.Oldest()
	if wantKey, want := p.oldest(); gotKey != wantKey || got != want {
		t.Fatalf("oldest %d %v, want %d %v", gotKey, got, wantKey, want)
	}
	var order []int
	for _, l := range []*list[int]{&o.had, &o.flight, &o.dirty} {
		n := 0
		for e := l.first; e != nil; e = e.next {
			order = append(order, e.key)
			if n++; e.in != l || !o.Holds(e.key) || (e.next == nil) != (e == l.last) {
				t.Fatalf("the entry of %d is not where it says", e.key)
			}
		}
		if n != l.n {
			t.Fatalf("a list of %d says %d", n, l.n)
		}
	}
	want := make([]int, 0, len(p.rows))
	for _, state := range []string{"had", "flight", "dirty"} {
		for _, r := range p.rows {
			if r.state == state {
				want = append(want, r.key)
			}
		}
	}
	if !slices.Equal(order, want) {
		t.Fatalf("order %v, want %v", order, want)
	}
}
