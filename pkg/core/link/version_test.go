package link

import "testing"

func TestNeighboursUseTheGreatestVersionThatBothSpeak(t *testing.T) {
	for _, c := range []struct {
		sentence     string
		mine, theirs VersionRange
		want         uint32
		ok           bool
	}{
		{"the same", VersionRange{1, 1}, VersionRange{1, 1}, 1, true},
		{"a neighbour one version behind", VersionRange{2, 3}, VersionRange{1, 2}, 2, true},
		{"a neighbour one version ahead", VersionRange{1, 2}, VersionRange{2, 3}, 2, true},
		{"nothing in common", VersionRange{1, 1}, VersionRange{2, 3}, 0, false},
		{"the neighbour names none", VersionRange{1, 3}, VersionRange{}, 0, false},
		{"neither names any", VersionRange{}, VersionRange{}, 0, false},
		{"a range that begins with the version that is none", VersionRange{1, 3}, VersionRange{0, 2}, 0, false},
		{"a range that ends before it begins", VersionRange{1, 9}, VersionRange{5, 2}, 0, false},
	} {
		if got, ok := Negotiate(c.mine, c.theirs); got != c.want || ok != c.ok {
			t.Errorf("%s: %d %v, want %d %v", c.sentence, got, ok, c.want, c.ok)
		}
	}
}

// speaks is the meaning of a range, one version at a time.
func speaks(r VersionRange, v uint32) bool { return r.Min >= 1 && v >= r.Min && v <= r.Max }

func TestEveryPairOfRangesAgreesWithCounting(t *testing.T) {
	const most = 5
	each := func(yield func(VersionRange)) {
		for low := range uint32(most + 1) {
			for high := range uint32(most + 1) {
				yield(VersionRange{low, high})
			}
		}
	}
	each(func(a VersionRange) {
		each(func(b VersionRange) {
			want := uint32(0)
			for v := uint32(1); v <= most; v++ {
				if speaks(a, v) && speaks(b, v) {
					want = v
				}
			}
			got, ok := Negotiate(a, b)
			if got != want || ok != (want > 0) {
				t.Errorf("%v and %v: %d %v, want %d", a, b, got, ok, want)
			}
			if again, _ := Negotiate(b, a); again != got {
				t.Errorf("%v and %v do not agree on %d", a, b, got)
			}
		})
	})
}
