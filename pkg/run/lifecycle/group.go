package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Part is one thing that a process runs. Every function may be nil.
type Part struct {
	// Name says what it is, in errors and logs.
	Name string
	// Start makes it ready and returns. What it leaves running belongs to Stop.
	Start func(ctx context.Context) error
	// Run works until its context ends, in a goroutine that the group waits
	// for. If it returns earlier, with an error or without, the group fails.
	Run func(ctx context.Context) error
	// Stop ends it in good order while Run still runs; ctx ends with the budget.
	// Afterwards the context of Run ends.
	Stop func(ctx context.Context) error
}

// Errors of a group.
var (
	// ErrEnded says that a part ended by itself, without an error.
	ErrEnded = errors.New("it ended by itself")
	// ErrBudget says that a part did not stop within the budget; it was left
	// behind.
	ErrBudget = errors.New("it did not stop in time")
	// ErrStopped says that the group was stopped before it had started.
	ErrStopped = errors.New("stopped before it was started")
)

// Group is the parts of a process. Make it with [New]. It is used once; all
// methods are safe for concurrent use.
type Group struct {
	log    *slog.Logger
	budget time.Duration
	parts  []Part

	failed  chan struct{} // closed at the first failure
	stopped chan struct{} // closed when all has stopped

	mu      sync.Mutex
	cause   error                   // guarded by mu: the first failure
	running []*running              // guarded by mu: started, in order
	closing bool                    // guarded by mu: nothing is started any more
	result  error                   // guarded by mu: of stopping
	abort   context.CancelCauseFunc // guarded by mu: ends starting; nil before Start

	starts sync.WaitGroup // Start functions that run
}

// running is a part that was started.
type running struct {
	Part
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when Run has returned
}

// New returns a group that stops within budget, all parts together.
func New(log *slog.Logger, budget time.Duration, parts ...Part) *Group {
	return &Group{log: log, budget: budget, parts: parts, failed: make(chan struct{}), stopped: make(chan struct{})}
}

// Run starts the group, waits until ctx ends or a part fails, and stops it. It
// returns the first failure, and what went wrong while stopping; nil if ctx
// ended and all went well.
func (g *Group) Run(ctx context.Context) error {
	if err := g.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-g.failed:
	case <-g.stopped:
	}
	return g.Stop(ctx)
}

// Start starts the parts in order. If one fails, or ctx ends meanwhile, what
// was started is stopped again.
func (g *Group) Start(ctx context.Context) error {
	starting, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	g.mu.Lock()
	g.abort = abort
	g.mu.Unlock()
	for _, p := range g.parts {
		if err := g.start(starting, ctx, p); err != nil {
			g.fail(p.Name, "cannot start", err)
			return g.Stop(ctx)
		}
	}
	return nil
}

// start starts one part. The context of its Run outlives ctx: the order of
// stopping is the group's.
func (g *Group) start(starting, ctx context.Context, p Part) error {
	g.mu.Lock()
	if g.closing {
		g.mu.Unlock()
		return ErrStopped
	}
	g.starts.Add(1) // before closing is set, or not at all
	g.mu.Unlock()
	defer g.starts.Done()
	if err := context.Cause(starting); err != nil {
		return err
	}
	if p.Start != nil {
		if err := p.Start(starting); err != nil {
			return err
		}
	}
	running := &running{Part: p, done: make(chan struct{})}
	var working context.Context
	working, running.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	g.mu.Lock()
	g.running = append(g.running, running)
	g.mu.Unlock()
	go g.work(working, running)
	return nil
}

// work runs a part until it ends.
func (g *Group) work(ctx context.Context, r *running) {
	defer close(r.done)
	if r.Run == nil {
		<-ctx.Done()
		return
	}
	err := r.Run(ctx)
	switch {
	case ctx.Err() != nil && (err == nil || errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled)):
	case err == nil && g.isClosing(): // its Stop ended it
	case err == nil:
		g.fail(r.Name, "failed", ErrEnded)
	default:
		g.fail(r.Name, "failed", err)
	}
}

func (g *Group) isClosing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closing
}

func (g *Group) fail(part, what string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == nil {
		g.cause = fmt.Errorf("%s %s: %w", part, what, err)
		close(g.failed)
		g.abortStart(g.cause)
	}
}

// abortStart ends a Start that is under way. The caller holds mu.
func (g *Group) abortStart(cause error) {
	if g.abort != nil {
		g.abort(cause)
	}
}

// Failed is closed when a part has failed; [Group.Stop] tells the cause.
func (g *Group) Failed() <-chan struct{} { return g.failed }

// Stop stops the parts in reverse order, within the budget, and returns what
// Run does. It may be called at any time, again, and by several at once: all
// wait for the one end and get the same answer. The end of ctx does not hurry
// it; the budget does.
func (g *Group) Stop(ctx context.Context) error {
	g.mu.Lock()
	first := !g.closing
	g.closing = true
	g.abortStart(ErrStopped)
	g.mu.Unlock()
	if !first {
		<-g.stopped
	} else {
		g.stop(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.cause, g.result)
}

func (g *Group) stop(ctx context.Context) {
	defer close(g.stopped)
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), g.budget, ErrBudget)
	defer cancel()
	if err := within(ctx, g.starts.Wait); err != nil {
		g.complain(ctx, "the part that was being started", err)
	}
	g.mu.Lock()
	parts := g.running
	g.mu.Unlock()
	for _, part := range slices.Backward(parts) {
		if err := part.end(ctx); err != nil {
			g.complain(ctx, part.Name, err)
		}
	}
}

// complain keeps what went wrong while stopping.
func (g *Group) complain(ctx context.Context, part string, err error) {
	g.log.ErrorContext(ctx, "part did not stop well", "part", part, "error", err)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.result = errors.Join(g.result, fmt.Errorf("cannot stop %s: %w", part, err))
}

// errEnd is why the context of a Run ends.
var errEnd = errors.New("the process stops")

// end ends one part and waits for its goroutine as long as the budget lasts.
func (r *running) end(ctx context.Context) error {
	var stopErr, late error
	if r.Stop != nil {
		late = within(ctx, func() { stopErr = r.Stop(ctx) })
	}
	r.cancel(errEnd)
	if late != nil {
		return late // stopErr may still be written
	}
	return errors.Join(stopErr, within(ctx, func() { <-r.done }))
}

// within waits for f as long as the budget lasts. What does not end in time is
// left behind.
func within(ctx context.Context, f func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done: // both: it has ended
		return nil
	default:
		return ErrBudget
	}
}
