package memory

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// session is a lease; the fields are guarded by its hub's mu.
type session struct {
	hub    *Hub
	ttl    time.Duration
	expiry *time.Timer   // of the lease, since the hub was away
	lost   chan struct{} //
	closed bool          // lost is closed
}

// close tells the owner. The caller holds the hub's mu.
func (s *session) close() {
	if !s.closed {
		s.closed = true
		close(s.lost)
	}
}

// reach says whether a call gets through. The caller holds the hub's mu.
func (s *session) reach(ctx context.Context) error {
	if s.closed {
		return coord.ErrLost
	}
	return s.hub.reach(ctx)
}

// Acquire takes key if nobody else holds it.
func (s *session) Acquire(ctx context.Context, key, value string) (bool, error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return false, fmt.Errorf("cannot acquire %s: %w", key, err)
	}
	there, held := s.hub.items[key]
	if held && string(there.value) != value {
		return false, nil
	}
	if there.lease != s {
		s.hub.set(key, item{value: []byte(value), lease: s})
	}
	return true, nil
}

// Put writes a key that goes with the session.
func (s *session) Put(ctx context.Context, key string, value []byte) error {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return fmt.Errorf("cannot put %s: %w", key, err)
	}
	s.hub.set(key, item{value: bytes.Clone(value), lease: s})
	return nil
}

// Release removes a key of this session.
func (s *session) Release(ctx context.Context, key string) error {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if err := s.reach(ctx); err != nil {
		return fmt.Errorf("cannot release %s: %w", key, err)
	}
	if s.hub.items[key].lease == s {
		s.hub.unset(key)
	}
	return nil
}

// Lost is closed when the session has ended.
func (s *session) Lost() <-chan struct{} { return s.lost }

// Close ends the session. While the hub is away its keys stay until the end of
// the TTL.
func (s *session) Close(ctx context.Context) error {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	err := s.reach(ctx)
	s.close()
	if !s.hub.away {
		s.hub.end(s)
	}
	if err != nil {
		return fmt.Errorf("cannot give back the lease: %w", err)
	}
	return nil
}
