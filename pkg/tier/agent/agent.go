package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/trust/policy"
)

// Deps is what an agent is given by its process.
type Deps struct {
	Log *slog.Logger
	// Telemetry is told of verdicts and of the session; the zero value is nobody.
	Telemetry obs.Telemetry
	Executor  Executor
	State     State
	// Operator is the key that signs bundles.
	Operator ed25519.PublicKey
	// Enrol returns what the host is known by, and gets it if there is none yet.
	// It is called again, with pauses, until it succeeds.
	Enrol func(ctx context.Context, incarnation fleet.Incarnation) (Credential, error)
	// Frozen is asked for every command that would start something; nil: this
	// host is never frozen. It is called in the loop and must not block.
	Frozen func() (spool.Freeze, error)
	// Facts is what the host says of itself, without the prefix `fact.`.
	Facts map[string]string
	// Dial reaches an aggregator; nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Credential is what a host is known by.
type Credential struct {
	TLS *tls.Config        // shows the host's certificate, and admits aggregators alone
	Key ed25519.PrivateKey // that of the certificate; it signs results
	// NotAfter is when the certificate expires, for who watches over it; it does
	// not block. Nil: that is not known.
	NotAfter func() time.Time
}

// Agent is one host's agent. Make it with New and run it once.
type Agent struct {
	cfg   Config
	host  fleet.HostID
	deps  Deps
	log   *slog.Logger
	ready chan struct{} // closed at the first session

	tracer trace.Tracer
	meters meters
	shown  shown

	calls   chan func(context.Context) // run by the loop, one at a time
	stopped chan struct{}              // closed when the loop takes no more calls
	work    sync.WaitGroup             // everything that runs beside the loop
	disk    chan struct{}              // one token for each goroutine in the file system

	// The loop alone touches what follows.
	incarnation fleet.Incarnation // zero: not known yet
	numbers     numbers
	bundle      policy.Bundle
	credential  *Credential       // nil: not enrolled yet
	heard       time.Time         // the last time that came from above
	heardTold   time.Time         // when the executor was last told it
	away        bool              // the executor cannot be reached
	snapshot    bool              // all that the executor knows has been seen
	learnt      map[string]string // facts that the executor tells; nil: it has not said anything yet

	tasks   map[job.ID]*entry
	outbox  *link.Outbox[job.ID] // reports
	held    heldBack             // reports that cannot go yet
	live    map[job.ID]struct{}  // accepted and not ended
	digest  []byte               // of live; nil: it has changed
	retries map[job.ID]struct{}  // tasks whose retryAt is set
	cached  int                  // tasks in the cache that the executor does not have

	dialer    dialer
	session   *session  // nil: there is none
	linkNoted time.Time // when the last word of it was written down
	sessions  uint64    // opened in this process
	wake      *time.Timer
}

// diskWorkers is how many copies are written side by side.
const diskWorkers = 2

// New returns an agent that does nothing yet.
func New(cfg Config, d Deps) (*Agent, error) {
	host, err := fleet.ParseHostID(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("host %q: %w", cfg.Host, err)
	}
	if len(cfg.Aggregators) == 0 {
		return nil, errNoAggregators
	}
	a := &Agent{
		cfg: cfg, host: host, deps: d, log: d.Log.With(slog.String("host", string(host))),
		tracer: d.Telemetry.Tracer(), meters: newMeters(d.Telemetry),
		ready: make(chan struct{}), calls: make(chan func(context.Context)), stopped: make(chan struct{}), disk: make(chan struct{}, diskWorkers),
		tasks: map[job.ID]*entry{}, outbox: link.NewOutbox[job.ID](), held: newHeldBack(),
		live: map[job.ID]struct{}{}, retries: map[job.ID]struct{}{},
		dialer: newDialer(cfg.Aggregators),
	}
	a.shown.gauges(d.Telemetry)
	return a, nil
}

// Ready is closed when an aggregator has welcomed the host for the first time.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Run works until ctx ends. It returns an error only if what the agent keeps
// cannot be read.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.recall(ctx); err != nil {
		close(a.stopped)
		return err
	}
	a.noteLink(ctx, time.Now()) // that of an agent before is over
	ctx, cancel := context.WithCancelCause(ctx)
	a.work.Go(func() { a.follow(ctx) })
	a.loop(ctx)
	a.shown.stopping.Store(true)
	cancel(errStopping)
	close(a.stopped)
	a.work.Wait()
	return nil
}

var errStopping = errors.New("the agent stops")

// loop owns the state. After every event it does what has become due.
func (a *Agent) loop(ctx context.Context) {
	a.wake = time.NewTimer(0)
	defer a.wake.Stop()
	for _, e := range a.tasks { // from the cache
		a.drive(ctx, e)
	}
	for {
		select {
		case call := <-a.calls:
			call(ctx)
		case <-a.wake.C:
			a.tick(ctx, time.Now())
		case <-ctx.Done():
			return
		}
		now := time.Now()
		a.advance(ctx, now)
		a.flush(ctx, now)
		a.rearm(now)
		a.show()
	}
}

// post brings a call into the loop from beside it. It is dropped if the loop
// has ended: what matters is on a disk, or comes again.
func (a *Agent) post(call func(context.Context)) {
	select {
	case a.calls <- call:
	case <-a.stopped:
	}
}

// tick does what time alone makes due.
func (a *Agent) tick(ctx context.Context, now time.Time) {
	for id := range a.retries {
		switch e := a.tasks[id]; {
		case e == nil:
			delete(a.retries, id)
		case !e.retryAt.After(now):
			a.retry(ctx, e)
		}
	}
	if s := a.session; s != nil && !now.Before(s.silentAt()) {
		s.stop(errSilent)
	}
	a.tellTime(ctx, now)
}

// retryLater puts the next try of a task off.
func (a *Agent) retryLater(e *entry) {
	e.failures++
	e.retryAt = time.Now().Add(taskRetry.Delay(e.failures, rand.Float64())) //nolint:gosec // jitter needs no secret randomness
	a.retries[e.id] = struct{}{}
}

// retry goes on with a task, whatever it was that failed.
func (a *Agent) retry(ctx context.Context, e *entry) {
	e.retryAt = time.Time{}
	delete(a.retries, e.id)
	a.drive(ctx, e)
	if a.held.gathers(e.id) {
		a.say(e)
	}
}

// rearm sets the one timer to the next moment at which anything is due.
func (a *Agent) rearm(now time.Time) {
	next := time.Time{}
	at := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	switch s := a.session; {
	case s != nil && s.stopping: // its end is an event
	case s != nil && s.sending:
		at(s.silentAt())
	case s != nil:
		at(s.beatAt)
	case a.dialer.at.After(now):
		at(a.dialer.at)
	}
	for id := range a.retries {
		if e := a.tasks[id]; e != nil {
			at(e.retryAt)
		}
	}
	if next.IsZero() {
		a.wake.Stop()
		return
	}
	a.wake.Reset(max(0, next.Sub(now)))
}
