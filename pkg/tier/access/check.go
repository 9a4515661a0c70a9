package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// errNoMap is why a replica is not ready that has just been started.
var errNoMap = errors.New("it does not know yet which pools there are: etcd has not told")

// Check says why users should be sent to another replica; nil: to this one. It
// is an [obs.Check]. That etcd is away is no reason: what was known last holds.
// Nor is one pool that nobody serves: all replicas see the same, and the other
// pools are to be served all the same (architecture section 5, promise 7).
func (s *Server) Check() error {
	if s.draining.Load() {
		return obs.ErrDraining
	}
	pools := s.routes.everyPool()
	if len(pools) == 0 {
		return errNoMap
	}
	var faults []error
	for _, pool := range slices.Sorted(maps.Keys(pools)) {
		if err := s.checkPool(pool, pools[pool]); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) < len(pools) {
		return nil
	}
	return errors.Join(faults...)
}

// checkPool says why no scheduler of a pool can be asked.
func (s *Server) checkPool(pool string, members []coord.Member) error {
	if len(members) == 0 {
		return fmt.Errorf("pool %s has no scheduler", pool)
	}
	reached := false
	for _, m := range members {
		reached = s.conns.reached(m.Name) || reached // each is asked: that is what opens it again
	}
	if !reached {
		return fmt.Errorf("no scheduler of pool %s can be reached, of %d that are announced", pool, len(members))
	}
	return nil
}
