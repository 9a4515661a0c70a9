package link

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestCreditIsTakenAndNeverMoreThanThereIs(t *testing.T) {
	w := NewWindow(10)
	if w.Take("bulk", 1) != 0 {
		t.Error("credit out of nothing")
	}
	if got := w.Grant("bulk", 4); got != 4 {
		t.Errorf("granted %d of 4", got)
	}
	if got := w.Take("bulk", 3); got != 3 {
		t.Errorf("took %d of 3", got)
	}
	if got := w.Take("bulk", 3); got != 1 {
		t.Errorf("took %d where 1 was left", got)
	}
	if w.Free("bulk") != 0 || w.Taken("bulk") != 4 {
		t.Errorf("free %d, taken %d", w.Free("bulk"), w.Taken("bulk"))
	}
}

func TestOneClassDoesNotSpendAnothersCredit(t *testing.T) {
	w := NewWindow(10)
	w.Grant("bulk", 10)
	w.Grant("critical", 2)
	w.Take("bulk", 10)
	if got := w.Take("critical", 5); got != 2 {
		t.Errorf("critical has %d of 2", got)
	}
}

func TestWhatWasNotUsedIsGivenBackOnce(t *testing.T) {
	w := NewWindow(10)
	w.Grant("bulk", 5)
	w.Take("bulk", 3)
	if got := w.Return("bulk", 9); got != 3 {
		t.Errorf("gave back %d where 3 were taken", got)
	}
	if got := w.Return("bulk", 1); got != 0 {
		t.Errorf("gave back %d where none was taken", got)
	}
	if w.Return("unheard of", 1) != 0 || w.Free("unheard of") != 0 || w.Taken("unheard of") != 0 {
		t.Error("a class that was never granted has credit")
	}
	if w.Free("bulk") != 5 {
		t.Errorf("free %d of 5", w.Free("bulk"))
	}
}

func TestAPeerThatGrantsTooMuchIsHeldToTheLimit(t *testing.T) {
	w := NewWindow(10)
	if got := w.Grant("bulk", ^uint32(0)); got != 10 {
		t.Errorf("granted %d, the limit is 10", got)
	}
	if got := w.Grant("bulk", 1); got != 0 {
		t.Errorf("granted %d past the limit", got)
	}
	w.Take("bulk", 10)
	if got := w.Grant("bulk", 4); got != 4 || w.Free("bulk") != 4 || w.Taken("bulk") != 6 {
		t.Errorf("granted %d, free %d, taken %d", got, w.Free("bulk"), w.Taken("bulk"))
	}
}

func TestAPeerThatInventsClassesIsHeldToTheLimit(t *testing.T) {
	w := NewWindow(10)
	for i := range 1000 {
		w.Grant(strconv.Itoa(i), 1)
	}
	if len(w.classes) != maxClasses {
		t.Errorf("%d classes are kept", len(w.classes))
	}
	if w.Grant("999", 1) != 0 || w.Grant("0", 1) != 1 {
		t.Error("known classes go on, new ones do not")
	}
}

func TestGrantingNothingKeepsNothing(t *testing.T) {
	w, shut := NewWindow(10), NewWindow(0)
	if w.Grant("a", 0) != 0 || shut.Grant("a", 5) != 0 || len(w.classes)+len(shut.classes) != 0 {
		t.Error("a class without credit is kept")
	}
}

// tokens is the window again, dumb: every unit of credit is a thing that lies
// on one of two heaps.
type tokens struct{ free, taken []struct{} }

func (k *tokens) move(from, to *[]struct{}, want uint32) (n uint32) {
	for n < want && len(*from) > 0 {
		*from = (*from)[1:]
		*to = append(*to, struct{}{})
		n++
	}
	return n
}

func TestTheWindowDoesWhatHeapsOfTokensDo(t *testing.T) {
	const limit = 6
	rapid.Check(t, func(t *rapid.T) {
		w := NewWindow(limit)
		heaps := map[string]*tokens{"a": {}, "b": {}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			class := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "class")
			n := rapid.Uint32Range(0, 9).Draw(t, "n")
			k := heaps[class]
			var got, want uint32
			switch rapid.IntRange(0, 2).Draw(t, "what happens") {
			case 0:
				got = w.Grant(class, n)
				want = k.move(&k.taken, &k.free, n)
				for want < n && len(k.free)+len(k.taken) < limit {
					k.free = append(k.free, struct{}{})
					want++
				}
			case 1:
				got, want = w.Take(class, n), k.move(&k.free, &k.taken, n)
			case 2:
				got, want = w.Return(class, n), k.move(&k.taken, &k.free, n)
			}
			if got != want || w.Free(class) != uint32(len(k.free)) || w.Taken(class) != uint32(len(k.taken)) {
				t.Fatalf("class %s: %d, free %d, taken %d; want %d, %d, %d", class, got, w.Free(class), w.Taken(class), want, len(k.free), len(k.taken))
			}
			if w.Free(class)+w.Taken(class) > limit {
				t.Fatalf("more credit than the limit in class %s", class)
			}
		}
	})
}

// TestAReceiverIsNeverSentMoreThanItsWindow runs both ends of one class.
func TestAReceiverIsNeverSentMoreThanItsWindow(t *testing.T) {
	const room = 5
	rapid.Check(t, func(t *rapid.T) {
		sender, receiver := NewWindow(1000), NewWindow(room)
		receiver.Grant("c", room)
		queued, onTheWay := uint32(0), uint32(0)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			n := rapid.Uint32Range(0, 7).Draw(t, "n")
			switch rapid.IntRange(0, 3).Draw(t, "what happens") {
			case 0: // the receiver grants what it has room for
				onTheWay += receiver.Take("c", n)
			case 1: // a grant arrives
				sender.Grant("c", onTheWay)
				onTheWay = 0
			case 2: // the sender sends
				queued += sender.Take("c", n)
			case 3: // the receiver works off
				done := min(n, queued)
				queued -= done
				receiver.Return("c", done)
			}
			if queued > room {
				t.Fatalf("%d queued where there is room for %d", queued, room)
			}
		}
	})
}
