package charge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// Paces of a keeper.
const (
	// LeaseTTL is how long etcd keeps what a process held that has died.
	LeaseTTL     = 3 * time.Second
	lookAgain    = time.Second            // if nothing changes
	calmFor      = 3 * time.Second        // of a new session, after one was lost: others come back as well, within coord's longest pause (1.5 s) and a call to etcd
	restartPause = 500 * time.Millisecond // of what ended by itself
)

// Charge is one thing that exactly one scheduler is to run.
type Charge struct {
	Key   string                          // in etcd
	Any   bool                            // any scheduler may have it, not only those of the pool
	Run   func(ctx context.Context) error // until ctx ends; it then ends in good order
	Prove func()                          // what runs is to find out whether it is still the only one; nil: it need not
	Label job.ShardID                     // for the log
}

// Keeper holds the keys of what this process should run, and runs it. Make it
// with [New].
type Keeper struct {
	coord   coord.Client
	log     *slog.Logger
	me      coord.Member
	charges []*charge
	wake    chan struct{} // takes one: look again
	known   chan struct{} // closed when the member has been announced
	told    bool          // known is closed; only the keeper's goroutine touches it
	calm    time.Time     // until then only what runs is acquired; likewise
	listed  atomic.Bool   // etcd shows this scheduler to others
	due     atomic.Pointer[due]

	mu      sync.Mutex
	members []coord.Member    // under mu: schedulers that are alive
	owner   map[string]string // under mu: scheduler by key
	seen    seen              // under mu
	atOdds  bool              // under mu: another scheduler counts the shards of the pool otherwise
}

// seen is what has been heard of etcd at all: nothing is decided before.
type seen struct{ members, shards, hosts bool }

// due is how many shards of its pool a scheduler should run, or why that is not
// known.
type due struct {
	shards int
	err    error
}

// charge is a Charge and what is done about it; only the keeper's goroutine
// touches it.
type charge struct {
	Charge
	held    bool // under the session that is open
	unsure  bool // it ended by itself: before it is started again etcd is asked whether it is held indeed
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has ended; nil: it does not run
	stopped bool          // it was told to end
	restart time.Time     // not earlier
}

// New returns a keeper for the scheduler me, which does nothing yet.
func New(c coord.Client, log *slog.Logger, me coord.Member, charges []Charge) *Keeper {
	k := &Keeper{
		coord: c, log: log, me: me, owner: map[string]string{},
		wake: make(chan struct{}, 1), known: make(chan struct{}),
	}
	for _, c := range charges {
		k.charges = append(k.charges, &charge{Charge: c})
	}
	k.due.Store(&due{err: errUnseen})
	return k
}

// Announced is closed when etcd has first been told that this scheduler lives.
func (k *Keeper) Announced() <-chan struct{} { return k.known }

// Registered reports whether etcd shows this scheduler to others now.
func (k *Keeper) Registered() bool { return k.listed.Load() }

// Run holds and runs what belongs here until ctx ends. Then it ends all that
// runs, waits for it, and gives back the keys.
func (k *Keeper) Run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var watches sync.WaitGroup
	for _, watch := range []func(context.Context) error{k.watchMembers, k.watchShards, k.watchHosts} {
		watches.Go(func() { k.watch(watching, watch) })
	}
	err := coord.Keep(ctx, k.coord, LeaseTTL, k.log, k.hold)
	k.endAll() // if there was no session to end them under
	stop()
	watches.Wait()
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is no fault
	}
	return err
}

// watch repeats a watch that ends by itself.
func (k *Keeper) watch(ctx context.Context, watch func(context.Context) error) {
	for {
		err := watch(ctx)
		if ctx.Err() != nil {
			return
		}
		k.log.ErrorContext(ctx, "watch of the coordination service ended; keeping what is known", "error", err)
		if errors.Is(err, coord.ErrWentBack) {
			return // an operator has to look
		}
		lifecycle.Pause(ctx, lookAgain)
	}
}

func (k *Keeper) watchMembers(ctx context.Context) error {
	return coord.WatchMembers(ctx, k.coord, coord.Scheduler, func(m coord.Members) {
		for _, fault := range m.Faults {
			k.log.WarnContext(ctx, "entry of a member cannot be read", "error", fault)
		}
		odd := slices.IndexFunc(m.Members, func(o coord.Member) bool { return o.Pool == k.me.Pool && o.Shards != k.me.Shards })
		if odd >= 0 {
			k.log.ErrorContext(ctx, "schedulers of this pool have different numbers of shards; nothing is taken or given up until they agree",
				"shards", k.me.Shards, "other", m.Members[odd].Name, "others_shards", m.Members[odd].Shards)
		}
		k.learn(ctx, m.Alarm, func() { k.members, k.seen.members, k.atOdds = m.Members, true, odd >= 0 })
	})
}

func (k *Keeper) watchShards(ctx context.Context) error {
	return coord.WatchOwners(ctx, k.coord, k.me.Pool, func(o coord.Owners) {
		k.learn(ctx, o.Alarm, func() {
			for _, c := range k.charges {
				if !c.Any {
					k.owner[c.Key] = o.Owner[uint32(c.Label.N)]
				}
			}
			k.seen.shards = true
		})
	})
}

func (k *Keeper) watchHosts(ctx context.Context) error {
	return coord.WatchHostTable(ctx, k.coord, func(owner string) {
		k.learn(ctx, nil, func() { k.owner[coord.HostTableKey], k.seen.hosts = owner, true })
	})
}

// learn takes what etcd says, unless it says that its history went back.
func (k *Keeper) learn(ctx context.Context, alarm error, take func()) {
	if alarm != nil {
		k.log.ErrorContext(ctx, "coordination went back in time; keeping what is known", "error", alarm)
		return
	}
	k.mu.Lock()
	take()
	k.due.Store(k.count())
	k.mu.Unlock()
	k.look()
}

// look makes the keeper look again.
func (k *Keeper) look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}
