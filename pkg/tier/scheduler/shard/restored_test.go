package shard

import (
	"context"
	"errors"
	"slices"
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

func TestAnOwnerWithNothingToWriteLearnsThatItOwnsNothingAnyMore(t *testing.T) {
	for name, take := range map[string]func(context.Context, *rig) error{
		"the store was restored": func(ctx context.Context, r *rig) error {
			_, err := r.store.RaiseGeneration(ctx)
			return err
		},
		"another has claimed it": func(ctx context.Context, r *rig) error {
			_, err := r.store.Claim(ctx, r.ID(), "s2")
			return err
		},
	} {
		for what, jobs := range map[string]int{"no job": 0, "a job that runs": 1} {
			t.Run(name+", "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					for n := range jobs {
						r.say(r.accept(jobOf(t, n, 1, "")), 0, task.Running)
					}
					r.pass(10 * proveEvery)
					if len(r.epochs) != 1 {
						t.Errorf("while it was the owner it was so under %v", r.epochs)
					}
					if err := take(t.Context(), r); err != nil {
						t.Fatal(err)
					}
					r.pass(proveEvery + time.Second)
					select {
					case err := <-r.done:
						if !errors.Is(err, store.ErrFenced) {
							t.Errorf("it ended with %v", err)
						}
						r.done <- nil
					default:
						t.Error("it goes on")
					}
				})
			})
		}
	}
}

func TestAnOwnerThatIsToProveItAsksTheStoreAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Prove()
		r.pass(time.Second)
		if len(r.epochs) != 1 {
			t.Errorf("the owner was so under %v", r.epochs)
		}
		if _, err := r.store.Claim(t.Context(), r.ID(), "s2"); err != nil {
			t.Fatal(err)
		}
		r.Prove()
		r.pass(time.Millisecond)
		select {
		case err := <-r.done:
			if !errors.Is(err, store.ErrFenced) {
				t.Errorf("it ended with %v", err)
			}
			r.done <- nil
		default:
			t.Error("it goes on")
		}
	})
}

// oneByOne is a job of which one task may be in flight.
func oneByOne(t *testing.T, nth, n int) Submission {
	t.Helper()
	sub := jobOf(t, nth, n, "")
	sub.Create.Spec.Rollout.Concurrency = job.Amount{Count: 1}
	return sub
}

func TestHostsThatSpokeOfAJobBeforeItWasThereAreAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		lost := oneByOne(t, 1, 3)
		for _, i := range []int{1, 2, 2} {
			r.say(lost.Create.Spec.ID, i, task.Succeeded)
		}
		id := r.accept(lost)
		if got := r.all(id).Query; !slices.Equal(got, []uint32{1, 2}) { // the release of the first is answered as well
			t.Errorf("asked were %v", got)
		}
		for _, i := range []int{1, 2, 0} {
			r.say(id, i, task.Succeeded)
		}
		if row := r.row(id); row.State != job.Done || row.Counts.Of(task.Succeeded) != 3 || len(r.all(id).Dispatch) != 1 {
			t.Errorf("the job is %s with %v, dispatched were %v", row.State, row.Counts, r.all(id).Dispatch)
		}
		if got := r.all(r.accept(oneByOne(t, 2, 3))).Query; len(got) != 0 {
			t.Errorf("of a job that is new %v were asked", got)
		}
	})
}

func TestHostsAreAskedAgainHoweverManyJobsWereLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		lost := oneByOne(t, 1, 2)
		r.say(lost.Create.Spec.ID, 1, task.Succeeded)
		for n := range 2 * maxUnknown {
			r.say(job.NewID(time.Now(), [10]byte{1, byte(n), byte(n >> 8)}), 0, task.Succeeded)
		}
		if got := r.all(r.accept(lost)).Query; !slices.Equal(got, []uint32{1}) {
			t.Errorf("asked were %v", got)
		}
	})
}

func TestAHostWhoseOutputCouldNotBeHadIsAskedAgainOnceItsJobIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		lost := oneByOne(t, 1, 2)
		if err := r.Again(t.Context(), lost.Create.Spec.ID, host(1)); err != nil {
			t.Fatal(err)
		}
		r.pass(2 * firstAgain)
		if got := r.all(r.accept(lost)).Query; !slices.Equal(got, []uint32{1}) {
			t.Errorf("asked were %v", got)
		}
	})
}

func TestNobodyIsAskedOfAJobWhoseIDIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub := oneByOne(t, 1, 2)
		r.say(sub.Create.Spec.ID, 1, task.Succeeded)
		other := job.ShardID{Pool: "critical", N: 1}
		epoch, err := r.store.Claim(t.Context(), other, "s9")
		if err != nil {
			t.Fatal(err)
		}
		create := sub.Create
		create.Spec.Pool = other.Pool
		first := job.New(create.Spec, create.Targets)
		_, err = r.store.Commit(t.Context(), []store.Batch{{Shard: other, Epoch: epoch, Number: 1, Jobs: []store.JobBatch{
			{ID: create.Spec.ID, Create: &create, Persist: first.Ready().Persist},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Accept(t.Context(), sub); err != nil || !got.Existed {
			t.Errorf("the job is %+v, %v", got, err)
		}
		if got := r.all(sub.Create.Spec.ID); !got.Empty() {
			t.Errorf("hosts were told %+v", got)
		}
	})
}

// TestALaterAttemptReplacesTheLostBeforeIt is for an owner that a restored store
// has made forget that it had raised the attempt.
func TestALaterAttemptReplacesTheLostBeforeIt(t *testing.T) {
	for name, away := range map[string]time.Duration{"at once": 0, "after the job has left the memory": 2 * keepDone} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				sub := jobOf(t, 1, 1, "")
				sub.Create.Spec.MaxAttempts = 2 // none is made any more: RerunUntil has passed
				id := r.accept(sub)
				says := func(attempt uint32, state task.State, why task.Reason) {
					err := r.Reports(t.Context(), Heard{Reports: []mesh.Report{{
						Job: id, Pool: "standard", Host: host(0), Incarnation: fleet.Incarnation{1, 0},
						Report: task.Report{Attempt: attempt, State: state, Exit: task.Exit{Reason: why}},
						Detail: job.Detail{Message: "said by the host"},
					}}})
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				says(1, task.Lost, task.Rebooted)
				if row := r.row(id); row.State != job.Done || row.Counts.Of(task.Lost) != 1 {
					t.Fatalf("the job is %s with %v", row.State, row.Counts)
				}
				r.wantLoad(0, 0)
				if !r.Final(t.Context(), id, host(0), 1) || r.Final(t.Context(), id, host(0), 2) {
					t.Error("the outputs of the later attempt would not be fetched, or those of the first would")
				}
				before := r.row(id).Revision
				r.pass(away)
				w, err := r.Watch(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				says(2, task.Succeeded, task.NoReason)

				select {
				case <-w.Changed():
				default:
					t.Error("who watches was not told")
				}
				row := r.row(id)
				if row.State != job.Done || row.Counts.Of(task.Lost) != 0 || row.Counts.Of(task.Succeeded) != 1 || row.Revision <= before {
					t.Errorf("the job is %s with %v at revision %d, before it was %d", row.State, row.Counts, row.Revision, before)
				}
				r.wantLoad(0, 0)
				r.wantCounts(map[obs.Name]int64{obs.JobsDone: 1, obs.TasksReleased: 1}, "class=standard")
				r.wantCounts(map[obs.Name]int64{obs.TasksSettled: 1}, "class=standard", "outcome=SUCCEEDED")
				var why []job.Cause
				if err := r.ReadNow(t.Context(), id, func(m *job.Machine) { why = m.Explain(0) }); err != nil {
					t.Fatal(err)
				}
				if len(why) != 1 || why[0].Code != job.CauseSettled || why[0].Seen.State != task.Succeeded || why[0].Concluded {
					t.Errorf("it is explained by %+v", why)
				}
				rows, err := r.store.Tasks(t.Context(), id, store.TaskQuery{})
				if err != nil || len(rows) != 1 || rows[0].Report != (task.Report{Attempt: 2, State: task.Succeeded}) || rows[0].Revision != row.Revision {
					t.Errorf("in the store is %+v, %v", rows, err)
				}
				if !r.Final(t.Context(), id, host(0), 2) {
					t.Error("the later attempt is not final")
				}
			})
		})
	}
}
