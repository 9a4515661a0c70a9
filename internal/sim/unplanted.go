//go:build !planted

package sim

// bug reports whether a bug is planted here: in this build there is none.
func (w *world) bug(string) bool { return false }
