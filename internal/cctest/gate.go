package cctest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
	coordmemory "github.com/ccs-project/ccs/pkg/state/coord/memory"
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
