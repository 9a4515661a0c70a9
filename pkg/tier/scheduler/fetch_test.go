package scheduler

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/state/store/memory"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// slowRooms is rooms of which one does not send outputs.
type slowRooms struct {
	rooms
	asked chan fleet.Via // takes all
}

func (s slowRooms) FetchBlob(ctx context.Context, via fleet.Via, digest [32]byte, size uint64) ([]byte, error) {
	s.asked <- via
	if via == "slow" {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return s.rooms.FetchBlob(ctx, via, digest, size)
}

// large is a report whose outputs have the greatest size.
func large(id job.ID, via fleet.Via, outputs ...byte) mesh.Batch {
	r := mesh.Report{Job: id, Pool: "standard", Host: hostName(0), Report: task.Report{Attempt: 1, State: task.Succeeded}}
	for _, n := range outputs {
		r.Detail.Outputs = append(r.Detail.Outputs, job.OutputRef{Stream: job.Stdout, Digest: [32]byte{n}, Size: maxOutput})
	}
	return mesh.Batch{Via: via, Class: "standard", Reports: []mesh.Report{r}}
}

func TestASlowRoomHoldsUpTheReportsOfNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 2)
		r.whole(r.last, 4)
		s := r.last.Scheduler
		asked := make(chan fleet.Via, 1000)
		s.rooms = slowRooms{rooms: s.rooms, asked: asked}
		r.world.does = runsOn
		id := r.run().id
		began := time.Now()
		for n := range byte(100) {
			sink{s}.Reports(t.Context(), large(id, "slow", n+1))
		}
		synctest.Wait()
		sink{s}.Reports(t.Context(), large(id, "fine", 200))
		synctest.Wait()
		for fine := false; !fine; {
			select {
			case via := <-asked:
				fine = via == "fine"
			default:
				t.Fatal("an output of another room is not fetched")
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the streams were held up for %s", took)
		}
	})
}

func TestAReportWithMoreOutputsThanThereIsRoomForIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		s := r.last.Scheduler
		asked := make(chan fleet.Via, 1000)
		s.rooms = slowRooms{rooms: s.rooms, asked: asked}
		r.world.does = runsOn
		sink{s}.Reports(t.Context(), large(r.run().id, "fine", 1, 2, 3, 4, 5))
		synctest.Wait()
		if len(asked) == 0 {
			t.Error("its outputs wait for ever")
		}
	})
}

func TestAnAggregatorWithTooManyReportsThatWaitIsMadeToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.whole(r.last, 4)
		s := r.last.Scheduler
		s.rooms = slowRooms{rooms: s.rooms, asked: make(chan fleet.Via, 1<<16)}
		r.world.does = runsOn
		id := r.run().id
		ctx, cancel := context.WithCancel(t.Context())
		taken := make(chan int, 1)
		go func() {
			n := 0
			for ; ctx.Err() == nil && n < 2*maxWaiting; n++ {
				sink{s}.Reports(ctx, large(id, "slow", 1))
			}
			taken <- n
		}()
		synctest.Wait()
		cancel()
		if n := <-taken; n > maxWaiting+1 {
			t.Errorf("%d reports were taken that wait for outputs, want %d", n, maxWaiting)
		}
	})
}

// unreadable is a store from which single jobs cannot be read for a while.
type unreadable struct {
	*memory.Store
	now atomic.Bool
}

func (s *unreadable) LoadJob(ctx context.Context, id job.ID) (store.Record, error) {
	if s.now.Load() {
		return store.Record{}, store.ErrUnavailable
	}
	return s.Store.LoadJob(ctx, id)
}

func TestALateOutcomeIsTakenInTheEndWhateverFailsAtFirst(t *testing.T) {
	for name, fail := range map[string]func(r *rig, s *unreadable) (mend func()){
		"its job cannot be read": func(_ *rig, s *unreadable) func() {
			s.now.Store(true)
			return func() { s.now.Store(false) }
		},
		"its output cannot be fetched": func(r *rig, _ *unreadable) func() {
			r.world.mu.Lock()
			defer r.world.mu.Unlock()
			r.world.fetchFaults = 2 * fetchTries
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				s := &unreadable{Store: r.store}
				r.startWith("s1", func(d *Deps) { d.Store = s })
				r.addHost(hostName(0))
				o := r.run()
				time.Sleep(90 * time.Minute) // the job gives up, and leaves the memory
				if got := counts(r.done(o.id)); got["EXPIRED"] != 1 {
					t.Fatalf("the task of a host that is away is %v", got)
				}
				mend := fail(r, s)
				r.world.mu.Lock() // the command had arrived
				r.world.hosts[hostName(0)].tasks[o.id] = &fakeTask{pool: "standard", report: task.Report{Attempt: 1, State: task.Running}}
				r.world.mu.Unlock()
				r.world.finish(hostName(0), o.id, outcome{state: task.Failed, exit: task.Exit{Code: 9}, output: []byte("late\n"), big: true})
				r.world.attach(hostName(0))
				time.Sleep(5 * time.Second)
				mend()
				time.Sleep(time.Minute)
				if got := counts(r.job(o.id)); got["FAILED"] != 1 || r.world.task(hostName(0), o.id).forgotten == 0 {
					t.Errorf("the late outcome is lost: %v", got)
				}
			})
		})
	}
}

// TestOutputsOfALaterAttemptAreFetchedAlthoughTheTaskWasLost is for an owner that
// a restored store has made forget that it had raised the attempt.
func TestOutputsOfALaterAttemptAreFetchedAlthoughTheTaskWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := pool(t, 1)
		r.world.does = runsOn
		o := r.order()
		o.payload.RerunUntil = time.Now().Add(time.Second)
		o.payload.Command.Recovery, o.payload.Command.MaxAttempts = capsule.RecoveryRerun, 2
		r.submit(o)
		r.until("running task", func() bool { return counts(r.job(o.id))["RUNNING"] == 1 })
		time.Sleep(time.Minute) // no other attempt is made any more
		r.world.finish(hostName(0), o.id, outcome{state: task.Lost, exit: task.Exit{Reason: task.SupervisorLost}})
		if got := counts(r.done(o.id)); got["LOST"] != 1 {
			t.Fatalf("the task is %v", got)
		}
		r.world.mu.Lock()
		tk := r.world.hosts[hostName(0)].tasks[o.id]
		tk.report.Attempt, tk.forgotten = 2, 0
		r.world.mu.Unlock()
		r.world.finish(hostName(0), o.id, outcome{state: task.Failed, exit: task.Exit{Code: 9}, output: []byte("second\n"), big: true})
		r.until("later outcome", func() bool { return counts(r.job(o.id))["FAILED"] == 1 })
		listed := r.tasks(o.id, func(req *accessv1.ListTasksRequest) {
			req.States = []typesv1.TaskState{typesv1.TaskState_TASK_STATE_FAILED}
		})
		if len(listed) != 1 || listed[0].GetResult().GetStatus().GetAttempt() != 2 || len(listed[0].GetResult().GetOutputs()) != 1 {
			t.Fatalf("listed are %v", listed)
		}
		if got, err := r.output(o.id, listed[0].GetResult().GetOutputs()[0].GetDigest()); err != nil || string(got) != "second\n" {
			t.Errorf("its output is %q, %v", got, err)
		}
	})
}
