package aggregator

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// guard ends the connection of a peer that does not take what is sent to it.
type guard struct {
	limit time.Duration
	timer *time.Timer
}

func newGuard(ctx context.Context, limit time.Duration) *guard {
	g := &guard{limit: limit, timer: time.AfterFunc(limit, aborter(ctx))}
	g.timer.Stop()
	return g
}

// during runs one send or receive within the limit. Past it the connection is
// closed, which ends the call.
func (g *guard) during(do func() error) error {
	g.timer.Reset(g.limit)
	defer g.timer.Stop()
	return do()
}

// ended takes a stream that its peer has ended for what it is: no fault.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// verdict is why something is over. The first word counts.
type verdict struct {
	once  sync.Once
	over  chan struct{} // closed when it is over
	cause error         // set before over is closed
}

func newVerdict() verdict { return verdict{over: make(chan struct{})} }

// end says why; nil: its peer has ended it. It is safe for concurrent use.
func (v *verdict) end(cause error) {
	v.once.Do(func() {
		v.cause = cause
		close(v.over)
	})
}
