package commit

// MaxGroupBytes is for the tests of this package, which are outside it.
const MaxGroupBytes = maxGroupBytes
