package coordtest

import (
	"errors"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

func keyIsHeldByOne(t *testing.T, svc Service) {
	a, b := grant(t, svc.Client(t)), grant(t, svc.Client(t))
	acquire(t, a, "shards/p/1", "a", true)
	acquire(t, b, "shards/p/1", "b", false)
	acquire(t, a, "shards/p/1", "a", true)
	acquire(t, b, "shards/p/2", "b", true)
	wantItems(t, svc.Client(t), "shards/", "shards/p/1=a", "shards/p/2=b")
}

func holderTakesOver(t *testing.T, svc Service) {
	c := svc.Client(t)
	before, after := grant(t, c), grant(t, c)
	acquire(t, before, "k", "a", true)
	acquire(t, after, "k", "a", true)
	svc.Expire(t, before)
	untilLost(t, before)
	wantItems(t, c, "k", "k=a") // it belongs to the new lease
	must(t, after.Release(t.Context(), "k"))
	wantItems(t, c, "k")
}

func releasedKeyIsFree(t *testing.T, svc Service) {
	a, b := grant(t, svc.Client(t)), grant(t, svc.Client(t))
	acquire(t, a, "k", "a", true)
	must(t, b.Release(t.Context(), "k")) // not its own: nothing happens
	acquire(t, b, "k", "b", false)
	must(t, a.Release(t.Context(), "k"))
	must(t, a.Release(t.Context(), "k"))
	acquire(t, b, "k", "b", true)
}

func goesWithSession(t *testing.T, svc Service) {
	c := svc.Client(t)
	s := grant(t, c)
	acquire(t, s, "k", "a", true)
	must(t, s.Put(t.Context(), "members/x", []byte("here")))
	wantItems(t, c, "", "k=a", "members/x=here")
	must(t, s.Close(t.Context()))
	wantItems(t, c, "")
	untilLost(t, s)
	if err := s.Close(t.Context()); !errors.Is(err, coord.ErrLost) {
		t.Errorf("closed twice: %v, want ErrLost", err)
	}
}

func lostLeaseIsTold(t *testing.T, svc Service) {
	c := svc.Client(t)
	s := grant(t, c)
	acquire(t, s, "k", "a", true)
	svc.Expire(t, s)
	untilLost(t, s)
	wantItems(t, c, "")
	_, acquired := s.Acquire(t.Context(), "k", "a")
	for what, err := range map[string]error{
		"acquire": acquired,
		"put":     s.Put(t.Context(), "k", nil),
		"release": s.Release(t.Context(), "k"),
		"close":   s.Close(t.Context()),
	} {
		if !errors.Is(err, coord.ErrLost) {
			t.Errorf("%s on a lost session: %v, want ErrLost", what, err)
		}
	}
}

func keyStays(t *testing.T, svc Service) {
	c := svc.Client(t)
	s := grant(t, c)
	must(t, c.Put(t.Context(), "classes/bulk", []byte("p1")))
	must(t, c.Put(t.Context(), "classes/bulk", []byte("p2")))
	must(t, s.Close(t.Context()))
	wantItems(t, c, "classes/", "classes/bulk=p2")
	must(t, c.Delete(t.Context(), "classes/bulk"))
	must(t, c.Delete(t.Context(), "classes/bulk"))
	wantItems(t, c, "classes/")
}

func leaseLivesOn(t *testing.T, svc Service) {
	c := svc.Client(t)
	s := grant(t, c)
	acquire(t, s, "k", "a", true)
	select {
	case <-s.Lost():
		t.Fatal("the session is lost although the service is there")
	case <-time.After(2 * ttl):
	}
	wantItems(t, c, "k", "k=a")
}
