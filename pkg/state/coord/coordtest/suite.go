package coordtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/state/coord"
)

// Service is one coordination service, fresh for each test, with the power to
// make trouble.
type Service interface {
	// Client returns a connection as another process would have it.
	Client(t *testing.T) coord.Client
	// Expire ends a session's lease behind the back of its owner.
	Expire(t *testing.T, s coord.Session)
	// Away makes the service unreachable, Back ends that. Nothing is forgotten.
	Away(t *testing.T)
	Back(t *testing.T)
	// Rewind empties the service and sets its revision back; it may be away
	// meanwhile.
	Rewind(t *testing.T)
}

// ttl of the leases in the suite.
const ttl = coord.MinTTL

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// Run runs the suite. The bubble calls a test, inside testing/synctest where
// that is possible; start makes a service inside of it.
func Run(t *testing.T, bubble func(*testing.T, func(*testing.T)), start func(*testing.T) Service) {
	for name, test := range map[string]func(*testing.T, Service){
		"AKeyIsHeldByOneSession":                           keyIsHeldByOne,
		"AHolderThatRestartsTakesItsKeyOver":               holderTakesOver,
		"AReleasedKeyIsFree":                               releasedKeyIsFree,
		"WhatIsUnderALeaseGoesWithTheSession":              goesWithSession,
		"ALostLeaseIsTold":                                 lostLeaseIsTold,
		"AKeyWithoutLeaseStays":                            keyStays,
		"ALeaseLivesOnByItself":                            leaseLivesOn,
		"AWatchShowsEveryStateOfItsPrefix":                 watchShowsPrefix,
		"ASlowWatcherSeesTheLastState":                     slowWatcher,
		"AWatchEndsWithItsContext":                         watchEnds,
		"ACallEndsWhileTheServiceIsAway":                   callsEndWhileAway,
		"AWatchBridgesTheServiceBeingAway":                 watchBridges,
		"AWatchThatBeginsWhileTheServiceIsAwayGetsItsTurn": watchBeginsAway,
		"AMemberIsAnnouncedAgainAfterItsLeaseWasLost":      announcedAgain,
		"AMemberThatStopsIsGoneAtOnce":                     stopsAtOnce,
		"AHistoryThatGoesBackRaisesAnAlarm":                wentBack,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { test(t, start(t)) })
		})
	}
}

// watcher follows a prefix from a goroutine that the test waits for.
type watcher struct {
	views chan coord.View
	last  coord.View
	ended chan error
	stop  context.CancelCauseFunc
}

var errStop = errors.New("the test has seen enough")

func watch(t *testing.T, c coord.Client, prefix string) *watcher {
	t.Helper()
	ctx, stop := context.WithCancelCause(t.Context())
	w := &watcher{views: make(chan coord.View), ended: make(chan error, 1), stop: stop}
	go func() {
		w.ended <- c.Watch(ctx, prefix, func(v coord.View) {
			select {
			case w.views <- v:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() { w.end(t) })
	return w
}

func (w *watcher) end(t *testing.T) {
	t.Helper()
	w.stop(errStop)
	select {
	case err := <-w.ended:
		w.ended <- err
		if !errors.Is(err, errStop) && !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("the watch did not end with its context")
	}
}

// until waits for a view that is as wanted.
func (w *watcher) until(t *testing.T, what string, ok func(coord.View) bool) coord.View {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case w.last = <-w.views:
			if ok(w.last) {
				return w.last
			}
		case <-deadline:
			t.Fatalf("never seen: %s; last seen: %s", what, show(w.last))
		}
	}
}

// untilItems waits for exactly these items, given as key=value.
func (w *watcher) untilItems(t *testing.T, want ...string) coord.View {
	t.Helper()
	return w.until(t, fmt.Sprint(want), func(v coord.View) bool { return show(v) == fmt.Sprint(want) })
}

func wantItems(t *testing.T, c coord.Client, prefix string, want ...string) {
	t.Helper()
	v, err := c.Get(t.Context(), prefix)
	if err != nil || show(v) != fmt.Sprint(want) {
		t.Fatalf("below %s: %s (%v), want %s", prefix, show(v), err, want)
	}
}

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never true: %s", what)
		}
	}
}

func grant(t *testing.T, c coord.Client) coord.Session {
	t.Helper()
	s, err := c.Grant(t.Context(), ttl)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer cancel()
		_ = s.Close(ctx) // tests end with services away and sessions lost
	})
	return s
}

// grantWhenBack grants a session as soon as the service can be reached.
func grantWhenBack(t *testing.T, c coord.Client) coord.Session {
	t.Helper()
	eventually(t, "the service can be reached", func() bool {
		_, err := c.Get(t.Context(), "none")
		return err == nil
	})
	return grant(t, c)
}

func acquire(t *testing.T, s coord.Session, key, value string, want bool) {
	t.Helper()
	held, err := s.Acquire(t.Context(), key, value)
	if err != nil || held != want {
		t.Fatalf("%s acquires %s: %t (%v), want %t", value, key, held, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func untilLost(t *testing.T, s coord.Session) {
	t.Helper()
	select {
	case <-s.Lost():
	case <-time.After(patience):
		t.Fatal("the session was not told that it is lost")
	}
}

// announce keeps a member announced until the returned function is called.
func announce(t *testing.T, c coord.Client, m coord.Member) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = coord.Announce(ctx, c, ttl, slog.New(slog.DiscardHandler), m) // always the cause of ctx
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}
