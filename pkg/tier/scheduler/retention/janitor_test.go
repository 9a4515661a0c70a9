package retention

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
)

// rig is a janitor over a store in memory, and the owner of one shard.
type rig struct {
	t     *testing.T
	cfg   Config
	store *watched
	told  *obstest.Recorder
	logs  *bytes.Buffer // read it when all are at rest
	epoch job.Epoch     // of the host table
	owner job.Epoch
	last  uint64 // batch of the owner
}

// watched is a store that counts its steps, and fails on demand.
type watched struct {
	*memory.Store
	mu    sync.Mutex
	fails error         // of every step from now on
	takes time.Duration // every step
	at    []time.Time   // of the steps
}

func (w *watched) Sweep(ctx context.Context, s store.Sweep) (store.Swept, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = append(w.at, time.Now())
	if w.takes > 0 {
		<-time.After(w.takes)
	}
	if w.fails != nil {
		return store.Swept{}, w.fails
	}
	return w.Store.Sweep(ctx, s)
}

func (w *watched) failing(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails = err
}

var pool = job.ShardID{Pool: "standard", N: 1}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, cfg: DefaultConfig(), store: &watched{Store: memory.New()}, told: obstest.New(t), logs: &bytes.Buffer{}}
	r.epoch, r.owner = r.claim(store.HostTable()), r.claim(pool)
	return r
}

func (r *rig) claim(shard job.ShardID) job.Epoch {
	r.t.Helper()
	epoch, err := r.store.Claim(r.t.Context(), shard, "s1")
	if err != nil {
		r.t.Fatal(err)
	}
	return epoch
}

// run starts the janitor; what it ends with comes when the context has ended, or
// before.
func (r *rig) run(ctx context.Context) <-chan error {
	ended := make(chan error, 1)
	j := New(r.cfg, r.store, slog.New(slog.NewTextHandler(r.logs, nil)), r.told.Telemetry())
	go func() { ended <- j.Run(ctx, r.epoch) }()
	return ended
}

// done accepts a job that is done now, with so many outcomes.
func (r *rig) done(n byte, tasks uint32) job.ID {
	r.t.Helper()
	now := time.Now().UTC()
	id := job.NewID(now, [10]byte{n})
	var list job.TargetsBuilder
	if err := list.Add("bj01", job.Target{Host: "h1", Incarnation: fleet.Incarnation{1}}); err != nil {
		r.t.Fatal(err)
	}
	targets, err := list.Build()
	if err != nil {
		r.t.Fatal(err)
	}
	b := store.JobBatch{
		ID: id,
		Create: &store.Create{
			Spec: job.Spec{ID: id, Pool: pool.Pool, Created: now}, Targets: targets, KeepUntil: now.Add(24*time.Hour + 5*time.Minute),
		},
		Persist: job.Persist{Row: &job.Row{State: job.Done, Revision: 1, DoneAt: now}},
	}
	for o := range tasks {
		b.Persist.Tasks = append(b.Persist.Tasks, job.TaskRow{Ordinal: o, Report: task.Report{Attempt: 1, State: task.Succeeded}})
	}
	r.last++
	results, err := r.store.Commit(r.t.Context(), []store.Batch{{Shard: pool, Epoch: r.owner, Number: r.last, Jobs: []store.JobBatch{b}}})
	if err != nil || results[0].Err != nil {
		r.t.Fatal(err, results)
	}
	return id
}

func (r *rig) purged(id job.ID) bool {
	r.t.Helper()
	_, err := r.store.GetJob(r.t.Context(), id)
	if err != nil && !errors.Is(err, store.ErrPurged) {
		r.t.Fatal(err)
	}
	return err != nil
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAJobGoesWhenItsAgeHasComeAndItsIDLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := r.run(ctx)
		id := r.done(1, 3)
		pass(r.cfg.Age - time.Minute)
		if r.purged(id) {
			t.Error("it went too early")
		}
		pass(2 * time.Minute)
		if !r.purged(id) {
			t.Error("it is there after its age has come")
		}
		at, err := r.store.LocateJob(t.Context(), id)
		if err != nil || time.Since(at.Removed) > 2*time.Minute {
			t.Errorf("it is known of it: %+v, %v", at, err)
		}
		pass(r.cfg.IDs)
		if _, err := r.store.LocateJob(t.Context(), id); !errors.Is(err, store.ErrPurged) {
			t.Errorf("its id: %v, want it forgotten", err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
		if got := r.told.Value(obs.RetainedJobs); got != 1 {
			t.Errorf("%d jobs were counted", got)
		}
		if text := r.logs.String(); strings.Count(text, "retention has removed jobs") != 1 || !strings.Contains(text, "jobs=1") {
			t.Errorf("the log says %q", text)
		}
	})
}

func TestAStoreThatHoldsTooMuchIsEmptiedDownToWhatItMayHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.cfg.Bytes = 100 << 10
		ctx, stop := context.WithCancel(t.Context())
		ended := r.run(ctx)
		var ids []job.ID
		for n := range byte(10) {
			ids = append(ids, r.done(n, 100))
			pass(time.Second)
		}
		pass(30 * time.Minute)
		for i, id := range ids {
			if r.purged(id) {
				t.Errorf("job %d went before retention.least", i)
			}
		}
		pass(32 * time.Minute)
		gone := 0
		for _, id := range ids {
			if r.purged(id) {
				gone++
			}
		}
		if gone == 0 || gone == len(ids) || !r.purged(ids[0]) || r.purged(ids[len(ids)-1]) {
			t.Errorf("%d of %d jobs went", gone, len(ids))
		}
		if size := r.told.Value(obs.StoreSize); size == 0 || size > r.cfg.Bytes {
			t.Errorf("the store is said to hold %d bytes, it may hold %d", size, r.cfg.Bytes)
		}
		if n := strings.Count(r.logs.String(), "holds more than retention.bytes"); n != 1 {
			t.Errorf("while nothing could go it was said %d times: %s", n, r.logs)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if r.told.Value(obs.StoreSize) != 0 {
			t.Error("a process that does not sweep any more still says how much the store holds")
		}
	})
}

func TestWhoSweepsRestsLongerThanItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.cfg.Step, r.store.takes = 10, 20*time.Millisecond
		for n := range byte(20) {
			r.done(n, 30)
		}
		pass(r.cfg.Age)
		ctx, stop := context.WithCancel(t.Context())
		ended := r.run(ctx)
		pass(10 * time.Second)
		stop()
		<-ended //nolint:errcheck // its pace is what counts
		if len(r.store.at) < 15 {
			t.Fatalf("%d steps", len(r.store.at))
		}
		for i := range r.store.at[1:] {
			if gap := r.store.at[i+1].Sub(r.store.at[i]); gap < 4*r.store.takes {
				t.Errorf("step %d began %s after the one before, which took %s", i+1, gap, r.store.takes)
			}
		}
	})
}

func TestWhoIsFencedEndsAndOtherFaultsCostTimeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.done(1, 3)
		pass(r.cfg.Age)
		r.store.failing(store.ErrUnavailable)
		ended := r.run(t.Context())
		pass(10 * time.Minute)
		if r.purged(id) {
			t.Fatal("a step that failed has removed a job")
		}
		r.store.failing(nil)
		pass(r.cfg.Interval)
		if !r.purged(id) {
			t.Error("it has not gone on")
		}
		text := r.logs.String()
		if strings.Count(text, "retention cannot remove jobs") != 1 || strings.Count(text, "removes jobs again") != 1 {
			t.Errorf("the log says %q", text)
		}
		second := r.done(2, 3)
		r.claim(store.HostTable()) // by another scheduler
		pass(2 * r.cfg.Age)
		select {
		case err := <-ended:
			if !errors.Is(err, store.ErrFenced) {
				t.Errorf("it ended with %v", err)
			}
		default:
			t.Error("it goes on, fenced")
		}
		if r.purged(second) {
			t.Error("who was fenced has removed a job")
		}
	})
}

func TestFaultsOfTheConfigAreToldAllAtOnce(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	kept := DefaultConfig()
	kept.Age = 0
	if err := kept.Validate(); err != nil {
		t.Errorf("jobs that are kept for ever: %v", err)
	}
	bad := Config{Age: time.Minute, Bytes: 1000, Least: time.Second, IDs: -1, Interval: time.Millisecond, Step: 1}
	err := bad.Validate()
	for _, key := range []string{"retention.age", "retention.bytes", "retention.least", "retention.ids", "retention.interval", "retention.step"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%v does not name %s", err, key)
		}
	}
	order := DefaultConfig()
	order.Age, order.Least = time.Hour, 2*time.Hour
	if err := order.Validate(); err == nil || !strings.Contains(err.Error(), "no more than retention.age") {
		t.Errorf("least over age: %v", err)
	}
}
