package shard

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// pass lets the bubble's time pass.
func (*rig) pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func (r *rig) setAway(i int, away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away[host(i)] = away
}

// expired is a job that is out of memory, and whose host was never seen.
func (r *rig) expired() job.ID {
	r.t.Helper()
	r.setAway(0, true)
	id := r.accept(jobOf(r.t, 1, 1, ""))
	r.pass(2 * time.Hour)
	if err := r.Peek(r.t.Context(), id, func(*job.Machine) {}); !errors.Is(err, ErrNoJob) {
		r.t.Fatalf("the job that is done is still in memory: %v", err)
	}
	return id
}

func TestALateOutcomeIsAskedForAgainWhenItsJobCouldNotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.expired()
		r.setAway(0, false)
		r.store.away.Store(true)
		r.say(id, 0, task.Succeeded)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := r.all(id).Query; len(got) != 0 {
			t.Errorf("hosts were asked %v for a job that cannot be read", got)
		}
		r.store.away.Store(false)
		time.Sleep(lastAgain + time.Second)
		synctest.Wait()
		asked := len(r.all(id).Query)
		if asked == 0 {
			t.Error("its host was not asked again")
		}
		r.say(id, 0, task.Succeeded)
		if got := r.row(id).Counts; got.Of(task.Succeeded) != 1 {
			t.Errorf("the late outcome is lost: %v", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := r.all(id).Query; len(got) != asked {
			t.Errorf("a host that was heard is asked again: %v", got)
		}
	})
}

// A job that is done stays in memory for a while, and longer if somebody looks at it.
// What it holds to be UNKNOWN comes back to that one, and not to a job that is read.
func TestAJobThatIsDoneHearsOfAHostThatIsBackWhileItIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 1, ""))
		r.say(id, 0, task.Running)
		r.setAway(0, true)
		if err := r.HostsChanged(t.Context(), []fleet.HostID{host(0)}); err != nil {
			t.Fatal(err)
		}
		for r.row(id).State != job.Done {
			r.pass(30 * time.Second)
		}
		before := len(r.all(id).Wishes)
		r.setAway(0, false)
		if err := r.HostsChanged(t.Context(), []fleet.HostID{host(0)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.all(id); len(got.Wishes) != before+1 || len(got.Query) == 0 {
			t.Errorf("its host is back and is told %+v", got)
		}
		r.say(id, 0, task.Canceled)
		if got := r.row(id).Counts.Of(task.Canceled); got != 1 || r.late.Load() != 0 {
			t.Errorf("%d canceled, and %d jobs wait for late truth", got, r.late.Load())
		}
	})
}

func TestAHostIsAskedAgainUntilItIsHeardOrHasNothingToSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.expired()
		r.setAway(0, false)
		for _, name := range []fleet.HostID{host(0), "stranger"} {
			if err := r.Again(t.Context(), id, name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := r.all(id).Query; len(got) < 2 {
			t.Errorf("a host that does not answer was asked %v", got)
		}
		if err := r.Returned(t.Context(), mesh.Returns{Via: "agg", Job: id, NotKnown: []uint32{0, 7}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		asked := len(r.all(id).Query)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := r.all(id).Query; len(got) != asked {
			t.Errorf("a host that knows nothing is asked again: %v", got)
		}
	})
}

func TestWhenTooManyAreToBeAskedAgainEverybodyIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for i := range maxAgain + 1 {
			if err := r.Again(t.Context(), job.NewID(time.Now(), [10]byte{1}), host(i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * reloadPause)
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.epochs) != 2 { // a new epoch makes all rooms say everything again
			t.Errorf("the shard was owned under %v, want two epochs", r.epochs)
		}
	})
}
