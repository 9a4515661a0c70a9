package rig

import (
	"testing"
	"time"
)

// Patience is how long a waiter waits at most, unless a test says otherwise.
// It is far more than anything takes: only a failing test gets there.
const Patience = 30 * time.Second

// poll is the time between two questions of a waiter.
const poll = 20 * time.Millisecond

// Eventually asks until nothing is missing, and fails the test with what still
// is when its patience ends.
func Eventually(t *testing.T, missing func() string) {
	t.Helper()
	EventuallyWithin(t, Patience, missing)
}

// EventuallyWithin is Eventually with a patience of its own.
func EventuallyWithin(t *testing.T, patience time.Duration, missing func() string) {
	t.Helper()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("the test ended and still: %s", what)
		case <-deadline:
			t.Fatalf("after %v still: %s", patience, what)
		}
	}
}
