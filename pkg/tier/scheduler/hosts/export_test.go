package hosts

// MaxRows is for the tests of this package, which are outside it.
const MaxRows = maxRows
