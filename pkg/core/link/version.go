package link

// VersionRange is the contract versions that a peer speaks, from 1, inclusive.
type VersionRange struct{ Min, Max uint32 }

// Negotiate is the greatest version that both speak; false if there is none, or
// if one side named no range. Both sides get the same answer.
func Negotiate(mine, theirs VersionRange) (version uint32, ok bool) {
	low, high := max(mine.Min, theirs.Min), min(mine.Max, theirs.Max)
	if mine.Min == 0 || theirs.Min == 0 || low > high {
		return 0, false
	}
	return high, true
}
