//go:build !planted

package link

// bug and plant mark the places where the simulator plants a bug, to show
// that it finds it (internal/sim). What ships has none: the compiler leaves
// nothing of them.
func bug(string) bool { return false }

func plant(string, func()) {}
