package shard

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/commit"
)

// line is a shard and its owners, one process after the other. A process that
// dies does nothing more: it stands still where it is until the test ends.
type line struct {
	*rig
	died  atomic.Int64
	grave chan struct{}
	stops []func()                                // of the processes after the first
	ends  []func()                                // wait for them
	kill  func(m *job.Machine, ev job.Event) bool // whether a step ends the process
	hand  chan struct{}                           // that the next process has for all its shards
}

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{rig: newRig(t), grave: make(chan struct{}), kill: func(*job.Machine, job.Event) bool { return false }}
	l.step = l.mortal
	t.Cleanup(func() {
		for _, stop := range l.stops {
			stop()
		}
		close(l.grave)
		for _, end := range l.ends {
			end()
		}
	})
	return l
}

func (l *line) mortal(m *job.Machine, now time.Time, ev job.Event) error {
	if l.kill(m, ev) {
		l.died.Add(1)
		<-l.grave
	}
	return m.Step(now, ev)
}

// next starts another process in the place of the one that owns the shard, which
// has not given it back.
func (l *line) next() {
	l.t.Helper()
	log := slog.New(slog.DiscardHandler)
	writer := commit.New(l.store, log, l.told.Telemetry())
	s := New(l.ID(), "s2", Deps{
		Log: log, Store: l.store, Commit: writer, Hosts: l.rig, Send: l.send, Serving: l.serving, Telemetry: l.told.Telemetry(),
		InHand: l.hand,
	})
	s.step = l.mortal
	ctx, stop := context.WithCancel(context.WithoutCancel(l.t.Context()))
	writing, stopWriting := context.WithCancel(context.WithoutCancel(ctx))
	var owner, writes sync.WaitGroup
	writes.Go(func() { _ = writer.Run(writing) })
	owner.Go(func() { _ = s.Run(ctx) }) // its end is what counts
	l.Shard, l.stop = s, stop
	l.stops = append(l.stops, stop)
	l.ends = append(l.ends, func() { owner.Wait(); stopWriting(); writes.Wait() })
	synctest.Wait()
}

// tell is a report of a host that may be the end of the process.
func (l *line) tell(id job.ID) {
	l.t.Helper()
	l.say(id, 0, task.Succeeded)
}

func (l *line) stored(id job.ID) job.Row {
	l.t.Helper()
	j, err := l.store.GetJob(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return j.Row
}

// killer ends the process when a host reports on a job whose note says so.
func killer(m *job.Machine, ev job.Event) bool {
	_, heard := ev.(job.Reported)
	return heard && m.Spec().Note == "killer"
}

func TestAJobThatEndsEveryProcessIsSetAsideAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.kill = killer
		good := l.accept(jobOf(t, 1, 1, ""))
		bad := l.accept(jobOf(t, 2, 2, "killer"))
		other := l.accept(jobOf(t, 3, 1, ""))
		for l.stored(bad).State != job.Quarantined {
			l.tell(bad)
			if l.next(); l.died.Load() > 4 {
				t.Fatalf("it has ended %d processes, and its trial is %+v", l.died.Load(), l.stored(bad).Trial)
			}
		}
		if died := l.died.Load(); died != 4 { // one that knew nothing, one that had loaded all at once, two with it in hand
			t.Errorf("%d processes have died", died)
		}
		if row := l.stored(bad); row.Trial.Deaths != 2 || row.Trial.Was != job.Running || !strings.Contains(row.Trial.Why, "scheduler s2 died") {
			t.Errorf("it is set aside with %+v", row.Trial)
		}
		l.next()
		for _, id := range []job.ID{good, other} {
			l.tell(id)
			if row := l.stored(id); row.State != job.Done || row.Trial != (job.Trial{}) {
				t.Errorf("another job is %s with %+v", row.State, row.Trial)
			}
		}
		if died := l.died.Load(); died != 4 {
			t.Errorf("%d processes have died in the end", died)
		}
		if _, err := l.Control(t.Context(), bad, job.Cancel{RequestID: "request-number-001"}); !errors.Is(err, job.ErrQuarantined) {
			t.Errorf("it can be canceled: %v", err)
		}
	})
}

func TestAJobThatEndsTheProcessWhenItIsLoadedIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		good := l.accept(jobOf(t, 1, 1, ""))
		bad := l.accept(jobOf(t, 2, 2, "killer"))
		last := l.accept(jobOf(t, 3, 1, ""))
		l.kill = func(m *job.Machine, _ job.Event) bool { return m.Spec().Note == "killer" }
		for range 5 {
			l.next()
		}
		if died, row := l.died.Load(), l.stored(bad); died != 3 || row.State != job.Quarantined {
			t.Errorf("%d processes have died, and the job is %s: %+v", died, row.State, row.Trial)
		}
		for _, id := range []job.ID{good, last} {
			if l.tell(id); l.stored(id).State != job.Done {
				t.Errorf("another job is %s", l.stored(id).State)
			}
		}
	})
}

func TestWhoDiesForAnotherReasonCondemnsNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		var ids []job.ID
		for i := range 2*loadedAtOne + 3 {
			ids = append(ids, l.accept(jobOf(t, i, 1, "")))
		}
		for range 6 { // again and again, before anything is proven
			l.next()
			l.tell(ids[0])
		}
		for _, id := range ids[1:] {
			if row := l.stored(id); row.State != job.Running || row.Trial != (job.Trial{Unproven: true}) {
				t.Fatalf("a job is %s with %+v", row.State, row.Trial)
			}
		}
		l.pass(trialTime + time.Second)
		for _, id := range ids[1:] {
			if row := l.stored(id); row.Trial != (job.Trial{}) {
				t.Fatalf("after %v with its owner a job has %+v", trialTime, row.Trial)
			}
		}
		for _, id := range ids[1:] {
			if l.tell(id); l.stored(id).State != job.Done {
				t.Fatalf("a job is %s", l.stored(id).State)
			}
		}
	})
}

func TestADeathIsForgottenWhenAnOwnerLivesWithTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		id := l.accept(jobOf(t, 1, 2, "killer"))
		l.next()
		l.next() // it is a suspect now
		l.kill = killer
		l.tell(id) // in hand
		l.kill = func(*job.Machine, job.Event) bool { return false }
		if got := l.stored(id).Trial; got.Deaths != 1 || got.Why == "" {
			t.Errorf("while it is in hand its trial is %+v", got)
		}
		l.next()
		if got := l.stored(id); got.State != job.Running || got.Trial.Deaths != 1 {
			t.Errorf("after one death it is %s with %+v", got.State, got.Trial)
		}
		l.pass(trialTime + time.Second)
		if got := l.stored(id).Trial; got != (job.Trial{}) {
			t.Errorf("when it is proven its trial is %+v", got)
		}
	})
}

func TestAnOwnerThatGivesTheShardBackInGoodOrderLeavesNoSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		id := l.accept(jobOf(t, 1, 2, ""))
		l.next()
		if got := l.stored(id).Trial; !got.Unproven {
			t.Errorf("of what was just loaded the store knows %+v", got)
		}
		l.stop()
		synctest.Wait()
		if got := l.stored(id).Trial; got != (job.Trial{}) {
			t.Errorf("after an end in good order its trial is %+v", got)
		}
	})
}

func TestCrashesAreCountedOverAllOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		good := l.accept(jobOf(t, 1, 1, ""))
		id := l.accept(jobOf(t, 2, 2, "poison"))
		l.step = poisoned
		l.tell(id)
		if got := l.stored(id); got.State != job.Running || got.Trial.Crashes != 1 || !strings.Contains(got.Trial.Why, "scheduler s1") || !strings.Contains(got.Trial.Why, "poison") {
			t.Errorf("after a crash it is %s with %+v", got.State, got.Trial)
		}
		l.pass(time.Hour / 2) // however long it was well
		if got := l.stored(id).Trial; got.Crashes != 1 || got.Unproven {
			t.Errorf("later its trial is %+v", got)
		}
		l.next()
		l.step = poisoned
		l.tell(id)
		if got := l.stored(id); got.State != job.Quarantined || !strings.Contains(got.Trial.Why, "scheduler s2") {
			t.Errorf("after a crash of another owner it is %s with %+v", got.State, got.Trial)
		}
		if l.tell(good); l.stored(good).State != job.Done {
			t.Errorf("the other job is %s", l.stored(good).State)
		}
	})
}

func TestAPanicWithAJobInHandIsNoDeathAsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		id := l.accept(jobOf(t, 1, 2, "poison"))
		l.next()
		l.next()
		l.step = poisoned
		l.tell(id)
		if got := l.stored(id); got.State != job.Running || got.Trial.Crashes != 1 || got.Trial.Deaths != 0 {
			t.Errorf("after one panic it is %s with %+v", got.State, got.Trial)
		}
	})
}

func TestASuspectIsServedLikeAnyOtherJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		sub := jobOf(t, 1, 2, "")
		first := l.accept(sub)
		second := l.accept(jobOf(t, 2, 2, ""))
		l.next()
		l.next()
		fresh := l.accept(jobOf(t, 3, 1, ""))
		if got, err := l.Accept(t.Context(), sub); err != nil || !got.Existed {
			t.Errorf("submitted again it is %+v, %v", got, err)
		}
		w, err := l.Watch(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		l.mu.Lock()
		l.away[host(1)] = true
		l.mu.Unlock()
		if err := l.HostsChanged(t.Context(), []fleet.HostID{host(1), "stranger"}); err != nil {
			t.Fatal(err)
		}
		both := Heard{}
		for _, id := range []job.ID{first, second, fresh} {
			both.Reports = append(both.Reports, l.report(id, 0, task.Succeeded))
		}
		if err := l.Reports(t.Context(), both); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case <-w.Changed():
		default:
			t.Error("who watches a suspect hears of nothing")
		}
		w.Close()
		away := 0
		for _, id := range []job.ID{first, second} {
			if err := l.Read(t.Context(), id, func(m *job.Machine) {
				if m.Task(1).Unreachable {
					away++
				}
			}); err != nil {
				t.Error(err)
			}
			if n := l.row(id).Counts.Of(task.Succeeded); n != 1 {
				t.Errorf("%d outcomes of a suspect were taken", n)
			}
		}
		if away != 2 || l.row(fresh).State != job.Done {
			t.Errorf("%d of 2 suspects know that a host is away; the job that is none is %s", away, l.row(fresh).State)
		}
		if _, err := l.Control(t.Context(), second, job.Cancel{RequestID: "request-number-001"}); err != nil {
			t.Errorf("a suspect cannot be canceled: %v", err)
		}
		l.pass(2 * time.Hour) // past the deadline: what is due is found while it is a suspect and after
		if got := l.stored(first); got.State != job.Done || got.Trial != (job.Trial{}) {
			t.Errorf("in the end it is %s with %+v", got.State, got.Trial)
		}
	})
}

func TestASuspectIsNotCondemnedForAStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		id := l.accept(jobOf(t, 1, 2, ""))
		l.next()
		l.store.away.Store(true) // when it is marked, and before it is loaded
		l.next()
		l.pass(5 * reloadPause)
		l.store.away.Store(false)
		l.pass(2 * reloadPause)
		if got := l.stored(id); got.State != job.Running || got.Trial.Deaths != 0 {
			t.Errorf("when the store is back it is %s with %+v", got.State, got.Trial)
		}
		if l.tell(id); l.row(id).Counts.Of(task.Succeeded) != 1 {
			t.Error("its host is not heard")
		}
	})
}

// In a bubble an owner that does not rest ends no test.
func TestAnOwnerRestsWhileHostsCannotBeAskedForItsSuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		unread := l.accept(jobOf(t, 1, 1, ""))
		l.tell(unread)
		l.pass(2 * keepDone)
		for n := range 3 {
			l.accept(jobOf(t, 2+n, 2, ""))
		}
		l.next()
		l.store.unread.Store(unread, true)
		l.store.slow.Store(int64(4 * time.Second))
		l.next()
		l.pass(6 * time.Second) // the marks of all are written, and the first is in hand
		l.tell(unread)
		l.pass(time.Minute)
		l.store.slow.Store(0)
		l.store.unread.Delete(unread)
		l.pass(lastAgain)
		if got := l.all(unread).Query; len(got) == 0 {
			t.Error("the host that could not be heard is not asked again")
		}
	})
}

func TestARecordOfASuspectThatMakesNoSenseIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		good := l.accept(jobOf(t, 1, 2, ""))
		bad := l.accept(jobOf(t, 2, 2, ""))
		epoch, err := l.store.Claim(t.Context(), l.ID(), "a bug")
		if err != nil {
			t.Fatal(err)
		}
		row := l.stored(bad)
		row.Trial.Unproven = true
		row.Revision++
		_, err = l.store.Commit(t.Context(), []store.Batch{{Shard: l.ID(), Epoch: epoch, Number: 1, Jobs: []store.JobBatch{
			{ID: bad, Persist: job.Persist{Row: &row, Tasks: []job.TaskRow{{Report: task.Report{Attempt: 1, State: task.Pending}}}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		l.next()
		if got := l.stored(bad); got.State != job.Quarantined || !strings.Contains(got.Trial.Why, "PENDING in its row") {
			t.Errorf("it is %s with %+v", got.State, got.Trial)
		}
		if l.tell(good); l.row(good).Counts.Of(task.Succeeded) != 1 {
			t.Error("the other job does not go on")
		}
	})
}

// Else the death of a process would count against a job of another shard.
func TestASuspectWaitsForThoseOfOtherShardsOfItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.hand = make(chan struct{}, 1)
		id := l.accept(jobOf(t, 1, 2, ""))
		l.next() // it loads the job, and dies early
		l.hand <- struct{}{}
		l.next() // so the job is a suspect; another shard of the process has one in hand
		if live, _ := l.Load(); live != 0 {
			t.Errorf("%d jobs are in hand before their turn", live)
		}
		<-l.hand
		synctest.Wait()
		if len(l.hand) != 0 {
			t.Error("the shard keeps the turn, with nothing in hand")
		}
		l.say(id, 0, task.Succeeded)
		l.say(id, 1, task.Succeeded)
		if row := l.stored(id); row.State != job.Done {
			t.Errorf("after its turn it is %v", row.State)
		}
	})
}
