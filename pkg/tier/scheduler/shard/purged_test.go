package shard

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// removeDone removes every job that is done from the store, as retention does;
// with ids, their ids as well.
func (r *rig) removeDone(ids bool) {
	r.t.Helper()
	epoch, err := r.store.Claim(r.t.Context(), store.HostTable(), "janitor")
	if err != nil {
		r.t.Fatal(err)
	}
	sw := store.Sweep{Epoch: epoch, Now: time.Now(), Age: 1, IDs: time.Hour, Limit: 1000}
	if ids {
		sw.Now = sw.Now.Add(100 * 24 * time.Hour)
	}
	if _, err := r.store.Sweep(r.t.Context(), sw); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) toldToForget(id job.ID) []fleet.HostID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.strays[id])
}

// unknownAt is a job of which one of n tasks is UNKNOWN.
func (r *rig) unknownAt(sub Submission, n int) job.ID {
	r.t.Helper()
	id := r.accept(sub)
	for i := 1; i < n; i++ {
		r.say(id, i, task.Succeeded)
	}
	r.pass(2 * time.Hour) // its deadline
	if row := r.row(id); row.State != job.Done || row.Counts.Of(task.Unknown) != 1 {
		r.t.Fatalf("the job is %s, %d unknown", row.State, row.Counts.Of(task.Unknown))
	}
	return id
}

func TestAHostThatReportsAJobOfLongAgoIsToldToForgetIt(t *testing.T) {
	for name, ids := range map[string]bool{"whose id is known": false, "whose id is forgotten": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				id := r.unknownAt(jobOf(t, 1, 3, ""), 3)
				r.pass(2 * keepDone)
				r.removeDone(false)
				if ids {
					r.removeDone(true)
				}
				r.say(id, 0, task.Running)
				if told := r.toldToForget(id); len(told) != 0 {
					t.Errorf("%v were told to forget what has not ended", told)
				}
				for range 2 { // the first Forget is lost
					r.say(id, 0, task.Failed)
				}
				if told := r.toldToForget(id); !slices.Equal(told, []fleet.HostID{host(0), host(0)}) {
					t.Errorf("told to forget were %v", told)
				}
				if !r.Final(t.Context(), id, host(0), 1) {
					t.Error("outputs of a job that is gone are fetched")
				}
				r.wantCounts(map[obs.Name]int64{obs.ReportsStray: 2})
				if len(r.epochs) != 1 {
					t.Errorf("the shard was loaded %d times", len(r.epochs))
				}
			})
		})
	}
}

func TestAHostThatReportsAJobThatNobodyKnowsKeepsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.unknownAt(jobOf(t, 1, 3, ""), 3)
		r.pass(2 * keepDone)
		r.removeDone(false)
		r.removeDone(true)
		// It was accepted later than all that retention has removed.
		lost := jobOf(t, 2, 1, "").Create.Spec.ID
		r.say(lost, 0, task.Succeeded)
		if told := r.toldToForget(lost); len(told) != 0 {
			t.Errorf("%v were told to forget it", told)
		}
		if n := r.told.Value(obs.ReportsStray, "reason=unknown"); n != 1 {
			t.Errorf("%d alarms were counted", n)
		}
	})
}

func TestLateTruthOfAJobThatWasRemovedMeanwhileDropsItAndHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.unknownAt(jobOf(t, 1, 3, ""), 3)
		other := r.accept(jobOf(t, 2, 1, ""))
		r.row(id) // it is in memory
		r.removeDone(false)
		r.say(id, 0, task.Failed)
		if got := r.all(id).Forget; !slices.Contains(got, 0) {
			t.Errorf("told to forget were %v, want the host that came late as well", got)
		}
		err := r.Read(t.Context(), id, func(*job.Machine) { t.Error("it was shown") })
		if !errors.Is(err, store.ErrPurged) {
			t.Errorf("it is read: %v", err)
		}
		if len(r.epochs) != 1 {
			t.Errorf("the shard was loaded %d times", len(r.epochs))
		}
		r.say(other, 0, task.Succeeded)
		if row := r.row(other); row.State != job.Done {
			t.Errorf("the other job is %s", row.State)
		}
	})
}

func TestWhoAsksWhileAJobGoesIsToldThatItHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.unknownAt(jobOf(t, 1, 3, ""), 3)
		r.row(id)
		r.removeDone(false)
		serving := r.now.Load()
		ask := &question{id: id, load: true, see: func(*tenure, *held) { t.Error("it was shown") }, done: make(chan error, 1)}
		late := Heard{Reports: []mesh.Report{{
			Job: id, Pool: "standard", Host: host(0), Incarnation: fleet.Incarnation{1, 0}, Report: task.Report{Attempt: 1, State: task.Failed},
		}}}
		if err := r.Reports(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		serving.in <- ask // in the same round, or soon after
		if err := <-ask.done; !errors.Is(err, store.ErrPurged) {
			t.Errorf("who asked in that moment is told %v", err)
		}
	})
}

func TestAnIDOfAJobThatWasRemovedIsRefused(t *testing.T) {
	for name, ids := range map[string]bool{"whose id is known": false, "whose id is forgotten": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				sub := jobOf(t, 1, 3, "")
				id := r.unknownAt(sub, 3)
				r.pass(2 * keepDone)
				r.removeDone(false)
				if ids {
					r.removeDone(true)
				}
				_, err := r.Accept(t.Context(), sub)
				if !errors.Is(err, ErrUsed) || !strings.Contains(err.Error(), "removed by retention") {
					t.Errorf("%v, want that its id was used", err)
				}
				if live, _ := r.Load(); live != 0 {
					t.Errorf("%d jobs are live after it", live)
				}
				r.say(id, 0, task.Failed)
				if told := r.toldToForget(id); len(told) != 1 {
					t.Errorf("told to forget were %v", told)
				}
			})
		})
	}
}

func TestAJobThatIsAskedForAllTheTimeLeavesMemoryAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.unknownAt(jobOf(t, 1, 3, ""), 3)
		r.row(id)
		r.removeDone(false)
		for range int(stayDone/keepDone)*2 + 4 {
			r.pass(keepDone / 2)
			err := r.Peek(t.Context(), id, func(*job.Machine) {})
			if errors.Is(err, ErrNoJob) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("it is in memory for ever, and the store has removed it")
	})
}

func TestAJobOfWhichNothingCouldBeHeardAndThatIsGoneIsAskedForNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.unknownAt(jobOf(t, 1, 3, ""), 3)
		r.pass(2 * keepDone)
		r.removeDone(false)
		before := len(r.all(id).Query) // while it waited for the host
		if err := r.Again(t.Context(), id, host(0)); err != nil {
			t.Fatal(err)
		}
		r.pass(10 * lastAgain)
		if asked := r.all(id).Query[before:]; len(asked) != 0 {
			t.Errorf("asked were %v", asked)
		}
		r.say(id, 0, task.Failed)
		if told := r.toldToForget(id); len(told) != 1 {
			t.Errorf("told to forget were %v", told)
		}
	})
}

func TestAJobThatIsDoneStaysInMemoryAsLongAsItIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.unknownAt(jobOf(t, 1, 3, ""), 3)
		w, err := r.Watch(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		r.pass(3*stayDone + time.Second)
		if err := r.Peek(t.Context(), id, func(*job.Machine) {}); err != nil {
			t.Errorf("it is watched, and not in memory: %v", err)
		}
		w.Close()
		r.pass(2 * stayDone)
		if err := r.Peek(t.Context(), id, func(*job.Machine) {}); !errors.Is(err, ErrNoJob) {
			t.Errorf("nobody watches it any more: %v", err)
		}
	})
}
