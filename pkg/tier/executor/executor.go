package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/host/cgroup"
	"github.com/ccs-project/ccs/pkg/host/proc"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

// lookAgainEvery is the slow pull: an end-process rings a bell when there is
// news, and a ring may be lost.
const lookAgainEvery = 15 * time.Second

// errStopping answers calls that come while the executor stops.
var errStopping = fmt.Errorf("%w: the executor stops; the same again later will work", wire.ErrUnavailable)

// Deps is what an executor is given by its process.
type Deps struct {
	Log     *slog.Logger
	Version string // of the binary, for who asks
	// Telemetry is told of starts and outcomes; the zero value is nobody.
	Telemetry obs.Telemetry
}

// Executor runs commands. Make it with Open, then Run it. Its service may be
// called from any goroutine.
type Executor struct {
	cfg     Config
	version string
	log     *slog.Logger
	root    *spool.Root
	boot    string
	orphans *orphans
	tracer  trace.Tracer
	meters  *meters
	phase   atomic.Int32
	barred  atomic.Int64 // len(foreign)

	groupsAt    cgroup.Place // where commands have their cgroups
	groupLimits []string     // the limits that those hold

	calls   chan func(ctx context.Context) // run by the loop, one at a time
	stopped chan struct{}                  // closed when the loop takes no more calls
	work    sync.WaitGroup                 // everything that runs beside the loop
	viewing chan struct{}                  // one token for each output that is followed
	disk    chan struct{}                  // one token for each who may block now
	numbers sync.Mutex                     // held while session numbers are reserved
	hangUp  chan struct{}                  // closed: streams that never end by themselves are to end
	hang    sync.Once

	// Owned by the loop.
	commands   map[string]*command
	tombs      tombs
	room       room
	watermark  time.Time // W
	serverTime time.Time // the greatest that a caller told
	purging    bool
	groups     map[string]*group
	running    int // in all groups
	watchers   map[*watcher]struct{}
	foreign    map[proc.Identity]struct{} // end-processes of an earlier incarnation that live
}

// Open takes the state directory and reads what is in it. It starts nothing
// yet. The error names a second executor on the same directory.
func Open(cfg Config, d Deps) (*Executor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	boot, err := proc.BootID()
	if err != nil {
		return nil, fmt.Errorf("cannot read this boot's id: %w", err)
	}
	root, err := spool.Open(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	e := &Executor{
		cfg: cfg, version: d.Version, log: d.Log, root: root, boot: boot, orphans: newOrphans(),
		tracer: d.Telemetry.Tracer(), meters: newMeters(d.Telemetry),
		calls: make(chan func(context.Context)), stopped: make(chan struct{}), disk: make(chan struct{}, diskWorkers),
		viewing: make(chan struct{}, maxViewers), hangUp: make(chan struct{}),
		commands: map[string]*command{}, tombs: newTombs(), room: room{limit: uint64(cfg.SpoolBytes)},
		groups: map[string]*group{}, watchers: map[*watcher]struct{}{},
	}
	err = e.load(time.Now())
	if err == nil {
		err = e.findForeign()
	}
	if err == nil {
		e.findGroups()
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("cannot read the state directory %s: %w", cfg.StateDir, err)
	}
	return e, nil
}

// Run is the loop. It returns when the context is done and everything that ran
// beside it has ended; end-processes go on. Call it once.
func (e *Executor) Run(ctx context.Context) error {
	defer e.root.Close()
	if err := proc.BecomeSubreaper(); err != nil {
		close(e.stopped)
		return fmt.Errorf("cannot become a subreaper: %w", err)
	}
	makeThreads(spareThreads)
	bell, err := e.root.OpenBell()
	if err != nil {
		close(e.stopped)
		return fmt.Errorf("cannot open the bell: %w", err)
	}
	e.work.Go(func() { e.listen(bell) })
	e.waitForForeign(ctx)
	e.adoptAll(ctx)
	e.sweep()
	e.phase.CompareAndSwap(opened, serving)
	e.loop(ctx)
	e.phase.Store(stopping)
	close(e.stopped)
	err = bell.Close()
	e.work.Wait()
	return err
}

// HangUp ends the streams of Watch, so that a server can stop in good order. It
// may be called again, from any goroutine.
func (e *Executor) HangUp() {
	e.phase.Store(stopping)
	e.hang.Do(func() { close(e.hangUp) })
}

func (e *Executor) loop(ctx context.Context) {
	again, sweep := time.NewTicker(lookAgainEvery), time.NewTicker(sweepEvery)
	defer again.Stop()
	defer sweep.Stop()
	for {
		select {
		case call := <-e.calls:
			call(ctx)
		case <-again.C:
			e.lookAgain()
		case <-sweep.C:
			e.sweep()
		case <-ctx.Done():
			return
		}
	}
}

// lookAgain is the slow pull over everything that is not settled.
func (e *Executor) lookAgain() {
	e.work.Go(e.orphans.reap)
	now := time.Now()
	for _, c := range e.commands {
		waits := c.queued && (c.startBy.IsZero() || now.Before(c.startBy))
		if !c.report.State.Final() && !c.busy && !waits {
			e.look(c)
		}
	}
	e.purge(now)
}

// post brings a call into the loop from beside it. It is dropped if the loop
// has ended: the disk says it all to the next executor.
func (e *Executor) post(call func(ctx context.Context)) {
	select {
	case e.calls <- call:
	case <-e.stopped:
	}
}

// ask runs a call in the loop and waits until answer was called.
func ask[T any](ctx context.Context, e *Executor, call func(ctx context.Context, answer func(T, error))) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	var none T
	wrapped := func(loop context.Context) {
		call(loop, func(value T, err error) { done <- result{value, err} })
	}
	select {
	case e.calls <- wrapped:
	case <-e.stopped:
		return none, errStopping
	case <-ctx.Done():
		return none, ctx.Err()
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-e.stopped:
		return none, errStopping
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// writeFault says what a failed write means to the caller: nothing was
// promised, and the same call may be made again.
func writeFault(what, id string, err error) error {
	kind := wire.ErrUnavailable
	if noRoom(err) {
		kind = wire.ErrTooMuch
	}
	return fmt.Errorf("%w: cannot %s of command %q on this host's disk: %w; nothing was done, ask again later", kind, what, id, err)
}

// errShutdown stops what waits beside the loop.
var errShutdown = errors.New("the executor stops")
