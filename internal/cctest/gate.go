package cctest

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/coord"
	coordmemory "github.com/ccs-project/ccs/pkg/state/coord/memory"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// gate is a process's way to etcd and to the store. When the process dies it is
// shut: what the process still wants to write does not arrive, and its leases
// run out by themselves.
type gate struct {
	hub     *coordmemory.Hub
	meddler *meddler

	mu       sync.Mutex // protects what follows
	shut     bool
	sessions map[*session]time.Duration // by their TTL
}

var _ coord.Client = (*gate)(nil)

func newGate(hub *coordmemory.Hub, m *meddler) *gate {
	return &gate{hub: hub, meddler: m, sessions: map[*session]time.Duration{}}
}

// close shuts the gate as a death does.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return
	}
	g.shut = true
	for s, ttl := range g.sessions {
		time.AfterFunc(ttl, func() { g.hub.Expire(s.Session) })
	}
}

func (g *gate) check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return fmt.Errorf("the process is dead: %w", coord.ErrAway)
	}
	return nil
}

func (g *gate) Grant(ctx context.Context, ttl time.Duration) (coord.Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return nil, coord.ErrAway
	}
	inner, err := g.hub.Grant(ctx, ttl)
	if err != nil {
		return nil, err
	}
	s := &session{Session: inner, gate: g}
	g.sessions[s] = max(ttl, coord.MinTTL)
	return s, nil
}

func (g *gate) Put(ctx context.Context, key string, value []byte) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.hub.Put(ctx, key, value)
}

func (g *gate) Delete(ctx context.Context, key string) error {
	if err := g.check(); err != nil {
		return err
	}
	return g.hub.Delete(ctx, key)
}

func (g *gate) Get(ctx context.Context, prefix string) (coord.View, error) {
	if err := g.check(); err != nil {
		return coord.View{}, err
	}
	return g.hub.Get(ctx, prefix)
}

func (g *gate) Watch(ctx context.Context, prefix string, see func(coord.View)) error {
	seen := func(v coord.View) {
		if g.check() == nil {
			see(v)
		}
	}
	return g.meddler.watch(ctx, seen, func(ctx context.Context, see func(coord.View)) error { return g.hub.Watch(ctx, prefix, see) })
}

// session is a lease of the process.
type session struct {
	coord.Session
	gate *gate
}

func (s *session) Acquire(ctx context.Context, key, value string) (bool, error) {
	if err := s.gate.check(); err != nil {
		return false, err
	}
	return s.Session.Acquire(ctx, key, value)
}

func (s *session) Put(ctx context.Context, key string, value []byte) error {
	if err := s.gate.check(); err != nil {
		return err
	}
	return s.Session.Put(ctx, key, value)
}

func (s *session) Release(ctx context.Context, key string) error {
	if err := s.gate.check(); err != nil {
		return err
	}
	return s.Session.Release(ctx, key)
}

func (s *session) Close(ctx context.Context) error {
	if err := s.gate.check(); err != nil {
		return err
	}
	return s.Session.Close(ctx)
}

// gatedJanitor is the store as who sweeps it from one process.
type gatedJanitor struct {
	store.Janitor
	gate *gate
}

func (j gatedJanitor) Sweep(ctx context.Context, s store.Sweep) (store.Swept, error) {
	if j.gate.check() != nil {
		return store.Swept{}, fmt.Errorf("the process is dead: %w", store.ErrUnavailable)
	}
	return j.Janitor.Sweep(ctx, s)
}

// gatedStore is the store as one scheduler process sees it.
type gatedStore struct {
	store.Store
	gate   *gate
	tamper *func(*store.Record) // what somebody who has the store makes of a job; nil: nobody has
}

func (s gatedStore) check() error {
	if s.gate.check() != nil {
		return fmt.Errorf("the process is dead: %w", store.ErrUnavailable)
	}
	return nil
}

func (s gatedStore) Claim(ctx context.Context, shard job.ShardID, owner string) (job.Epoch, error) {
	if err := s.check(); err != nil {
		return job.Epoch{}, err
	}
	return s.Store.Claim(ctx, shard, owner)
}

func (s gatedStore) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Store.Commit(ctx, batches)
}

func (s gatedStore) LoadShard(ctx context.Context, shard job.ShardID) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range s.Store.LoadShard(ctx, shard) {
			if tamper := *s.tamper; tamper != nil && err == nil {
				tamper(&r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// expire ends all leases of the process, as if etcd had not heard of it for too
// long.
func (g *gate) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.sessions {
		g.hub.Expire(s.Session)
	}
	clear(g.sessions)
}
