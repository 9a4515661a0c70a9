//go:build planted

package adopt

// Planted is the name of the one bug that is planted; empty: none. Only the
// simulator sets it, before it runs anything.
var Planted string

func bug(name string) bool { return Planted == name }
