package cctest_test

import (
	"os"
	"runtime"
	"testing"
)

// TestMain runs the bubbles on one processor. Under the race detector Go 1.26
// runs a bubble's timers that are due at once on the thread that sets them, and
// all threads share one context of the detector: two at a time end the program
// with SIGSEGV, here once in a few hundred tests.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}
