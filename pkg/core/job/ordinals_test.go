package job

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestASetOfOrdinalsIsASet compares with a map, also where words and summaries
// of the set end.
func TestASetOfOrdinalsIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{1, 63, 64, 65, 4095, 4096, 4097, 9000}).Draw(t, "size")
		set, model := ordinals{size: size}, map[uint32]bool{}
		ordinal := rapid.OneOf(
			rapid.Uint32Range(0, uint32(size-1)),
			rapid.Map(rapid.Uint32Range(0, uint32(size-1)/64), func(w uint32) uint32 { return w * 64 }),
			rapid.Just(uint32(size-1)),
		)
		t.Repeat(map[string]func(*rapid.T){
			"add":    func(t *rapid.T) { o := ordinal.Draw(t, "o"); set.add(o); model[o] = true },
			"remove": func(t *rapid.T) { o := ordinal.Draw(t, "o"); set.remove(o); delete(model, o) },
			"next": func(t *rapid.T) {
				from := ordinal.Draw(t, "from")
				got, ok := set.next(from)
				rest := slices.DeleteFunc(sorted(model), func(o uint32) bool { return o < from })
				if ok != (len(rest) > 0) || ok && got != rest[0] {
					t.Fatalf("next from %d is %d, %v; there are %v", from, got, ok, rest)
				}
			},
			"drain": func(t *rapid.T) {
				if got, want := set.drain(), sorted(model); !slices.Equal(got, want) {
					t.Fatalf("drained %v, want %v", got, want)
				}
				model = map[uint32]bool{}
			},
			"": func(t *rapid.T) {
				if set.n != len(model) || set.empty() != (len(model) == 0) {
					t.Fatalf("it has %d, want %d", set.n, len(model))
				}
				if got, want := slices.Collect(set.all()), sorted(model); !slices.Equal(got, want) {
					t.Fatalf("it has %v, want %v", got, want)
				}
				for o := range model {
					if !set.has(o) {
						t.Fatalf("it lacks %d", o)
					}
				}
			},
		})
	})
}

func sorted(model map[uint32]bool) []uint32 { return slices.Sorted(maps.Keys(model)) }

func TestAnEmptySetTakesNoMemory(t *testing.T) {
	set := ordinals{size: MaxTargets}
	set.remove(7)
	if set.has(7) || !set.empty() || set.drain() != nil || set.bits != nil {
		t.Error("an empty set is not empty")
	}
	if _, ok := set.next(0); ok {
		t.Error("an empty set has a first")
	}
}

func TestASetMayBeEmptiedWhileItIsWalked(t *testing.T) {
	set := ordinals{size: 200}
	for o := range uint32(200) {
		set.add(o)
	}
	var seen int
	for o := range set.all() {
		set.remove(o)
		seen++
	}
	if seen != 200 || !set.empty() {
		t.Errorf("%d were walked, %d are left", seen, set.n)
	}
}

func TestPastTheEndOfASetThereIsNothing(t *testing.T) {
	set := ordinals{size: 100}
	set.add(99)
	if _, ok := set.next(100); ok {
		t.Error("something after the last ordinal")
	}
	if o, ok := set.next(99); !ok || o != 99 {
		t.Error("the last ordinal is missing")
	}
}
