package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// Hub is one coordination service; every process of a test shares it. Make it
// with [New]. It is safe for concurrent use.
type Hub struct {
	mu       sync.Mutex
	items    map[string]item       // guarded by mu
	sessions map[*session]struct{} // guarded by mu: whose lease runs
	revision int64                 // guarded by mu
	life     int                   // guarded by mu: how often it went back
	away     bool                  // guarded by mu
	changed  chan struct{}         // guarded by mu: closed at the next change of any of these
}

var _ coord.Client = (*Hub)(nil)

type item struct {
	value []byte
	lease *session // nil: the key stays
}

// New returns an empty service.
func New() *Hub {
	return &Hub{items: map[string]item{}, sessions: map[*session]struct{}{}, revision: 1, changed: make(chan struct{})}
}

// Away makes the service unreachable. Leases run out after their TTL.
func (h *Hub) Away() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return
	}
	h.away = true
	for s := range h.sessions {
		s.expiry = time.AfterFunc(s.ttl, func() { h.Expire(s) })
	}
	h.touch()
}

// Back makes the service reachable again.
func (h *Hub) Back() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = false
	for s := range h.sessions {
		if s.expiry != nil && !s.closed {
			s.expiry.Stop()
		}
	}
	h.touch()
}

// Expire ends a session's lease, as if its process had been cut off.
func (h *Hub) Expire(s coord.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if own, ok := s.(*session); ok {
		h.end(own)
	}
}

// Rewind empties the service and sets its revision back, as a restore from an
// old snapshot does.
func (h *Hub) Rewind() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		h.end(s)
	}
	clear(h.items)
	h.revision = 1
	h.life++
	h.touch()
}

// Grant opens a session.
func (h *Hub) Grant(ctx context.Context, ttl time.Duration) (coord.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.reach(ctx); err != nil {
		return nil, fmt.Errorf("cannot grant a lease: %w", err)
	}
	s := &session{hub: h, ttl: max(ttl, coord.MinTTL), lost: make(chan struct{})}
	h.sessions[s] = struct{}{}
	return s, nil
}

// Put writes a key that stays.
func (h *Hub) Put(ctx context.Context, key string, value []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.reach(ctx); err != nil {
		return fmt.Errorf("cannot put %s: %w", key, err)
	}
	h.set(key, item{value: bytes.Clone(value)})
	return nil
}

// Delete removes a key.
func (h *Hub) Delete(ctx context.Context, key string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.reach(ctx); err != nil {
		return fmt.Errorf("cannot delete %s: %w", key, err)
	}
	h.unset(key)
	return nil
}

// Get returns all keys that begin with prefix.
func (h *Hub) Get(ctx context.Context, prefix string) (coord.View, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.reach(ctx); err != nil {
		return coord.View{}, fmt.Errorf("cannot get %s: %w", prefix, err)
	}
	return h.view(prefix), nil
}

// Watch calls see with every state below prefix, until ctx ends.
func (h *Hub) Watch(ctx context.Context, prefix string, see func(coord.View)) error {
	var known coord.View
	life := -1
	for ctx.Err() == nil {
		h.mu.Lock()
		now, nowLife, away, changed := h.view(prefix), h.life, h.away, h.changed
		h.mu.Unlock()
		switch {
		case away:
		case life >= 0 && nowLife != life:
			known.Alarm = fmt.Errorf("%w: from revision %d to %d", coord.ErrWentBack, known.Revision, now.Revision)
			see(known)
			<-ctx.Done()
		case life < 0 || !maps.EqualFunc(now.Items, known.Items, bytes.Equal):
			life, known = nowLife, now
			see(now)
		default:
			known.Revision = now.Revision
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// reach says whether a call gets through. The caller holds mu, as for all that
// follows.
func (h *Hub) reach(ctx context.Context) error {
	if h.away {
		return coord.ErrAway
	}
	return context.Cause(ctx)
}

func (h *Hub) view(prefix string) coord.View {
	v := coord.View{Revision: h.revision, Items: map[string][]byte{}}
	for key, it := range h.items {
		if strings.HasPrefix(key, prefix) {
			v.Items[key] = it.value
		}
	}
	return v
}

func (h *Hub) set(key string, it item) {
	h.items[key] = it
	h.revision++
	h.touch()
}

func (h *Hub) unset(key string) {
	if _, there := h.items[key]; there {
		delete(h.items, key)
		h.revision++
		h.touch()
	}
}

func (h *Hub) touch() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// end ends a session and removes what is under its lease.
func (h *Hub) end(s *session) {
	if _, alive := h.sessions[s]; !alive {
		return
	}
	delete(h.sessions, s)
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.close()
	for key, it := range h.items {
		if it.lease == s {
			h.unset(key)
		}
	}
}
