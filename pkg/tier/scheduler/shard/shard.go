package shard

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// Errors of a shard.
var (
	// ErrNotOwner: this process does not own the shard, or does not any more.
	// What was asked may have been done if it had begun.
	ErrNotOwner = errors.New("this scheduler does not own the shard")
	// ErrNoJob: the shard has no such job.
	ErrNoJob = errors.New("there is no such job")
	// ErrOtherBody: the id is taken by another body.
	ErrOtherBody = errors.New("a job of another body has this id: make a new id for a new job")
	// ErrFull: the shard holds as many live jobs as it may.
	ErrFull = errors.New("the shard is full")
	// ErrUsed: the id was that of a job that retention has removed.
	ErrUsed = errors.New("an id is used once: make a new one for a new job")
)

// Store is what a shard needs of the store besides commits.
type Store interface {
	Claim(ctx context.Context, shard job.ShardID, owner string) (job.Epoch, error)
	LoadShard(ctx context.Context, shard job.ShardID) iter.Seq2[store.Record, error]
	LoadJob(ctx context.Context, id job.ID) (store.Record, error)
	GetJob(ctx context.Context, id job.ID) (store.Job, error)
}

// Committer writes batches in groups.
type Committer interface {
	Commit(ctx context.Context, b store.Batch) (store.Result, error)
}

// Hosts says where hosts are.
type Hosts interface {
	Event(target job.Target, now time.Time) (job.Event, bool)
	Events(targets *job.Targets, now time.Time, tell func(job.Event))
	Route(targets *job.Targets, s job.Send) map[fleet.Via]*job.Send
	Via(host fleet.HostID) (fleet.Via, bool)
}

// Deps is what a shard is given.
type Deps struct {
	Log    *slog.Logger
	Store  Store
	Commit Committer
	Hosts  Hosts
	// Send queues what is owed to the hosts of one aggregator. It does not block.
	Send func(via fleet.Via, p *mesh.Payload, s job.Send, traces mesh.Traces)
	// Forget queues the word that a host may forget a job that retention has
	// removed. It does not block.
	Forget func(via fleet.Via, id job.ID, host fleet.HostID)
	// Serving is told when the shard begins and ends to serve under an epoch.
	Serving func(shard job.ShardID, epoch job.Epoch, serving bool)
	// InHand holds one token while a shard has a suspect in hand. All shards of a
	// process share it (made with a capacity of 1): the process may die of what one
	// of them does, and what another had in hand then would be held against it. Nil:
	// the shard is alone.
	InHand chan struct{}
	// Telemetry is told what becomes of jobs and tasks.
	Telemetry obs.Telemetry
	// TraceTasks is how many tasks of a job get spans, if its trace is sampled.
	TraceTasks int
}

// Bounds of a shard.
const (
	maxLive      = 20_000           // live jobs
	maxDone      = 256              // jobs that are done and still in memory
	keepDone     = 60 * time.Second // in memory, after nobody has asked for it
	stayDone     = 10 * time.Minute // in memory, whoever asks: the store may have removed it
	maxUnknown   = 1024             // ids of jobs that are not in the store
	maxPurged    = 4096             // ids of jobs that retention has removed, and of which hosts speak
	queueLen     = 128              // events that wait
	roundEvents  = 512              // taken before what is owed is written
	roundReports = 8192             // likewise
	roundBytes   = 16 << 20         // of outputs, likewise
	reloadPause  = time.Second      // after a fault of the shard itself
	// proveEvery is after how long without a write an empty batch is written.
	// Only by writing an owner learns that it is fenced: with nothing to write it
	// would go on for ever under a store that was restored under it.
	proveEvery = 30 * time.Second
)

// Shard is one shard of this process. Its methods are safe for concurrent use;
// those that ask something wait for the shard's goroutine. Make it with [New].
type Shard struct {
	id    job.ShardID
	owner string
	deps  Deps
	live  atomic.Int64 // live jobs in memory
	late  atomic.Int64 // jobs in memory that are done and have UNKNOWN tasks
	// inFlight is their tasks that are released and not settled.
	inFlight atomic.Int64

	now   atomic.Pointer[tenure] // that serves; nil: none
	prove chan struct{}          // takes one: prove that it is owned

	// Only Run touches these.
	crashes   map[job.ID]int    // how often a job has crashed it
	unwritten map[job.ID]string // the last crash of a job that is not durable yet
	last      job.Epoch         // of the tenure before
	left      *suspect          // that it had in hand at its end; nil: none
	calm      bool              // that was of this process, and nobody owned the shard since

	step   stepper
	meter  meter // only Run touches it
	tracer trace.Tracer
}

// stepper is how a machine is stepped; tests make it fail.
type stepper func(m *job.Machine, now time.Time, ev job.Event) error

// New returns a shard that is not owned yet; owner is the scheduler's name.
func New(id job.ShardID, owner string, d Deps) *Shard {
	return &Shard{
		id: id, owner: owner, deps: d, crashes: map[job.ID]int{}, unwritten: map[job.ID]string{}, prove: make(chan struct{}, 1),
		step:  func(m *job.Machine, now time.Time, ev job.Event) error { return m.Step(now, ev) },
		meter: newMeter(d.Telemetry), tracer: d.Telemetry.Tracer(),
	}
}

// Load is how many jobs are live and how many of their tasks are released and
// not settled; both are 0 where the shard is not served. It does not block.
func (s *Shard) Load() (jobs, tasks int64) {
	if s.now.Load() == nil {
		return 0, 0
	}
	return s.live.Load(), s.inFlight.Load()
}

// Prove makes the shard ask the store soon whether it is still owned, where else
// an owner with nothing to write asks every 30 s. It does not block.
func (s *Shard) Prove() {
	select {
	case s.prove <- struct{}{}:
	default:
	}
}

// ID is which shard it is.
func (s *Shard) ID() job.ShardID { return s.id }

// Run claims the shard, loads it and serves until ctx ends, having finished the
// commit that is under way, or until another owner has claimed it; then the
// error wraps store.ErrFenced. A job that makes it panic costs a reload; one
// that does so twice is quarantined.
func (s *Shard) Run(ctx context.Context) error {
	for {
		err := s.serveOnce(ctx)
		var crash *crashError
		switch {
		case errors.Is(err, store.ErrFenced) && !planted.Bug("a fenced owner claims again"):
			return err
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end of ctx is no fault
		case errors.As(err, &crash):
			s.noteCrash(crash)
			s.deps.Log.ErrorContext(ctx, "job crashed its shard; the shard is loaded again",
				"shard", s.id, "job", crash.job, "times", s.crashes[crash.job], "panic", crash.value, "stack", crash.stack)
		default:
			s.deps.Log.ErrorContext(ctx, "shard cannot go on; it is loaded again", "shard", s.id, "error", err)
			lifecycle.Pause(ctx, reloadPause)
		}
	}
}

// serveOnce is one claim, from its beginning to its end.
func (s *Shard) serveOnce(ctx context.Context) error {
	epoch, err := s.deps.Store.Claim(ctx, s.id, s.owner)
	if err != nil {
		return err
	}
	t := newTenure(s, epoch)
	s.calm = epoch.Generation == s.last.Generation && epoch.N == s.last.N+1
	s.last = epoch
	defer func() { s.left = t.putDown(ctx) }()
	if err := t.load(ctx); err != nil {
		return err
	}
	s.live.Store(int64(len(t.jobs)))
	s.late.Store(0)
	s.inFlight.Store(0) // counted when the jobs are concluded
	s.now.Store(t)      // from here on changes are queued: what is read next is older
	defer func() {
		s.now.Store(nil)
		close(t.ended)
		s.deps.Serving(s.id, epoch, false)
	}()
	t.meetHosts()
	if t.fault == nil {
		t.fault = t.settle(ctx)
	}
	if t.fault != nil {
		return t.fault
	}
	s.deps.Serving(s.id, epoch, true)
	s.deps.Log.InfoContext(ctx, "shard is owned", "shard", s.id, "generation", epoch.Generation, "epoch", epoch.N, "jobs", len(t.jobs))
	return t.serve(ctx)
}

// noteCrash keeps a crash until it is written with the job, and counts it for
// what is not live in the store.
func (s *Shard) noteCrash(c *crashError) {
	s.crashes[c.job]++
	s.unwritten[c.job] = fmt.Sprintf("it crashed its shard on scheduler %s at %s: %s", s.owner, time.Now().UTC().Format(time.RFC3339), c.value)
}

// post queues an event, and waits while the queue is full.
func (s *Shard) post(ctx context.Context, ev event) (*tenure, error) {
	t := s.now.Load()
	if t == nil {
		return nil, ErrNotOwner
	}
	select {
	case t.in <- ev:
		return t, nil
	case <-t.ended:
		return nil, ErrNotOwner
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// await waits for the answer to an event.
func await[T any](ctx context.Context, t *tenure, done <-chan T) (T, error) {
	var none T
	select {
	case got := <-done:
		return got, nil
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-t.ended:
	}
	select {
	case got := <-done: // it was answered before the end
		return got, nil
	default:
		return none, ErrNotOwner
	}
}
