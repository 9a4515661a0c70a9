package scheduler

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

// Reasons not to be ready.
var (
	errUnread    = errors.New("the host table has not been read yet")
	errNotBegun  = errors.New("it does not know yet what it should own: it has not asked etcd")
	errNoClasses = errors.New("it does not know yet which pool serves which class: etcd has not told")
)

// Check says why this scheduler is of no use now; nil: it is. It is an
// [obs.Check]. That etcd is away is no reason: an owner goes on.
func (s *Scheduler) Check() error {
	if s.draining.Load() {
		return obs.ErrDraining
	}
	return cmp.Or(s.checkStore(), s.checkMap())
}

// checkStore tells reading from writing: a store that is full can still be read.
func (s *Scheduler) checkStore() error {
	if unread := s.unread.Load(); unread != nil {
		return fmt.Errorf("the store cannot be read: %w", *unread)
	}
	if err := s.writer.Fault(); err != nil {
		return fmt.Errorf("the store cannot be written to: %w", err)
	}
	return nil
}

// checkMap asks whether it knows what it should own, and owns any of it.
func (s *Scheduler) checkMap() error {
	keeper := s.keeper.Load()
	if keeper == nil {
		return errNotBegun
	}
	due, err := keeper.Due()
	if err != nil {
		return fmt.Errorf("it does not know what it should own: %w", err)
	}
	select {
	case <-s.classes.known:
	default:
		return errNoClasses
	}
	if due > 0 && s.serves.Load() == 0 {
		return fmt.Errorf("it owns none of the %d shards that it should", due)
	}
	return nil
}
