package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/commit"
	"github.com/ccs-project/ccs/pkg/wire"
)

// readPatience is how long the poll of the host table may take before the store
// counts as one that does not answer.
const readPatience = 3 * time.Second

// Reasons not to be ready.
var (
	errUnread    = errors.New("the host table has not been read yet")
	errNotBegun  = errors.New("it does not know yet what it should own: it has not asked etcd")
	errStuckRead = errors.New("a read has been under way for more than 3 s")
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
		return storeFault("the store cannot be read", *unread)
	}
	if began := s.polling.Load(); began != nil && time.Since(*began) > readPatience {
		return storeFault("the store cannot be read", errStuckRead)
	}
	if err := s.writer.Fault(); err != nil {
		return storeFault("the store cannot be written to", err)
	}
	return nil
}

// storeFault says what is wrong with the store, without what only those may know
// who read the log: paths, and what the store itself says.
func storeFault(what string, err error) error {
	for _, known := range []error{store.ErrMoved, commit.ErrStuck, errStuckRead, errUnread} {
		if errors.Is(err, known) {
			what = fmt.Sprintf("%s: %s", what, known)
			break
		}
	}
	return obs.Unready{Text: what, Err: err}
}

// admitsJobs says why no job can be made durable now; nil: try. Whoever waited
// for the store would be told after answer_budget only that nothing is known.
func (s *Scheduler) admitsJobs() error {
	err := s.checkStore()
	if err == nil {
		return nil
	}
	return &wire.RetryAfter{After: comeAgain, Err: fmt.Errorf("%w: %s; no job is taken as long as that is so: submit the same again later", wire.ErrUnavailable, obs.Reason(err))}
}

// checkMap asks whether it knows what it should own, and owns any of it.
func (s *Scheduler) checkMap() error {
	keeper := s.keeper.Load()
	if keeper == nil {
		return errNotBegun
	}
	due, err := keeper.Due()
	if err != nil {
		return obs.Unready{Text: fmt.Sprintf("it does not know what it should own: %s", err)} // one of the keeper's sentinels
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
