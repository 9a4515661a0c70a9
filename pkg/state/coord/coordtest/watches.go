package coordtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

func watchShowsPrefix(t *testing.T, svc Service) {
	writer := svc.Client(t)
	must(t, writer.Put(t.Context(), "other/x", nil))
	w := watch(t, svc.Client(t), "members/")
	first := w.untilItems(t) // at once, though nothing is there
	must(t, writer.Put(t.Context(), "members/a", []byte("1")))
	second := w.untilItems(t, "members/a=1")
	must(t, writer.Put(t.Context(), "members/b", []byte("1")))
	must(t, writer.Put(t.Context(), "members/a", []byte("2")))
	third := w.untilItems(t, "members/a=2", "members/b=1")
	must(t, writer.Delete(t.Context(), "members/a"))
	w.untilItems(t, "members/b=1")
	if first.Revision >= second.Revision || second.Revision >= third.Revision {
		t.Errorf("revisions %d, %d, %d do not grow", first.Revision, second.Revision, third.Revision)
	}
	if show(second) != "[members/a=1]" {
		t.Errorf("a view changed after it was shown: %s", show(second))
	}
	late := watch(t, svc.Client(t), "members/")
	late.untilItems(t, "members/b=1")
}

func slowWatcher(t *testing.T, svc Service) {
	c := svc.Client(t)
	w := watch(t, svc.Client(t), "k")
	w.untilItems(t)
	for i := range 100 {
		must(t, c.Put(t.Context(), "k", fmt.Append(nil, i)))
	}
	w.untilItems(t, "k=99")
}

func watchEnds(t *testing.T, svc Service) {
	w := watch(t, svc.Client(t), "")
	w.untilItems(t)
	w.end(t)
}

func callsEndWhileAway(t *testing.T, svc Service) {
	c := svc.Client(t)
	s := grant(t, c)
	svc.Away(t)
	_, granted := c.Grant(t.Context(), ttl)
	_, got := c.Get(t.Context(), "")
	for what, err := range map[string]error{"grant": granted, "get": got, "put": c.Put(t.Context(), "k", nil), "delete": c.Delete(t.Context(), "k")} {
		if !errors.Is(err, coord.ErrAway) {
			t.Errorf("%s: %v, want ErrAway", what, err)
		}
	}
	if _, err := s.Acquire(t.Context(), "k", "a"); !errors.Is(err, coord.ErrAway) && !errors.Is(err, coord.ErrLost) {
		t.Errorf("acquire: %v, want ErrAway or ErrLost", err)
	}
	svc.Back(t)
	eventually(t, "a put gets through again", func() bool { return c.Put(t.Context(), "k", nil) == nil })
}

func watchBridges(t *testing.T, svc Service) {
	w := watch(t, svc.Client(t), "k")
	other := svc.Client(t)
	must(t, other.Put(t.Context(), "k", []byte("before")))
	w.untilItems(t, "k=before")
	svc.Away(t)
	svc.Back(t)
	eventually(t, "a put gets through", func() bool { return other.Put(t.Context(), "k", []byte("after")) == nil })
	if v := w.untilItems(t, "k=after"); v.Alarm != nil {
		t.Errorf("alarm: %v", v.Alarm)
	}
}

func watchBeginsAway(t *testing.T, svc Service) {
	c := svc.Client(t)
	must(t, c.Put(t.Context(), "k", []byte("v")))
	svc.Away(t)
	w := watch(t, svc.Client(t), "k")
	svc.Back(t)
	w.untilItems(t, "k=v")
}

func aMember() coord.Member {
	return coord.Member{Kind: coord.Scheduler, Name: "s1", Addr: "127.0.0.1:7410", Pool: "standard"}
}

func announcedAgain(t *testing.T, svc Service) {
	const item = `members/scheduler/s1={"address":"127.0.0.1:7410","pool":"standard"}`
	seer := watch(t, svc.Client(t), "members/")
	announce(t, svc.Client(t), aMember())
	seer.untilItems(t, item)

	marker := grant(t, svc.Client(t)) // lost after as long a time as the member's lease
	svc.Away(t)
	untilLost(t, marker)
	svc.Back(t)
	probe := grantWhenBack(t, svc.Client(t))
	select {
	case <-probe.Lost():
		t.Fatal("a lease was lost although the service is back")
	case <-time.After(2 * ttl): // by now every lease from before has run out
	}
	watch(t, svc.Client(t), "members/").untilItems(t, item)
}

func stopsAtOnce(t *testing.T, svc Service) {
	seer := watch(t, svc.Client(t), "members/")
	stop := announce(t, svc.Client(t), aMember())
	seer.until(t, "the member", func(v coord.View) bool { return len(v.Items) == 1 })
	stop()
	wantItems(t, svc.Client(t), "members/")
	seer.untilItems(t)
}

func wentBack(t *testing.T, svc Service) {
	c := svc.Client(t)
	must(t, c.Put(t.Context(), "k", []byte("1")))
	must(t, c.Put(t.Context(), "k", []byte("2")))
	w := watch(t, svc.Client(t), "k")
	w.untilItems(t, "k=2")
	svc.Rewind(t)
	v := w.until(t, "an alarm", func(v coord.View) bool { return v.Alarm != nil })
	if !errors.Is(v.Alarm, coord.ErrWentBack) || show(v) != "[k=2]" {
		t.Errorf("alarm %v with %s, want ErrWentBack with what was known", v.Alarm, show(v))
	}
	fresh := svc.Client(t)
	eventually(t, "a new process believes what is there now", func() bool { return fresh.Put(t.Context(), "k", []byte("0")) == nil })
	watch(t, fresh, "k").untilItems(t, "k=0")
}
