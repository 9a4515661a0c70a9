//go:build planted

package link

// Planted is the name of the one bug that is planted; empty: none. Only the
// simulator sets it, before it runs anything.
var Planted string

func bug(name string) bool { return Planted == name }

func plant(name string, do func()) {
	if bug(name) {
		do()
	}
}
