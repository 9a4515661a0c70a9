package memory_test

import (
	"testing"
	"testing/synctest"

	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/coordtest"
	"github.com/ccs-project/ccs/pkg/state/coord/memory"
)

// service lets the suite make trouble.
type service struct{ hub *memory.Hub }

func (s service) Client(*testing.T) coord.Client         { return s.hub }
func (s service) Expire(_ *testing.T, one coord.Session) { s.hub.Expire(one) }
func (s service) Away(*testing.T)                        { s.hub.Away() }
func (s service) Back(*testing.T)                        { s.hub.Back() }
func (s service) Rewind(*testing.T)                      { s.hub.Rewind() }

func TestMemoryDoesWhatACoordinationServiceMust(t *testing.T) {
	coordtest.Run(t, synctest.Test, func(*testing.T) coordtest.Service { return service{memory.New()} })
}

func TestKeysOfASessionClosedWhileAwayStayUntilItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := memory.New()
		s, err := hub.Grant(t.Context(), coord.MinTTL)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "k", nil); err != nil {
			t.Fatal(err)
		}
		hub.Away()
		hub.Away()
		if err := s.Close(t.Context()); err == nil {
			t.Error("closed although the service is away")
		}
		hub.Back()
		left := func() int {
			v, err := hub.Get(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			return len(v.Items)
		}
		if left() != 1 {
			t.Error("the key went before the end of the TTL")
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_ = hub.Watch(t.Context(), "k", func(v coord.View) { // ends with the test
				if len(v.Items) == 0 {
					gone <- struct{}{}
				}
			})
		}()
		<-gone
		if left() != 0 {
			t.Error("the key stayed")
		}
	})
}
