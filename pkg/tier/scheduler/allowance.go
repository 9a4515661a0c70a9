package scheduler

import (
	"context"
	"sync"
)

// allowance is so much of something that users share: all together hold at most
// the limit, and one of them half of it, so that nobody who holds on to his part
// keeps the others out. It is safe for concurrent use.
type allowance struct {
	limit int64

	mu      sync.Mutex // protects what follows
	held    int64
	by      map[string]int64 // by user
	changed chan struct{}    // closed when something is given back
}

func newAllowance(limit int64) *allowance {
	return &allowance{limit: limit, by: map[string]int64{}, changed: make(chan struct{})}
}

// try takes n for a user, or says that there is no room; changed is closed when
// it is worth another try.
func (a *allowance) try(user string, n int64) (ok bool, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held+n > a.limit || a.by[user]+n > a.limit/2 {
		return false, a.changed
	}
	a.held += n
	a.by[user] += n
	return true, nil
}

// take waits for room until ctx ends; then the error is its cause.
func (a *allowance) take(ctx context.Context, user string, n int64) error {
	for {
		ok, changed := a.try(user, n)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// giveBack returns what was taken, or a part of it.
func (a *allowance) giveBack(user string, n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held -= n
	if a.by[user] -= n; a.by[user] == 0 {
		delete(a.by, user)
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// total is how much is held.
func (a *allowance) total() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held
}
