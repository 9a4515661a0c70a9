package coord

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Pause between tries, doubled from the first to the last, with jitter.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = time.Second
)

// closeBudget is how long the end of [Keep] waits for etcd, so that what was
// held is free at once for others.
const closeBudget = 2 * time.Second

// Keep holds a session as long as ctx lasts: when one is lost, or etcd was
// away, it grants another and calls hold again. The context of hold ends with
// the session (cause ErrLost). If hold returns before that, it is called again
// after a pause. Keep returns the cause of ctx.
//
// hold says what is to be held: put the member, acquire the shards, then wait.
func Keep(ctx context.Context, c Client, ttl time.Duration, log *slog.Logger, hold func(context.Context, Session) error) error {
	var pause backoff
	for ctx.Err() == nil {
		s, err := c.Grant(ctx, ttl)
		if err != nil {
			pause.report(ctx, log, "grant a lease", err)
			pause.wait(ctx)
			continue
		}
		pause.reset()
		during(ctx, s, log, hold)
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
		if err := s.Close(closing); err != nil && !errors.Is(err, ErrLost) {
			log.WarnContext(ctx, "lease not given back; it ends by itself", "error", err)
		}
		cancel()
	}
	return context.Cause(ctx)
}

// during calls hold until the session or ctx ends.
func during(ctx context.Context, s Session, log *slog.Logger, hold func(context.Context, Session) error) {
	held, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.Lost():
			cancel(ErrLost)
		case <-held.Done():
		}
	}()
	var pause backoff
	for held.Err() == nil {
		err := hold(held, s)
		if held.Err() != nil {
			break
		}
		if err != nil {
			pause.report(ctx, log, "hold what is under the lease", err)
		}
		pause.wait(held)
	}
	if errors.Is(context.Cause(held), ErrLost) && ctx.Err() == nil {
		log.WarnContext(ctx, "lease lost; granting another")
	}
	cancel(context.Canceled)
	<-watched
}

// backoff is the pause before the next try.
type backoff struct{ next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// report logs the first fault of a row of tries.
func (b *backoff) report(ctx context.Context, log *slog.Logger, step string, err error) {
	if b.next == 0 && ctx.Err() == nil {
		log.WarnContext(ctx, "coordination failed; trying again", "step", step, "error", err)
	}
}

func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(2*b.next, firstPause), lastPause)
	timer := time.NewTimer(b.next/2 + rand.N(b.next)) //nolint:gosec // jitter, not a secret
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
