package scheduler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// lame is a store that does not do all that a store does.
type lame struct {
	*memory.Store
	blind, full, shut atomic.Bool   // cannot be read, written to, or claimed from
	moved             atomic.Bool   // its file is another one
	deafR, deafW      atomic.Bool   // does not answer who reads or writes
	answers           chan struct{} // closed when it answers again
}

// answer waits until it answers; the error is why it cannot.
func (s *lame) answer(deaf *atomic.Bool) error {
	if deaf.Load() {
		<-s.answers
	}
	if s.moved.Load() {
		return fmt.Errorf("%w: %w: /secret/ccs.db is another file", store.ErrUnavailable, store.ErrMoved)
	}
	return nil
}

func (s *lame) Hosts(ctx context.Context, revision uint64) iter.Seq2[fleet.Host, error] {
	if s.blind.Load() {
		return func(yield func(fleet.Host, error) bool) { yield(fleet.Host{}, store.ErrUnavailable) }
	}
	if err := s.answer(&s.deafR); err != nil {
		return func(yield func(fleet.Host, error) bool) { yield(fleet.Host{}, err) }
	}
	return s.Store.Hosts(ctx, revision)
}

func (s *lame) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	if s.full.Load() {
		return nil, store.ErrUnavailable
	}
	if err := s.answer(&s.deafW); err != nil {
		return nil, err
	}
	return s.Store.Commit(ctx, batches)
}

func (s *lame) Claim(ctx context.Context, id job.ShardID, owner string) (job.Epoch, error) {
	if s.shut.Load() {
		return job.Epoch{}, store.ErrUnavailable
	}
	return s.Store.Claim(ctx, id, owner)
}

// deaf does not hear of the keys below a prefix.
type deaf struct {
	coord.Client
	prefix string
}

func (d *deaf) Watch(ctx context.Context, prefix string, see func(coord.View)) error {
	if strings.HasPrefix(prefix, d.prefix) {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return d.Client.Watch(ctx, prefix, see)
}

// lameOn is a scheduler on a store that can fail.
func (r *rig) lameOn(s *lame) *member {
	s.Store = r.store
	return r.launch("s1", func(d *Deps) { d.Store = s })
}

// wantCheck waits until a scheduler says why it is not ready; "": it is.
func (r *rig) wantCheck(m *member, says string) {
	r.Helper()
	r.until("check that says "+says, func() bool {
		err := m.Check()
		return err == nil && says == "" || err != nil && says != "" && strings.Contains(err.Error(), says)
	})
}

func TestASchedulerThatServesIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		m := r.start("s1")
		r.wantCheck(m, "")
		r.hub.Away()
		time.Sleep(time.Minute)
		r.wantCheck(m, "") // an owner goes on without etcd
	})
}

func TestASchedulerIsNotReadyAsLongAsTheStoreCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &lame{}
		s.blind.Store(true)
		m := r.lameOn(s)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), "the store cannot be read") {
			t.Errorf("before it was ever read: %v", err)
		}
		time.Sleep(time.Minute)
		if err := m.Check(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("while it cannot be read: %v", err)
		}
		s.blind.Store(false)
		r.wantCheck(m, "")
		s.blind.Store(true)
		r.wantCheck(m, "the store cannot be read")
		s.blind.Store(false)
		r.wantCheck(m, "")
	})
}

func TestASchedulerIsNotReadyAsLongAsTheStoreCannotBeWrittenTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &lame{}
		m := r.lameOn(s)
		<-m.Ready()
		r.all["s1"], r.last = m, m
		r.addHost("h1")
		r.wantCheck(m, "")
		s.full.Store(true)
		o := r.order()
		if _, err := r.send(m, o); status.Code(err) != codes.Unavailable {
			t.Errorf("a job without a store: %v", err)
		}
		r.wantCheck(m, "the store cannot be written to")
		time.Sleep(time.Minute) // it is read all the time, and that is not enough
		r.wantCheck(m, "the store cannot be written to")
		s.full.Store(false)
		r.wantCheck(m, "")
	})
}

// lamePool is a ready scheduler on a store that can fail, with one host.
func lamePool(t *testing.T) (*rig, *lame, *member) {
	t.Helper()
	r, s := newRig(t), &lame{answers: make(chan struct{})}
	m := r.lameOn(s)
	<-m.Ready()
	r.all["s1"], r.last = m, m
	r.addHost("h1")
	r.wantCheck(m, "")
	return r, s, m
}

func TestASchedulerIsNotReadyAsLongAsTheStoreDoesNotAnswer(t *testing.T) {
	for says, deafen := range map[string]func(r *rig, s *lame){
		"the store cannot be read": func(_ *rig, s *lame) { s.deafR.Store(true) },
		"the store cannot be written to": func(r *rig, s *lame) {
			s.deafW.Store(true)
			if _, err := r.send(r.last, r.order()); status.Code(err) != codes.Unavailable {
				r.Errorf("a job without a store: %v", err)
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, s, m := lamePool(t)
			deafen(r, s)
			time.Sleep(5 * time.Second)
			r.wantCheck(m, says+": a ")
			within(t, time.Second, func() {
				if _, err := r.send(m, r.order()); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "more than 3 s") {
					t.Errorf("a job while the store does not answer: %v", err)
				}
			})
			s.deafR.Store(false)
			s.deafW.Store(false)
			close(s.answers)
			r.wantCheck(m, "")
			if _, err := r.send(m, r.order()); err != nil {
				t.Errorf("a job when it answers again: %v", err)
			}
		})
	}
}

// within fails if something takes longer, in virtual time.
func within(t *testing.T, most time.Duration, do func()) {
	t.Helper()
	began := time.Now()
	do()
	if took := time.Since(began); took > most {
		t.Errorf("it took %s, at most %s is allowed", took, most)
	}
}

func TestASchedulerWhoseStoreIsReplacedTakesNoJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s, m := lamePool(t)
		s.moved.Store(true)
		r.wantCheck(m, "was moved, removed or replaced")
		if told := obs.Reason(m.Check()); !strings.Contains(told, "was moved, removed or replaced") || strings.Contains(told, "/secret") {
			t.Errorf("who asks is told %q", told)
		}
		within(t, time.Second, func() {
			_, err := r.send(m, r.order())
			if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "was moved, removed or replaced") || strings.Contains(err.Error(), "/secret") {
				t.Errorf("a job on a store that is gone: %v", err)
			}
		})
		s.moved.Store(false) // it was put back
		r.wantCheck(m, "")
		if _, err := r.send(m, r.order()); err != nil {
			t.Errorf("a job when the store is back: %v", err)
		}
	})
}

func TestASchedulerIsNotReadyBeforeItKnowsWhatThereIs(t *testing.T) {
	for prefix, says := range map[string]string{"classes/": "which pool serves which class", "members/": "has not told yet which schedulers there are"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			m := r.launch("s1", func(d *Deps) { d.Coord = &deaf{r.hub, prefix} })
			r.wantCheck(m, says)
			time.Sleep(time.Minute)
			r.wantCheck(m, says)
		})
	}
}

// After a start while etcd is away the map of the shards may come first.
func TestAJobThatComesBeforeTheClassesAreKnownIsToBeSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		o := r.order()
		m := r.launch("s2", func(d *Deps) { d.Coord = &deaf{r.hub, "classes/"} })
		_, err := r.send(m, o)
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "does not know the classes of jobs yet") {
			t.Errorf("a job before the classes are known: %v", err)
		}
	})
}

func TestASchedulerIsNotReadyThatOwnsNothingAlthoughItShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &lame{}
		s.shut.Store(true)
		m := r.lameOn(s)
		r.wantCheck(m, "it owns none of the 4 shards that it should")
		s.shut.Store(false)
		r.wantCheck(m, "")
	})
}

func TestASchedulerIsNotReadyThatIsNotCountedAmongTheLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		l := &leash{Client: r.hub, hub: r.hub}
		m := r.startWith("s1", func(d *Deps) { d.Coord = l })
		r.wantCheck(m, "")
		l.lose()
		r.wantCheck(m, "does not count this scheduler among those that are alive")
	})
}

func TestASchedulerThatDrainsIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		m := r.start("s1")
		r.wantCheck(m, "")
		r.end(m)
		if err := m.Check(); !errors.Is(err, obs.ErrDraining) {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestWhoMayDialTheSchedulerMayAskForItsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &lame{}
		s.Store = r.store
		m := r.startWith("s1", func(d *Deps) { d.Store = s })
		r.wantCheck(m, "")
		for _, conn := range r.conns { // of access and issuer
			got, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
			if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
				t.Errorf("its health is %v, %v", got, err)
			}
		}
		s.blind.Store(true)
		r.wantCheck(m, "the store cannot be read")
		got, err := healthv1.NewHealthClient(r.conns[0]).Check(t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("without a store its health is %v, %v", got, err)
		}
		stranger := r.dial(m.lis, identity.Host, "s1")
		if got, err := healthv1.NewHealthClient(stranger).Check(t.Context(), &healthv1.HealthCheckRequest{}); err == nil {
			t.Errorf("a host is told %v", got)
		}
	})
}
