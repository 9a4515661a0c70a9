package client

import (
	"context"
	"errors"
	"time"
)

// Pace of the retries of a call that may be repeated without harm.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	retryFor   = 30 * time.Second // what must not be lost: submit, cancel, watch
	readFor    = 5 * time.Second  // what a person waits for
)

// retry repeats a call as long as it is Unavailable, at most for a time. It
// waits longer where the server asks for it.
func retry(ctx context.Context, atMost time.Duration, call func() error) error {
	give := time.Now().Add(atMost)
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := call()
		if err == nil || CodeOf(err) != Unavailable || !pause(ctx, max(wait, askedFor(err)), give) {
			return err
		}
	}
}

// pause waits; false: ctx or the time for retries ends before.
func pause(ctx context.Context, wait time.Duration, give time.Time) bool {
	if time.Now().Add(wait).After(give) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// askedFor is how long a server asks to wait.
func askedFor(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.after
	}
	return 0
}
