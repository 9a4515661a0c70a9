package access

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// routes is the cached map of who serves what, as etcd says. When etcd is away
// what is known holds on.
type routes struct {
	ready chan struct{} // closed when schedulers and classes have been seen

	mu      sync.Mutex // protects what follows
	members []coord.Member
	pool    map[string]string            // by class
	owner   map[string]map[uint32]string // name of the scheduler by pool and shard
	changed chan struct{}                // closed and replaced with every change
	seen    bool                         // ready is closed
}

func newRoutes() *routes {
	return &routes{
		ready: make(chan struct{}), changed: make(chan struct{}),
		pool: map[string]string{}, owner: map[string]map[uint32]string{},
	}
}

// watch keeps the map until ctx ends, and tells who is left of the schedulers.
func (r *routes) watch(ctx context.Context, c coord.Client, log *slog.Logger, left func([]coord.Member)) error {
	group, ctx := errgroup.WithContext(ctx)
	watched := map[string]bool{} // pools; only the members' watch touches it
	group.Go(func() error {
		return coord.WatchMembers(ctx, c, coord.Scheduler, func(m coord.Members) {
			report(ctx, log, m.Alarm, m.Faults...)
			r.setMembers(m.Members)
			left(m.Members)
			for _, member := range m.Members {
				if pool := member.Pool; !watched[pool] {
					watched[pool] = true
					group.Go(func() error { return r.watchPool(ctx, c, log, pool) })
				}
			}
		})
	})
	group.Go(func() error {
		return coord.WatchClasses(ctx, c, func(classes coord.Classes) {
			report(ctx, log, classes.Alarm)
			r.setClasses(classes.Pool)
		})
	})
	return group.Wait()
}

func (r *routes) watchPool(ctx context.Context, c coord.Client, log *slog.Logger, pool string) error {
	return coord.WatchOwners(ctx, c, pool, func(o coord.Owners) {
		report(ctx, log, o.Alarm)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.owner[pool] = o.Owner
		r.tell()
	})
}

func report(ctx context.Context, log *slog.Logger, alarm error, faults ...error) {
	if alarm != nil {
		log.ErrorContext(ctx, "coordination went back in time; keeping the routes that are known", "error", alarm)
	}
	for _, f := range faults {
		log.WarnContext(ctx, "entry of a member cannot be read", "error", f)
	}
}

func (r *routes) setMembers(members []coord.Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members = members
	r.look()
	r.tell()
}

func (r *routes) setClasses(pool map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pool = pool
	r.look()
	r.tell()
}

// look closes ready when both parts are there. The caller holds mu.
func (r *routes) look() {
	if !r.seen && len(r.members) > 0 && len(r.pool) > 0 {
		r.seen = true
		close(r.ready)
	}
}

// tell wakes whoever waits for a change. The caller holds mu.
func (r *routes) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// poolOf is the pool that serves a class, and the classes that there are.
func (r *routes) poolOf(class string) (pool string, known map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pool[class], r.pool
}

// everyPool is the schedulers of each pool that serves a class; nil: it is not
// known yet.
func (r *routes) everyPool() map[string][]coord.Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pool) == 0 {
		return nil
	}
	pools := map[string][]coord.Member{}
	for _, pool := range r.pool {
		pools[pool] = nil
	}
	for _, m := range r.members {
		if _, serves := pools[m.Pool]; serves {
			pools[m.Pool] = append(pools[m.Pool], m)
		}
	}
	return pools
}

// ownerOf is the scheduler that should own a job's shard, and a channel that is
// closed when the map changes.
func (r *routes) ownerOf(pool string, id job.ID) (m coord.Member, ok bool, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, member := range r.members {
		if member.Pool != pool {
			continue
		}
		n := job.ShardOf(id, uint16(member.Shards))
		if member.Name == r.owner[pool][uint32(n)] {
			return member, true, r.changed
		}
	}
	return coord.Member{}, false, r.changed
}

// any is all schedulers in random order: each can answer.
func (r *routes) any() (members []coord.Member, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	members = append(members, r.members...)
	rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] }) //nolint:gosec // spreads the load; nobody gains by guessing it
	return members, r.changed
}
