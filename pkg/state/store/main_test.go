package store_test

import (
	"runtime"
	"testing"
)

// TestMain runs the bubbles on one thread: with several, timers of one bubble
// that are due at once crash the race detector's runtime (Go 1.26; see
// internal/cctest).
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	m.Run()
}
