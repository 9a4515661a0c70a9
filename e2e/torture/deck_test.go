package torture

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// deck deals its cards in a random order, and none again before all have been
// dealt: how often each comes is not left to luck, as it would be in a run of a
// minute.
type deck[T any] struct {
	cards, left []T
	rand        *rand.Rand
}

func newDeck[T any](r *rand.Rand, cards ...T) *deck[T] { return &deck[T]{cards: cards, rand: r} }

func (d *deck[T]) deal() T {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.cards)
		d.rand.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	last := len(d.left) - 1
	card := d.left[last]
	d.left = d.left[:last]
	return card
}

func TestADeckDealsEachCardAsOftenAsTheOthersInNoOrder(t *testing.T) {
	d := newDeck(rand.New(rand.NewPCG(1, 2)), "a", "b", "b", "c")
	orders := map[string]bool{}
	for range 200 {
		var round string
		for range 4 {
			round += d.deal()
		}
		orders[round] = true
		letters := []byte(round)
		slices.Sort(letters)
		if string(letters) != "abbc" {
			t.Fatalf("one round of the deck is %q", round)
		}
	}
	if len(orders) != 12 { // all there are
		t.Errorf("in 200 rounds were %d orders, want 12", len(orders))
	}
}
