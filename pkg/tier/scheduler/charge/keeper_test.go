package charge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/coord/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/charge"
)

const shards = 16

// staff is the keepers of a test and what each runs.
type staff struct {
	t   *testing.T
	hub *memory.Hub

	mu      sync.Mutex
	running map[string][]string // who runs a key; more than one only while nobody can know better
	starts  int
	fail    bool           // what is started ends at once
	fence   chan struct{}  // closed: what runs ends by itself; nil: it never does
	proofs  map[string]int // how often a key was to be proved
	linger  time.Duration  // until what is told to end has ended
	refuse  func() error   // of each key that whoever is hired then wants to acquire; nil: none
}

// member is one keeper.
type member struct {
	*charge.Keeper
	stop context.CancelFunc
	done chan error
	line *slow
}

// slow is a way to the coordination service on which no lease comes before some
// time.
type slow struct {
	coord.Client
	until  atomic.Int64 // in Unix nanoseconds
	refuse func() error
}

// refusing is a session on which a key is not always to be had.
type refusing struct {
	coord.Session
	refuse func() error
}

func (r refusing) Acquire(ctx context.Context, key, value string) (bool, error) {
	if err := r.refuse(); err != nil {
		return false, err
	}
	return r.Session.Acquire(ctx, key, value)
}

func (s *slow) Grant(ctx context.Context, ttl time.Duration) (coord.Session, error) {
	if wait := time.Until(time.Unix(0, s.until.Load())); wait > 0 {
		<-time.After(wait)
	}
	session, err := s.Client.Grant(ctx, ttl)
	if err != nil || s.refuse == nil {
		return session, err
	}
	return refusing{session, s.refuse}, nil
}

func newStaff(t *testing.T) *staff {
	t.Helper()
	return &staff{t: t, hub: memory.New(), running: map[string][]string{}, proofs: map[string]int{}}
}

// hire starts a keeper.
func (s *staff) hire(name, pool string) *member {
	s.t.Helper()
	return s.hireWith(name, pool, shards)
}

// hireWith is hire for one that counts the shards of the pool otherwise.
func (s *staff) hireWith(name, pool string, count uint32) *member {
	s.t.Helper()
	var charges []charge.Charge
	for n := range uint32(shards) {
		key := coord.ShardKey(pool, n)
		charges = append(charges, charge.Charge{Key: key, Label: job.ShardID{Pool: pool, N: uint16(n)}, Run: s.work(name, key), Prove: s.proof(key)})
	}
	charges = append(charges, charge.Charge{Key: coord.HostTableKey, Any: true, Run: s.work(name, coord.HostTableKey)})
	m := &member{done: make(chan error, 1), line: &slow{Client: s.hub, refuse: s.refuse}}
	m.Keeper = charge.New(m.line, slog.New(slog.DiscardHandler), coord.Member{Kind: coord.Scheduler, Name: name, Addr: name + ":1", Pool: pool, Shards: count}, charges)
	ctx, stop := context.WithCancel(s.t.Context())
	m.stop = stop
	go func() { m.done <- m.Run(ctx) }()
	s.t.Cleanup(func() { s.leave(m) })
	<-m.Announced()
	return m
}

// leave ends a keeper in good order.
func (s *staff) leave(m *member) {
	m.stop()
	if err := <-m.done; err != nil {
		s.t.Errorf("a keeper ended with %v", err)
	}
	m.done <- nil
}

func (s *staff) work(name, key string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		s.mu.Lock()
		s.starts++
		fail, fence := s.fail, s.fence
		if !fail {
			s.running[key] = append(s.running[key], name)
		}
		s.mu.Unlock()
		if fail {
			return errors.New("it cannot run")
		}
		select {
		case <-ctx.Done():
			<-time.After(s.linger)
		case <-fence:
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running[key] = slices.DeleteFunc(s.running[key], func(other string) bool { return other == name })
		return nil
	}
}

func (s *staff) proof(key string) func() {
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.proofs[key]++
	}
}

// settled waits until every key of the pools is run by the one that should.
func (s *staff) settled(within time.Duration, pools map[string][]string) {
	s.t.Helper()
	var all []string
	want := map[string]string{}
	for pool, names := range pools {
		for n := range uint32(shards) {
			key := coord.ShardKey(pool, n)
			want[key] = coord.Home(key, names)
		}
		all = append(all, names...)
	}
	want[coord.HostTableKey] = coord.Home(coord.HostTableKey, all)
	give := time.Now().Add(within)
	for {
		synctest.Wait()
		got := map[string]string{}
		s.mu.Lock()
		for key, names := range s.running {
			if len(names) > 0 {
				got[key] = fmt.Sprint(names)
			}
		}
		s.mu.Unlock()
		if maps.EqualFunc(want, got, func(one, is string) bool { return "["+one+"]" == is }) {
			return
		}
		if time.Now().After(give) {
			s.t.Fatalf("after %s it is\n%v, want\n%v", within, got, want)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestEveryShardIsRunByTheOneThatShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		one := s.hire("s1", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1"}})
		s.hire("s2", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1", "s2"}})
		s.hire("c1", "critical")
		s.settled(time.Second, map[string][]string{"standard": {"s1", "s2"}, "critical": {"c1"}})
		s.leave(one)
		s.settled(time.Second, map[string][]string{"standard": {"s2"}, "critical": {"c1"}})
	})
}

func TestAKeyIsGivenBackOnlyWhenItsWorkHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.linger = 5 * time.Second
		s.hire("s1", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1"}})
		s.hire("s2", "standard")
		time.Sleep(4 * time.Second)
		s.mu.Lock()
		for key, names := range s.running {
			if !slices.Equal(names, []string{"s1"}) {
				t.Errorf("%s is run by %v while s1 still ends it", key, names)
			}
		}
		s.mu.Unlock()
		s.settled(10*time.Second, map[string][]string{"standard": {"s1", "s2"}})
	})
}

// A call to etcd fails half way through the keys, and meanwhile another comes to
// whom some of those belong that are held already.
func TestAKeyThatIsHeldFromBeforeAFaultIsGivenToWhomItBelongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		asked := 0
		s.refuse = func() error {
			if asked++; asked != shards-2 {
				return nil
			}
			s.refuse = nil
			s.hire("s2", "standard")
			return errors.New("the connection broke")
		}
		s.hire("s1", "standard")
		s.settled(10*time.Second, map[string][]string{"standard": {"s1", "s2"}})
	})
}

func TestWithoutTheCoordinationServiceEverythingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.hire("s1", "standard")
		s.hire("s2", "standard")
		both := map[string][]string{"standard": {"s1", "s2"}}
		s.settled(time.Second, both)
		starts := s.starts
		s.hub.Away()
		time.Sleep(time.Minute)
		s.settled(0, both)
		s.hub.Back()
		time.Sleep(time.Minute)
		s.settled(0, both)
		if s.starts != starts {
			t.Errorf("%d shards were started anew", s.starts-starts)
		}
	})
}

func TestTheFirstThatIsBackWaitsForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		one, two := s.hire("s1", "standard"), s.hire("s2", "standard")
		both := map[string][]string{"standard": {"s1", "s2"}}
		s.settled(time.Second, both)
		starts := s.starts
		back := time.Now().Add(time.Minute)
		one.line.until.Store(back.Add(time.Millisecond).UnixNano())
		two.line.until.Store(back.Add(2 * time.Second).UnixNano()) // its pause, and etcd takes a moment
		s.hub.Away()
		time.Sleep(time.Until(back))
		s.hub.Back()
		time.Sleep(time.Minute)
		s.settled(0, both)
		if s.starts != starts {
			t.Errorf("%d shards were started anew", s.starts-starts)
		}
	})
}

func TestTheShardsOfOneThatDoesNotComeBackAreTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.hire("s1", "standard")
		two := s.hire("s2", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1", "s2"}})
		s.hub.Away()
		time.Sleep(20 * time.Second)
		s.leave(two)
		s.hub.Back()
		s.settled(6*time.Second, map[string][]string{"standard": {"s1"}})
	})
}

func TestASchedulerKnowsWhetherOthersFindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		m := s.hire("s1", "standard")
		check := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			if got := m.Registered(); got != want {
				t.Errorf("%s it is registered: %t", when, got)
			}
		}
		check("at first", true)
		s.hub.Away()
		time.Sleep(20 * time.Second)
		check("when its lease has ended", false)
		s.hub.Back()
		time.Sleep(5 * time.Second)
		check("when etcd is back", true)
		s.leave(m)
		check("after its end", false)
	})
}

func TestAfterARestoreFromAnOldSnapshotWhatIsKnownHoldsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.hire("s1", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1"}})
		s.hub.Rewind()
		time.Sleep(time.Minute)
		s.settled(0, map[string][]string{"standard": {"s1"}})
	})
}

func TestWhatEndsByItselfIsStartedAgainAtAnEasyPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.fail = true
		s.hire("s1", "standard")
		time.Sleep(10 * time.Second)
		s.mu.Lock()
		if most := (shards + 1) * 21; s.starts > most || s.starts < shards+1 {
			t.Errorf("in 10 s there were %d starts, want at most %d", s.starts, most)
		}
		s.fail = false
		s.mu.Unlock()
		s.settled(5*time.Second, map[string][]string{"standard": {"s1"}})
	})
}

func TestAStopWithoutTheCoordinationServiceStillEndsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		m := s.hire("s1", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1"}})
		s.hub.Away()
		time.Sleep(20 * time.Second) // the lease has ended as well
		s.leave(m)
		s.mu.Lock()
		defer s.mu.Unlock()
		for key, names := range s.running {
			if len(names) > 0 {
				t.Errorf("%s is still run by %v", key, names)
			}
		}
	})
}

func TestSchedulersThatCountTheShardsOtherwiseChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		s.hire("s1", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1"}})
		odd := s.hireWith("s2", "standard", shards/2)
		time.Sleep(time.Minute)
		s.settled(0, map[string][]string{"standard": {"s1"}})
		s.leave(odd)
		s.hire("s3", "standard")
		s.settled(2*time.Second, map[string][]string{"standard": {"s1", "s3"}})
	})
}

// wantDue checks how many shards a keeper says that it should run, or why it
// cannot say.
func (m *member) wantDue(t *testing.T, shards int, why string) {
	t.Helper()
	synctest.Wait()
	due, err := m.Due()
	if due != shards || (err == nil) != (why == "") || err != nil && !strings.Contains(err.Error(), why) {
		t.Errorf("it should run %d shards, %v; want %d, %q", due, err, shards, why)
	}
}

func TestASchedulerKnowsHowManyShardsItShouldRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		one := s.hire("s1", "standard")
		s.settled(time.Second, map[string][]string{"standard": {"s1"}})
		one.wantDue(t, shards, "")
		two := s.hire("s2", "standard")
		synctest.Wait()
		first, _ := one.Due()
		if first == 0 || first == shards {
			t.Errorf("of two schedulers one should run %d shards", first)
		}
		two.wantDue(t, shards-first, "")
	})
}

func TestToAskWhatASchedulerShouldRunCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		m := s.hire("s1", "standard")
		m.wantDue(t, shards, "")
		if n := testing.AllocsPerRun(100, func() { _, _ = m.Due() }); n > 0 {
			t.Errorf("it allocates %v times: it is worked out anew", n)
		}
	})
}

func TestASchedulerThatIsNotToldWhatThereIsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		m := &member{Keeper: charge.New(s.hub, slog.New(slog.DiscardHandler), coord.Member{Kind: coord.Scheduler, Name: "s0", Pool: "standard", Shards: shards}, nil)}
		m.wantDue(t, 0, "has not told")
		one := s.hire("s1", "standard")
		s.hireWith("s2", "standard", shards/2)
		one.wantDue(t, 0, "count its shards differently")
	})
}

func TestWithoutTheCoordinationServiceASchedulerStillKnowsWhatItShouldRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t)
		m := s.hire("s1", "standard")
		m.wantDue(t, shards, "")
		s.hub.Away()
		time.Sleep(time.Minute)
		m.wantDue(t, shards, "")
	})
}
