//go:build !planted

package task

// bug marks the places where the simulator plants a bug, to show that it finds
// it (internal/sim). What ships has none: the compiler leaves nothing of it.
func bug(string) bool { return false }
