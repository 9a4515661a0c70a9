//go:build !planted

package job

// bug, off and plant mark the places where the simulator plants a bug, to show
// that it finds it (internal/sim). What ships has none: the compiler leaves
// nothing of them.
func bug(string) bool { return false }

func off(string) int { return 0 }

func plant(string, func()) {}
