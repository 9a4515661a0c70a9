package job

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTheLastBatchSizeRepeats(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []Amount
		total int
		ends  []int // of the batches
	}{
		{"no sizes are one batch", nil, 5, []int{5}},
		{"one at a time", []Amount{{Count: 1}}, 3, []int{1, 2, 3}},
		{"one, ten, and then a quarter", []Amount{{Count: 1}, {Count: 10}, {Percent: 25}}, 100, []int{1, 11, 36, 61, 86, 100}},
		{"a size that is too large", []Amount{{Count: 2}, {Count: 50}}, 7, []int{2, 7}},
		{"sizes that are not needed", []Amount{{Percent: 100}, {Count: 1}}, 7, []int{7}},
		{"a share of a few is one", []Amount{{Percent: 1}}, 2, []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Rollout{Batches: c.sizes}
			p := batchesOf(r, c.total)
			if got := r.BatchesOf(c.total); got != len(c.ends) {
				t.Fatalf("%d batches, want %d", got, len(c.ends))
			}
			for i, want := range c.ends {
				if p.batchOf(uint32(want-1)) != i || p.batchOf(uint32(p.begin(i))) != i {
					t.Errorf("position %d is in batch %d, want %d", want-1, p.batchOf(uint32(want-1)), i)
				}
				if p.end(i) != want || i > 0 && p.begin(i) != c.ends[i-1] {
					t.Errorf("batch %d goes from %d to %d, want to %d", i, p.begin(i), p.end(i), want)
				}
			}
			if p.begin(0) != 0 || p.end(len(c.ends)) != c.total {
				t.Error("the batches do not begin and end with the job")
			}
		})
	}
}

func TestASpreadJobTakesEachRoomInTurn(t *testing.T) {
	targets := targetsOf(t, "bj01: a b c d", "gz01: e", "sh01: f g")
	p := newPlan(Rollout{Order: SpreadRooms}, targets)
	var order []byte
	for pos := range uint32(targets.Len()) {
		order = append(order, targets.At(p.ordinal(pos)).Host[0])
	}
	if string(order) != "aefbgcd" {
		t.Errorf("the order is %s", order)
	}
}

func TestAnOrderIsEveryTargetOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 5).Draw(t, "rooms")
		var b TargetsBuilder
		for i, n := range sizes {
			for j := range n {
				host := Target{Incarnation: inc(1), Host: "h"}
				host.Host += fleetName(i, j)
				if err := b.Add(roomName(i), host); err != nil {
					t.Fatal(err)
				}
			}
		}
		targets, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		p := newPlan(Rollout{Order: rapid.SampledFrom([]Order{AsListed, SpreadRooms}).Draw(t, "order")}, targets)
		var all []uint32
		for pos := range uint32(targets.Len()) {
			o := p.ordinal(pos)
			if p.position(o) != pos {
				t.Fatalf("ordinal %d is at %d, and said to be at %d", o, pos, p.position(o))
			}
			all = append(all, o)
		}
		slices.Sort(all)
		for i, o := range all {
			if int(o) != i {
				t.Fatalf("the order has %v", all)
			}
		}
	})
}

func TestABudgetIsRoundedDown(t *testing.T) {
	for _, c := range []struct {
		budget      Budget
		total, want int
	}{
		{Budget{Limited: true}, 100, 0},
		{Budget{Limited: true, Count: 3}, 100, 3},
		{Budget{Limited: true, Percent: 5}, 100, 5},
		{Budget{Limited: true, Percent: 5}, 99, 4},
		{Budget{Limited: true, Percent: 5}, 19, 0},
		{Budget{Limited: true, Percent: 100}, 7, 7},
	} {
		if got := c.budget.Of(c.total); got != c.want {
			t.Errorf("%+v of %d is %d, want %d", c.budget, c.total, got, c.want)
		}
	}
}
