package scheduler

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/wire"
)

// leash is the way of one scheduler to the coordination service, which a test
// can cut.
type leash struct {
	coord.Client
	hub interface{ Expire(s coord.Session) }

	mu       sync.Mutex
	cut      bool
	sessions []coord.Session
}

func (l *leash) Grant(ctx context.Context, ttl time.Duration) (coord.Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, coord.ErrAway
	}
	s, err := l.Client.Grant(ctx, ttl)
	if err == nil {
		l.sessions = append(l.sessions, s)
	}
	return s, err
}

// lose ends all leases, and lets no new one be granted.
func (l *leash) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for _, s := range l.sessions {
		l.hub.Expire(s)
	}
}

func TestASchedulerThatIsCutOffIsFencedAndAnotherFinishesTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 0)
		r.end(r.all["s1"])
		l := &leash{Client: r.hub, hub: r.hub}
		old := r.startWith("s2", func(d *Deps) { d.Coord = l })
		r.whole(old, 4)
		for i := range 3 {
			r.addHost(hostName(i))
			r.world.attach(hostName(i))
		}
		r.world.does = runsOn
		o := r.run()
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 3 })

		l.lose()
		fresh := r.start("s3")
		r.whole(fresh, 4)
		for n := range uint32(4) {
			if old.owns[n].Compare(fresh.owns[n]) >= 0 {
				t.Errorf("shard %d: epoch %v after %v", n, fresh.owns[n], old.owns[n])
			}
		}
		p := r.order()
		if _, err := r.send(old, p); !wire.IsNotOwner(err) {
			t.Errorf("a job that the old owner was given: %v, want that it is fenced", err)
		}
		if _, err := r.store.LocateJob(t.Context(), p.id); err == nil {
			t.Error("the old owner has written a job")
		}
		delete(r.all, "s2")
		for i := range 3 {
			r.world.finish(hostName(i), o.id, outcome{state: task.Succeeded})
		}
		if got := counts(r.done(o.id)); got["SUCCEEDED"] != 3 {
			t.Errorf("the job ended with %v", got)
		}
		for i := range 3 {
			if tk := r.world.task(hostName(i), o.id); tk.started != 1 || tk.forgotten == 0 {
				t.Errorf("host %d has %+v", i, tk)
			}
		}
	})
}

func TestAWatchIsToldThatTheOwnerHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		o := r.run()
		r.until("running task", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		ended := make(chan error, 1)
		go func() {
			_, _, err := view(r, o.id, 0)
			ended <- err
		}()
		synctest.Wait()
		first := r.last
		second := r.start("s2")
		r.last = first
		began := time.Now()
		r.end(first)
		r.whole(second, 4)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the hand-over took %s", took)
		}
		if err := <-ended; !wire.IsNotOwner(err) {
			t.Errorf("the watch ended with %v", err)
		}
		r.last = second
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		r.done(o.id)
	})
}

func TestASchedulerThatJoinsGetsItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		share := map[string]int{}
		for n := range uint32(4) {
			share[coord.Home(coord.ShardKey("standard", n), []string{"s1", "s2", "s3"})]++
		}
		for _, name := range []string{"s2", "s3"} {
			r.start(name)
		}
		for name, m := range r.all {
			r.whole(m, share[name])
		}
		o := r.run()
		r.done(o.id)
	})
}

func TestLosingTheCoordinationServiceStopsNoOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		r.whole(r.last, 4)
		owned := maps.Clone(r.last.owns)
		r.hub.Away()
		time.Sleep(time.Minute)
		o := r.run()
		r.done(o.id)
		r.hub.Back()
		time.Sleep(time.Minute)
		p := r.run()
		r.done(p.id)
		if !maps.Equal(owned, r.last.owns) {
			t.Errorf("the shards were claimed again: %v after %v", r.last.owns, owned)
		}
	})
}

func TestALostReplyOfTheStoreLosesAndDoublesNothing(t *testing.T) {
	for _, failure := range []memory.Failure{memory.BeforeApply, memory.AfterApply} {
		synctest.Test(t, func(t *testing.T) {
			r := pool(t, 3)
			r.whole(r.last, 4)
			r.store.FailNext(failure)
			o := r.order()
			resp, err := r.send(r.last, o)
			if err != nil || resp.GetExisted() {
				t.Fatalf("failure %d: %v, %v", failure, resp, err)
			}
			r.store.FailNext(failure) // of the outcomes
			if got := counts(r.done(o.id)); got["SUCCEEDED"] != 3 {
				t.Errorf("failure %d: the job ended with %v", failure, got)
			}
			for i := range 3 {
				if tk := r.world.task(hostName(i), o.id); tk.started != 1 || tk.forgotten == 0 {
					t.Errorf("failure %d: host %d has %+v", failure, i, tk)
				}
			}
			r.store.FailNext(failure)
			r.register(r.world.add("late", "bj01", "agg-1"), nil)
			if row, ok := r.last.hosts.Row("late"); !ok || row.Revision == 0 {
				t.Errorf("failure %d: the host's row is %+v", failure, row)
			}
		})
	}
}

// tap is a store that can be closed.
type tap struct {
	*memory.Store
	closed atomic.Bool
}

func (s *tap) Commit(ctx context.Context, batches []store.Batch) ([]store.Result, error) {
	if s.closed.Load() {
		return nil, fmt.Errorf("cannot commit: %w", store.ErrUnavailable)
	}
	return s.Store.Commit(ctx, batches)
}

func TestWithoutTheStoreNothingIsAcceptedAndNothingForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 0)
		r.end(r.all["s1"])
		s := &tap{Store: r.store}
		r.startWith("s2", func(d *Deps) { d.Store = s })
		r.whole(r.last, 4)
		r.addHost(hostName(0))
		r.world.attach(hostName(0))
		r.world.does = runsOn
		o := r.run()
		r.until("running task", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })

		s.closed.Store(true)
		// Before the new job: that may be in the same shard, which then waits.
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		synctest.Wait()
		p := r.order()
		began := time.Now()
		_, err := r.send(r.last, p)
		refused(t, "a job without a store", err, "Unavailable", "store", "same again")
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("the refusal took %s", took)
		}
		time.Sleep(time.Minute)
		if n := r.world.task(hostName(0), o.id).forgotten; n != 0 {
			t.Errorf("the host was told %d times to forget what is not durable", n)
		}
		r.world.mu.Lock()
		r.world.does = nil
		r.world.mu.Unlock()
		s.closed.Store(false)
		r.done(o.id)
		again, err := r.send(r.last, p)
		if err != nil || again.GetJob().GetId() != p.id.String() {
			t.Errorf("the same job again: %v, %v", again, err)
		}
		r.done(p.id)
	})
}

func TestAStopEndsInTimeEvenWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 0)
		r.end(r.all["s1"])
		s := &tap{Store: r.store}
		m := r.startWith("s2", func(d *Deps) { d.Store = s })
		r.whole(m, 4)
		r.addHost(hostName(0))
		o := r.order()
		s.closed.Store(true)
		refusal := make(chan error, 1)
		go func() {
			_, err := r.send(m, o)
			refusal <- err
		}()
		time.Sleep(time.Second)
		began := time.Now()
		r.end(m)
		if took := time.Since(began); took > m.cfg.DrainBudget+3*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if err := <-refusal; err == nil {
			t.Error("a job was accepted that is not durable")
		}
	})
}

func TestAStopEndsInTimeWhenNobodyButAShardWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 0)
		r.end(r.all["s1"])
		s := &tap{Store: r.store}
		m := r.startWith("s2", func(d *Deps) { d.Store = s })
		r.whole(m, 4)
		s.closed.Store(true)
		m.shards[0].Prove()
		time.Sleep(time.Second)
		began := time.Now()
		r.end(m)
		if took := time.Since(began); took > m.cfg.DrainBudget+3*time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}

func TestAJobOfATookOverShardGoesOnWithEveryState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 4)
		r.world.does = runsOn
		r.world.detach(hostName(3))
		synctest.Wait()
		o := r.order()
		o.rollout.Concurrency = job.Amount{Count: 2}
		r.submit(o)
		r.until("running tasks", func() bool { return counts(r.job(o.id))["RUNNING"] == 2 })
		r.world.finish(hostName(0), o.id, outcome{state: task.Succeeded})
		r.until("next task", func() bool { c := counts(r.job(o.id)); return c["RUNNING"] == 2 && c["SUCCEEDED"] == 1 })
		r.end(r.all["s1"])
		// while nobody is there, one task ends
		r.world.finish(hostName(1), o.id, outcome{state: task.Failed})
		r.start("s2")
		r.until("outcome of the time between", func() bool { return counts(r.job(o.id))["FAILED"] == 1 })
		r.world.attach(hostName(3))
		r.until("last release", func() bool { return counts(r.job(o.id))["RUNNING"] == 2 })
		r.world.finish(hostName(2), o.id, outcome{state: task.Succeeded})
		r.world.finish(hostName(3), o.id, outcome{state: task.Succeeded})
		got := r.done(o.id)
		if c := counts(got); !maps.Equal(c, map[string]int{"SUCCEEDED": 3, "FAILED": 1}) || got.GetState() != typesv1.JobState_JOB_STATE_DONE {
			t.Errorf("the job ended with %v", c)
		}
		for i := range 4 {
			if tk := r.world.task(hostName(i), o.id); tk.started != 1 || tk.forgotten == 0 {
				t.Errorf("host %d has %+v", i, tk)
			}
		}
	})
}
