//go:build !planted

package planted

// Bug reports whether the bug of this name is planted: in this build none is.
func Bug(string) bool { return false }

// Do does what the bug of this name does: in this build nothing.
func Do(string, func()) {}
