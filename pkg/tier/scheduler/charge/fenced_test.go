package charge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// An owner that slept for longer than its lease, and wakes while etcd cannot be
// asked, still believes that it holds its keys. The store tells it otherwise, and
// it must not claim what another has.
func TestWhatWasFencedIsNotClaimedAgainBeforeEtcdSaysThatItIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.fence = make(chan struct{})
		s.hire("s1", "standard")
		alone := map[string][]string{"standard": {"s1"}}
		s.settled(time.Second, alone)
		s.mu.Lock()
		starts := s.starts
		s.mu.Unlock()

		s.hub.Away() // and the lease lasts for some seconds more
		s.mu.Lock()
		close(s.fence)
		s.fence = nil
		s.mu.Unlock()
		time.Sleep(time.Minute)
		s.mu.Lock()
		if s.starts != starts {
			t.Errorf("without etcd %d shards were claimed again", s.starts-starts)
		}
		s.mu.Unlock()
		s.hub.Back()
		s.settled(10*time.Second, alone)
	})
}

func TestWhatWasFencedGoesToAnotherThatShouldHaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.fence = make(chan struct{})
		s.hire("s1", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1"}})
		s.mu.Lock()
		close(s.fence)
		s.fence = nil
		s.mu.Unlock()
		s.hire("s2", "standard") // before what was fenced is started again
		s.settled(5*time.Second, map[string][]string{"standard": {"s1", "s2"}})
	})
}

// While a lease was lost another may have claimed what runs on, and have given it
// back: an owner with nothing to write would not learn of it for long.
func TestWhatRunsOnIsProvedWhenItsKeyIsHeldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.hire("s1", "standard")
		alone := map[string][]string{"standard": {"s1"}}
		s.settled(time.Second, alone)
		if n := len(s.proofs); n != 0 {
			t.Errorf("%d were to be proved that had just been started", n)
		}
		s.hub.Away()
		time.Sleep(time.Minute)
		s.hub.Back()
		time.Sleep(10 * time.Second)
		s.settled(0, alone)
		for n := range uint32(shards) {
			if key := coord.ShardKey("standard", n); s.proofs[key] != 1 {
				t.Errorf("%s was to be proved %d times", key, s.proofs[key])
			}
		}
	})
}
