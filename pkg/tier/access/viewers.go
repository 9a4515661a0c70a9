package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of what streams of users cost: of viewers, whose answer is one, and of
// submissions.
const (
	maxViewers    = 4000             // those of one user half of it
	viewerTimeout = 30 * time.Second // for one message to be taken
	viewerRetry   = time.Second      // for who was sent away
)

// Why a viewer has to come again.
var (
	errManyViewers = errors.New("too many streams are open at this replica of access, or by you; end some, or go to another one")
	errNotTaken    = fmt.Errorf("what was sent was not taken for %s; go on from what has come", viewerTimeout)
)

// viewers counts those of each user. It is safe for concurrent use.
type viewers struct {
	limit int

	mu  sync.Mutex // protects what follows
	all int
	by  map[string]int // by SPIFFE id
}

func newViewers(limit int) *viewers { return &viewers{limit: limit, by: map[string]int{}} }

// enter lets one in, who is to leave.
func (v *viewers) enter(user string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all >= v.limit || v.by[user] >= v.limit/2 {
		return false
	}
	v.all++
	v.by[user]++
	return true
}

func (v *viewers) leave(user string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all--
	if v.by[user]--; v.by[user] == 0 {
		delete(v.by, user)
	}
}

// view lets the caller's stream begin, or tells him to come again. The returned
// function must be called.
func (s *Server) view(ctx context.Context) (leave func(), err error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if !s.viewers.enter(who.GetSpiffeId()) {
		return nil, comeAgain(errManyViewers)
	}
	return func() { s.viewers.leave(who.GetSpiffeId()) }, nil
}

// deliver sends one message to a viewer. One who does not take it in time is
// sent away. The send itself ends with the call, which senders waits for.
func (s *Server) deliver(send func() error) error {
	sent := make(chan error, 1)
	s.senders.Go(func() { sent <- send() })
	patience := time.NewTimer(viewerTimeout)
	defer patience.Stop()
	select {
	case err := <-sent:
		return err
	case <-patience.C:
		return comeAgain(errNotTaken)
	}
}

func comeAgain(why error) error {
	return wire.StatusError(&wire.RetryAfter{After: viewerRetry, Err: fmt.Errorf("%w: %w", wire.ErrUnavailable, why)})
}
