//go:build planted

package planted

// Name is the one bug that is planted; empty: none. It is set before anything
// runs, and by tests alone.
var Name string

// Bug reports whether the bug of this name is planted.
func Bug(name string) bool { return Name == name }

// Do does what the bug of this name does, if it is planted.
func Do(name string, do func()) {
	if Bug(name) {
		do()
	}
}
