package shard

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
)

// poisoned makes machines panic whose note says so, when a host reports.
func poisoned(m *job.Machine, now time.Time, ev job.Event) error {
	if _, heard := ev.(job.Reported); heard && m.Spec().Note == "poison" {
		panic("poison")
	}
	return m.Step(now, ev)
}

func TestAJobThatCrashesItsShardTwiceIsSetAsideAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.step = poisoned
		good := r.accept(jobOf(t, 1, 2, ""))
		bad := r.accept(jobOf(t, 2, 2, "poison"))
		for range 2 {
			r.say(bad, 0, task.Succeeded)
		}
		if len(r.epochs) != 3 {
			t.Errorf("the shard was owned under %v, want three epochs", r.epochs)
		}
		stored, err := r.store.GetJob(t.Context(), bad)
		if err != nil || stored.Row.State != job.Quarantined {
			t.Errorf("the poisoned job is %s, %v", stored.Row.State, err)
		}
		if err := r.Read(t.Context(), bad, func(*job.Machine) {}); !errors.Is(err, job.ErrQuarantined) {
			t.Errorf("the poisoned job can be read: %v", err)
		}
		if _, err := r.Control(t.Context(), bad, job.Cancel{RequestID: "request-number-001"}); !errors.Is(err, job.ErrQuarantined) {
			t.Errorf("the poisoned job can be canceled: %v", err)
		}
		r.say(bad, 0, task.Succeeded)
		for i := range 2 {
			r.say(good, i, task.Succeeded)
		}
		if got := r.row(good); got.State != job.Done || len(r.all(good).Forget) != 2 {
			t.Errorf("the good job is %s, its hosts were told %v", got.State, r.all(good).Forget)
		}
		if len(r.epochs) != 3 {
			t.Errorf("the quarantined job goes on crashing the shard: %v", r.epochs)
		}
	})
}

func TestAJobThatCrashesItsShardOnceGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		crashed := false
		r.step = func(m *job.Machine, now time.Time, ev job.Event) error {
			if _, heard := ev.(job.Reported); heard && !crashed {
				crashed = true
				panic("once")
			}
			return m.Step(now, ev)
		}
		id := r.accept(jobOf(t, 1, 1, ""))
		r.say(id, 0, task.Succeeded)
		r.say(id, 0, task.Succeeded)
		if got := r.row(id); got.State != job.Done {
			t.Errorf("the job is %s", got.State)
		}
		if got := r.all(id); len(got.Dispatch) != 1 || len(got.Query) == 0 {
			t.Errorf("after the crash its host was not asked first: %+v", got)
		}
	})
}

func TestWhatIsNotDurableIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 1, ""))
		if _, err := r.store.Claim(t.Context(), r.ID(), "s2"); err != nil {
			t.Fatal(err)
		}
		r.say(id, 0, task.Succeeded)
		if got := r.all(id).Forget; len(got) != 0 {
			t.Errorf("a fenced owner let hosts forget %v", got)
		}
		if err := <-r.done; !errors.Is(err, store.ErrFenced) {
			t.Errorf("the fenced shard ended with %v", err)
		}
		r.done <- nil
		if _, err := r.Accept(t.Context(), jobOf(t, 2, 1, "")); !errors.Is(err, ErrNotOwner) {
			t.Errorf("a job for a shard that is not owned: %v", err)
		}
	})
}

func TestAReleaseThatIsNotDurableIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		if _, err := r.store.Claim(t.Context(), r.ID(), "s2"); err != nil {
			t.Fatal(err)
		}
		sub := jobOf(t, 1, 1, "")
		if _, err := r.Accept(t.Context(), sub); !errors.Is(err, ErrNotOwner) {
			t.Errorf("a fenced owner says of a new job: %v", err)
		}
		if got := r.all(sub.Create.Spec.ID).Dispatch; len(got) != 0 {
			t.Errorf("a fenced owner released %v", got)
		}
		if err := <-r.done; !errors.Is(err, store.ErrFenced) {
			t.Errorf("the fenced shard ended with %v", err)
		}
		r.done <- nil
	})
}

func TestAReportIsTakenFromItsHostAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 2, ""))
		right := mesh.Report{
			Job: id, Host: host(0), Ordinal: 0, Incarnation: fleet.Incarnation{1, 0},
			Report: task.Report{Attempt: 1, State: task.Succeeded},
		}
		for name, spoil := range map[string]func(m *mesh.Report){
			"no target":           func(m *mesh.Report) { m.Host = "stranger" },
			"another incarnation": func(m *mesh.Report) { m.Incarnation[5]++ },
			"an impossible state": func(m *mesh.Report) { m.Report.State = task.Skipped },
			"a later attempt":     func(m *mesh.Report) { m.Report.Attempt = 2 },
		} {
			wrong := right
			spoil(&wrong)
			if err := r.Reports(t.Context(), Heard{Reports: []mesh.Report{wrong}}); err != nil {
				t.Fatal(err)
			}
			if got := r.row(id).Counts.Of(task.Dispatched); got != 2 {
				t.Errorf("%s: %d tasks are still dispatched", name, got)
			}
		}
		if err := r.Reports(t.Context(), Heard{Reports: []mesh.Report{right}}); err != nil {
			t.Fatal(err)
		}
		if got := r.row(id).Counts.Of(task.Succeeded); got != 1 {
			t.Errorf("of the right report came %d outcomes", got)
		}
	})
}

func TestAHostIsBelievedWhoItIsWhateverItsOrdinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 2, ""))
		err := r.Reports(t.Context(), Heard{Reports: []mesh.Report{{ // as an agent says of a command that it cannot read
			Job: id, Host: host(1), Ordinal: 0, Incarnation: fleet.Incarnation{1, 1},
			Report: task.Report{Attempt: 1, State: task.Refused, Exit: task.Exit{Reason: task.Malformed}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.row(id).Counts; got.Of(task.Refused) != 1 || got.Of(task.Dispatched) != 1 {
			t.Errorf("the tasks are %v", got)
		}
		if got := r.all(id).Forget; len(got) != 1 || got[0] != 1 {
			t.Errorf("told to forget were %v", got)
		}
	})
}

func TestAReportOfAJobThatIsDoneIsAnsweredAndOfAnUnknownOneIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 1, ""))
		r.say(id, 0, task.Succeeded)
		time.Sleep(2 * keepDone)
		synctest.Wait()
		if err := r.Peek(t.Context(), id, func(*job.Machine) {}); !errors.Is(err, ErrNoJob) {
			t.Errorf("the job that is done is still in memory: %v", err)
		}
		r.say(id, 0, task.Succeeded)
		if got := r.all(id).Forget; len(got) != 2 {
			t.Errorf("the host that says it again was answered %v", got)
		}
		stranger := jobOf(t, 7, 1, "").Create.Spec.ID
		for range 3 {
			r.say(stranger, 0, task.Succeeded)
		}
		if got := r.all(stranger); !got.Empty() {
			t.Errorf("hosts were told %+v of a job that nobody knows", got)
		}
	})
}

func TestJobsThatAreDoneDoNotFillTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var ids []job.ID
		for i := range maxDone + 100 {
			id := r.accept(jobOf(t, i, 1, ""))
			ids = append(ids, id)
			r.say(id, 0, task.Succeeded)
		}
		kept := 0
		for _, id := range ids {
			if r.Peek(t.Context(), id, func(*job.Machine) {}) == nil {
				kept++
			}
		}
		if kept > maxDone || kept < maxDone/2 {
			t.Errorf("%d jobs that are done are in memory, at most %d may", kept, maxDone)
		}
	})
}

func TestTheSameIDInTwoPoolsIsOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		sub := jobOf(t, 1, 1, "")
		other := job.ShardID{Pool: "critical", N: 1}
		epoch, err := r.store.Claim(t.Context(), other, "s9")
		if err != nil {
			t.Fatal(err)
		}
		create := sub.Create
		create.Spec.Pool = "critical"
		create.Digest[0]++
		first := job.New(create.Spec, create.Targets)
		_, err = r.store.Commit(t.Context(), []store.Batch{{Shard: other, Epoch: epoch, Number: 1, Jobs: []store.JobBatch{
			{ID: create.Spec.ID, Create: &create, Persist: first.Ready().Persist},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Accept(t.Context(), sub); !errors.Is(err, ErrOtherBody) {
			t.Errorf("another body under an id of another pool: %v", err)
		}
		if got := r.all(create.Spec.ID); !got.Empty() {
			t.Errorf("hosts were told %+v of a job that was never accepted", got)
		}
		sub.Create.Digest = create.Digest
		got, err := r.Accept(t.Context(), sub)
		if err != nil || !got.Existed || got.Spec.Pool != "critical" {
			t.Errorf("the same body under the id: %+v, %v", got, err)
		}
		var elsewhere *ElsewhereError
		if err := r.Read(t.Context(), create.Spec.ID, func(*job.Machine) {}); !errors.As(err, &elsewhere) || elsewhere.Shard != other {
			t.Errorf("a job of another shard can be read here: %v", err)
		}
	})
}

func TestWhatAnAggregatorCouldNotDoIsDoneAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 3, ""))
		r.say(id, 0, task.Running)
		for _, c := range []struct {
			name string
			ret  mesh.Returns
			want int // dispatches after a while
		}{
			{"not known", mesh.Returns{NotKnown: []uint32{2}}, 1},
			{"not here", mesh.Returns{NotHere: []uint32{1}}, 1},
			{"payload lost", mesh.Returns{Via: "agg", NeedPayload: true}, 2},
			{"payload lost elsewhere", mesh.Returns{Via: "other", NeedPayload: true}, 0},
			{"nonsense", mesh.Returns{NotKnown: []uint32{99}, NotHere: []uint32{99}}, 0},
		} {
			before := len(r.all(id).Dispatch)
			c.ret.Job = id
			if err := r.Returned(t.Context(), c.ret); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := len(r.all(id).Dispatch) - before; got != c.want {
				t.Errorf("%s: %d tasks were dispatched again, want %d", c.name, got, c.want)
			}
		}
	})
}

func TestAHostThatComesLateIsReleasedThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.away[host(1)] = true
		id := r.accept(jobOf(t, 1, 2, ""))
		if got := r.all(id).Dispatch; len(got) != 1 {
			t.Errorf("released were %v", got)
		}
		r.mu.Lock()
		r.away[host(1)] = false
		r.mu.Unlock()
		if err := r.HostsChanged(t.Context(), []fleet.HostID{"stranger", host(1)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.all(id).Dispatch; len(got) != 2 || got[1].Ordinal != 1 {
			t.Errorf("released were %v", got)
		}
	})
}

func TestTimePassesForEveryJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.away[host(0)] = true
		var ids []job.ID
		for i := range 5 {
			sub := jobOf(t, i, 1, "")
			sub.Create.Spec.StartBy = time.Now().Add(time.Duration(5-i) * time.Minute)
			ids = append(ids, r.accept(sub))
		}
		for i := range 5 {
			time.Sleep(time.Minute + time.Second)
			synctest.Wait()
			stored, err := r.store.GetJob(t.Context(), ids[4-i])
			if err != nil || stored.Row.State != job.Done || stored.Row.Counts.Of(task.Expired) != 1 {
				t.Errorf("after %d minutes the job is %s, %v", i+1, stored.Row.State, err)
			}
		}
	})
}

func TestPastWIsCertainOnlyUnderTheGenerationThatReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		pastW := func(id job.ID) {
			err := r.Reports(t.Context(), Heard{Reports: []mesh.Report{{Job: id, Host: host(0), Incarnation: fleet.Incarnation{1, 0}, PastW: true}}})
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		before := r.accept(jobOf(t, 1, 1, ""))
		sure := r.accept(jobOf(t, 2, 1, ""))
		pastW(sure)
		if got := r.row(sure).Counts; got.Of(task.Expired) != 1 {
			t.Errorf("a task that was never started is %v", got)
		}
		if _, err := r.store.RaiseGeneration(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Accept(t.Context(), jobOf(t, 3, 1, "")); !errors.Is(err, ErrNotOwner) {
			t.Errorf("an owner of the old generation has written: %v", err)
		}
		<-r.done //nolint:errcheck // its end is what counts
		go func() { r.done <- r.Run(t.Context()) }()
		synctest.Wait()
		pastW(before)
		if got := r.row(before).Counts; got.Of(task.Lost) != 1 {
			t.Errorf("a task of the generation before is %v", got)
		}
		submittedAgain := r.accept(jobOf(t, 4, 1, "")) // the store has lost it, and its host has run it
		pastW(submittedAgain)
		if got := r.row(submittedAgain).Counts; got.Of(task.Lost) != 1 {
			t.Errorf("a task of a job that may have a history is %v", got)
		}
	})
}

func TestWhoDoesNotWaitIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.accept(jobOf(t, 1, 1, ""))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Watch(ctx, id); err == nil {
			t.Error("a watch that nobody wants was begun")
		}
		r.say(id, 0, task.Succeeded)
		time.Sleep(2 * keepDone)
		synctest.Wait()
		if err := r.Peek(t.Context(), id, func(*job.Machine) {}); !errors.Is(err, ErrNoJob) {
			t.Errorf("a viewer that is gone keeps the job in memory: %v", err)
		}
	})
}

func TestARecordThatMakesNoSenseIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		good := r.accept(jobOf(t, 1, 1, ""))
		bad := r.accept(jobOf(t, 2, 1, ""))
		epoch, err := r.store.Claim(t.Context(), r.ID(), "a bug")
		if err != nil {
			t.Fatal(err)
		}
		row := r.row(bad)
		row.Revision++
		_, err = r.store.Commit(t.Context(), []store.Batch{{Shard: r.ID(), Epoch: epoch, Number: 1, Jobs: []store.JobBatch{
			{ID: bad, Persist: job.Persist{Row: &row, Tasks: []job.TaskRow{{Ordinal: 0, Report: task.Report{Attempt: 1, State: task.Pending}}}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		r.say(good, 0, task.Running) // nothing to write
		r.say(good, 0, task.Succeeded)
		<-r.done //nolint:errcheck // its end is what counts
		go func() { r.done <- r.Run(t.Context()) }()
		synctest.Wait()
		stored, err := r.store.GetJob(t.Context(), bad)
		if err != nil || stored.Row.State != job.Quarantined {
			t.Errorf("the job that makes no sense is %s, %v", stored.Row.State, err)
		}
		r.say(good, 0, task.Succeeded)
		if got := r.row(good); got.State != job.Done {
			t.Errorf("the good job is %s", got.State)
		}
	})
}

func TestAJobThatCannotBeDecodedIsSetAsideAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		bad := r.accept(jobOf(t, 1, 1, ""))
		good := r.accept(jobOf(t, 2, 1, ""))
		r.store.Damage(bad)
		if _, err := r.store.Claim(t.Context(), r.ID(), "another"); err != nil {
			t.Fatal(err)
		}
		r.say(good, 0, task.Succeeded) // cannot be written any more
		<-r.done                       //nolint:errcheck // its end is what counts
		go func() { r.done <- r.Run(t.Context()) }()
		synctest.Wait()
		r.say(good, 0, task.Succeeded)
		if got := r.row(good); got.State != job.Done {
			t.Errorf("the good job is %s", got.State)
		}
		if err := r.Read(t.Context(), bad, func(*job.Machine) {}); !errors.Is(err, job.ErrQuarantined) {
			t.Errorf("the bad job: %v, want it set aside", err)
		}
	})
}

func TestOutputsAreFetchedForAnOutcomeThatMayReplaceWhatWasConcluded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mu.Lock()
		r.away[host(0)] = true
		r.mu.Unlock()
		id := r.accept(jobOf(t, 1, 1, ""))
		time.Sleep(time.Hour)
		synctest.Wait()
		if row := r.row(id); row.Counts.Of(task.Expired) != 1 {
			t.Fatalf("the task of a host that was away is not expired: %+v", row)
		}
		if r.Final(t.Context(), id, host(0), 1) {
			t.Error("what the scheduler has concluded counts as the host's word")
		}
		r.say(id, 0, task.Succeeded)
		if row := r.row(id); row.Counts.Of(task.Succeeded) != 1 || !r.Final(t.Context(), id, host(0), 1) {
			t.Errorf("the host's word does not count: %+v", row)
		}
	})
}

func TestACrashNamesItsJob(t *testing.T) {
	err := error(&crashError{job: job.NewID(time.Now(), [10]byte{}), value: "boom"})
	if !strings.Contains(err.Error(), "boom") {
		t.Errorf("%v", err)
	}
}
