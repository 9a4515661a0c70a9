package client

import (
	"context"
	"errors"
	"strings"
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
	return follow(ctx, atMost, func() (bool, error) { return false, call() })
}

// follow is retry for a stream that is taken up where it was lost: after one
// that has brought something the time begins anew.
func follow(ctx context.Context, atMost time.Duration, stream func() (heard bool, err error)) error {
	give := time.Now().Add(atMost)
	sent := false // something may have come to the servers
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		heard, err := stream()
		if err == nil {
			return nil
		}
		if heard {
			wait, give = firstRetry, time.Now().Add(atMost)
		}
		err, sent = theirs(ctx, err), sent || heard || !wasUnsent(err)
		if sent {
			err = afterSending(err)
		}
		if CodeOf(err) != Unavailable {
			return err
		}
		if !pause(ctx, max(wait, askedFor(err)), give) {
			return ended(ctx, err)
		}
	}
}

// closing is what gRPC says, under the code of a context that ended, after Close.
const closing = "client connection is closing"

// theirs is Unavailable for what a server says whose own time or life has ended:
// it uses the codes of a context for that, and the caller's goes on.
func theirs(ctx context.Context, err error) error {
	e, ok := errors.AsType[*Error](err)
	if ok && e.Code == Canceled && ctx.Err() == nil && !strings.Contains(e.Message, closing) {
		return &Error{Code: Unavailable, Message: "the servers broke off: " + e.Message}
	}
	return err
}

// ended is the error of a call after which there was no time for another.
func ended(ctx context.Context, last error) error {
	if ctx.Err() == nil {
		return last
	}
	return &Error{Code: Canceled, Message: "gave up: " + ctx.Err().Error() + "; the last try said: " + last.Error(), cause: ctx.Err()}
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
