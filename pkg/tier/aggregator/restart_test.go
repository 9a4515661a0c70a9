package aggregator

import (
	"bytes"
	"errors"
	"testing"
	"time"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
	"github.com/ccs-project/ccs/pkg/state/roomspool"
	"github.com/ccs-project/ccs/pkg/state/roomspool/memory"
	"github.com/ccs-project/ccs/pkg/wire"
)

// onDisk starts the aggregator again with a disk; quota 0: an endless one.
func (w *world) onDisk(quota int64) {
	w.t.Helper()
	w.stop()
	w.disk, w.told = memory.NewDisk(quota), obstest.New(w.t)
	w.start()
}

// kill ends the aggregator without letting it write a last word, and starts
// another in its place.
func (w *world) kill() {
	w.t.Helper()
	w.disk.Crash()
	w.stop()
	w.start()
}

// kept is how many entries of a kind are on the disk.
func (w *world) kept(kind byte) (n int) {
	w.t.Helper()
	err := ask(w, func(h *hub) Spool { return h.ledger.spool }).All(func(key string, _ []byte) error {
		if key[0] == kind {
			n++
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// again opens the next session of an agent, which says that it has said all that it
// has to.
func (a *agent) again() {
	a.w.t.Helper()
	if err := a.connect(); err != nil {
		a.w.t.Fatal(err)
	}
	a.beat(&sessionv1.Heartbeat{ResyncComplete: true})
	a.w.settle()
}

func (a *agent) haves() (have uint64) {
	for _, r := range a.seen() {
		have = max(have, r.GetHaveHeartbeat())
	}
	return have
}

func TestADispatchOutlivesTheAggregatorWhileItsRoomIsCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		j := w.job("standard", 40, "h1", "h2")
		large := w.job("standard", 2*wire.MaxCapsuleInline, "h1")
		s.dispatch(j, "h1")
		s.dispatch(large, "h1")
		a.hangUp() // before it says that it has taken them
		s.hangUp()
		for range 2 {
			w.kill()
			w.pass(5 * keepForAway)
		}
		a.again()
		got := a.commands()
		if len(got) != 2 {
			t.Fatalf("%d commands came, want both", len(got))
		}
		for _, c := range got {
			d, err := wire.DeliveryFromProto(c)
			if err != nil {
				t.Fatal(err)
			}
			if d.Job == j.id && (d.Capsule == nil || d.Attempt != 1 || d.Class != "standard" || d.Pool != "standard") {
				t.Errorf("the command is %+v", d)
			}
			if d.Job == large.id {
				if envelope, err := a.fetchCapsule(d.Digest); err != nil || len(envelope.GetPayload()) != len(large.envelope.Payload) {
					t.Errorf("its capsule: %v", err)
				}
			}
		}
	})
}

func TestADispatchIsNotKeptBeyondItsStartBy(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		j := w.job("standard", 40, "h1")
		s.dispatch(j, "h1")
		a.hangUp()
		s.hangUp()
		w.kill()
		if n := w.kept(keptTasks); n != 1 {
			t.Fatalf("%d tasks are kept", n)
		}
		w.pass(time.Hour + 2*idleJob)
		for _, kind := range []byte{keptTasks, keptJobs, keptRuns} {
			if n := w.kept(kind); n != 0 {
				t.Errorf("%d entries %q are kept after its start-by", n, kind)
			}
		}
		a.again()
		if n := len(a.commands()); n != 0 {
			t.Errorf("%d commands came", n)
		}
		w.empty()
	})
}

func TestADispatchForAHostThatWentElsewhereIsLeftToItsOwner(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		s.dispatch(w.job("standard", 40, "h1"), "h1")
		a.hangUp()
		w.pass(2 * keepForAway)
		if n := w.kept(keptTasks); n != 0 {
			t.Errorf("%d tasks are kept while their owner is here", n)
		}
	})
}

func TestTheWishToStopOutlivesTheAggregator(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		running, waiting := w.job("standard", 40, "h1"), w.job("standard", 40, "h1")
		s.dispatch(running, "h1")
		a.say(a.report(running, task.Running))
		a.credits = wire.Credits{}
		a.hangUp()
		a.again()
		s.dispatch(waiting, "h1")
		s.stop(running, "h1")
		s.stop(waiting, "h1")
		a.hangUp()
		s.hangUp()
		w.kill()
		a.credits = wire.Credits{wire.EveryClass: 10}
		a.again()
		if stops := a.stops(); len(stops) != 1 || !bytes.Equal(stops[0].GetJobId(), running.id[:]) {
			t.Errorf("stops are %v", stops)
		}
		if got := a.commands(); len(got) != 1 || !got[0].GetStop() {
			t.Errorf("commands are %v", got)
		}
	})
}

func TestTheWishToWithdrawOutlivesTheAggregator(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		accepted, waiting := w.job("standard", 40, "h1"), w.job("standard", 40, "h1")
		s.dispatch(accepted, "h1")
		a.say(a.report(accepted, task.Accepted))
		a.credits = wire.Credits{}
		a.hangUp()
		a.again()
		s.dispatch(waiting, "h1")
		s.withdraw(accepted, "h1")
		s.withdraw(waiting, "h1")
		a.hangUp()
		s.hangUp()
		w.kill()
		a.credits = wire.Credits{wire.EveryClass: 10}
		a.again()
		if got := a.withdrawals(); len(got) != 1 || !bytes.Equal(got[0].GetJobId(), accepted.id[:]) || len(a.stops()) != 0 {
			t.Errorf("withdrawals are %v, stops %v", got, a.stops())
		}
		if got := a.commands(); len(got) != 1 || !got[0].GetWithdraw() || got[0].GetStop() {
			t.Errorf("commands are %v", got)
		}
	})
}

func TestAReportOutlivesTheAggregatorAndItsHost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a := w.here("h1")
		small, large := w.job("standard", 40, "h1"), w.job("bulk", 40, "h1")
		output := bytes.Repeat([]byte("x"), 3*wire.MaxInline)
		a.say(a.finished(small, []byte("hello\n")))
		if err := a.put(output); err != nil {
			t.Fatal(err)
		}
		a.say(a.finished(large, output))
		a.hangUp() // for good
		for range 2 {
			w.kill()
			w.pass(time.Minute)
		}
		s := w.owner("s1", 1)
		w.settle()
		if got := s.reports(); len(got) != 2 {
			t.Fatalf("%d reports came, want both", len(got))
		}
		blobs := 0
		for _, b := range s.batches() {
			for _, blob := range b.GetBlobs() {
				blobs += len(blob.GetContent())
			}
		}
		if blobs != len("hello\n") {
			t.Errorf("%d bytes of output rode along", blobs)
		}
		if got, err := s.fetch(output); err != nil || !bytes.Equal(got, output) {
			t.Errorf("the large output has %d bytes, %v", len(got), err)
		}
		s.forget(small, "h1")
		s.forget(large, "h1")
		w.pass(time.Minute)
		for _, kind := range []byte{keptTasks, keptBlobs} {
			if n := w.kept(kind); n != 0 {
				t.Errorf("%d entries %q are kept of what is forgotten", n, kind)
			}
		}
	})
}

func TestAHostThatComesBackToTheSameSpoolRepeatsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a := w.here("h1")
		a.say(a.finished(w.job("standard", 40, "h1"), []byte("hello\n")))
		idle := w.here("h2")
		spool := a.welcome.GetSpoolId()
		w.kill()
		for _, host := range []*agent{a, idle} {
			host.again()
			if host.welcome.GetSpoolId() != spool || host.resyncs() != 0 {
				t.Errorf("host %s: the spool is %s, was %s; %d resyncs", host.name, host.welcome.GetSpoolId(), spool, host.resyncs())
			}
		}
	})
}

func TestAForgetThatWentWithTheAggregatorComesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		j := w.job("standard", 40, "h1")
		a.say(a.finished(j, nil))
		a.hangUp()
		s.forget(j, "h1")
		w.kill()
		a.again()
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if a.resyncs() != 1 {
			t.Fatal("the host is not asked for what it believes to be had")
		}
		s = w.owner("s1", 1)
		a.beat(&sessionv1.Heartbeat{Reports: []*sessionv1.Report{wire.ReportToProto(a.finished(j, nil))}, ResyncComplete: true})
		w.settle()
		s.forget(j, "h1")
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if len(a.forgets()) != 1 {
			t.Fatalf("%d forgets came", len(a.forgets()))
		}
		a.idle(time.Minute)
		if n := w.kept(keptHosts) + w.kept(keptTasks); n != 0 {
			t.Errorf("%d entries are kept of what is settled", n)
		}
		w.kill()
		a.again()
		a.idle(20 * time.Second)
		if a.resyncs() != 0 {
			t.Error("the next process asks again")
		}
	})
}

func TestALostDiskVoidsEveryHave(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a := w.here("h1")
		a.say(a.finished(w.job("standard", 40, "h1"), nil))
		spool := a.welcome.GetSpoolId()
		w.stop()
		w.disk.Lose()
		w.start()
		a.again()
		if a.welcome.GetSpoolId() == spool {
			t.Error("another disk has the same id")
		}
	})
}

func TestNoHostIsToldHaveBeforeTheDiskHasIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		before := a.haves()
		resume := w.disk.Stall()
		j := w.job("standard", 40, "h1")
		a.say(a.report(j, task.Running))
		if a.haves() != before {
			t.Error("a report is had that is not on the disk")
		}
		if len(s.reports()) != 1 {
			t.Error("the way up waits for the disk")
		}
		s.dispatch(w.job("standard", 40, "h1"), "h1")
		if len(a.commands()) != 1 {
			t.Error("the way down waits for the disk")
		}
		a.idle(30 * time.Second) // it is answered all the same
		if a.failure() != nil || a.haves() != before {
			t.Errorf("after a while: %v, had up to %d, before %d", a.failure(), a.haves(), before)
		}
		resume()
		w.settle()
		if a.haves() != a.beats {
			t.Errorf("the disk goes on, and heartbeats up to %d of %d are had", a.haves(), a.beats)
		}
	})
}

func TestAFullDiskIsBackPressureAndNotReady(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		full := errors.New("no space left on device")
		w.disk.Fail(full)
		j := w.job("standard", 40, "h1")
		before, credit := a.haves(), a.credit("standard")
		a.say(a.report(j, task.Running))
		w.pass(2 * commitRetry)
		if err := w.server.Check(); !errors.Is(err, full) {
			t.Errorf("it is ready: %v", err)
		}
		other, released := w.job("standard", 40, "h1"), s.credit("standard")
		a.say(a.report(other, task.Running))
		s.dispatch(w.job("standard", 40, "h1"), "h1")
		if a.haves() != before || a.credit("standard") > credit+1 || s.credit("standard") != released {
			t.Errorf("had up to %d, before %d; credit %d and %d", a.haves(), before, a.credit("standard"), s.credit("standard"))
		}
		if len(s.reports()) != 2 || len(a.commands()) != 1 {
			t.Errorf("%d reports and %d commands went on", len(s.reports()), len(a.commands()))
		}
		w.disk.Fail(nil)
		w.pass(2 * commitRetry)
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if err := w.server.Check(); err != nil || a.haves() != a.beats || a.credit("standard") != credit+2 || s.credit("standard") != released+1 {
			t.Errorf("with room again: %v, had up to %d of %d, credit %d and %d", err, a.haves(), a.beats, a.credit("standard"), s.credit("standard"))
		}
		w.kill()
		if n := w.kept(keptTasks); n != 3 {
			t.Errorf("%d tasks are kept", n)
		}
	})
}

func TestAtItsQuotaTheSpoolTakesMoreOnceSomethingIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(3 << 10)
		a, s := w.here("h1"), w.owner("s1", 1)
		var jobs []*aJob
		for range 60 {
			j := w.job("standard", 40, "h1")
			jobs = append(jobs, j)
			a.say(a.report(j, task.Succeeded))
		}
		if a.haves() == a.beats || len(s.reports()) != len(jobs) {
			t.Fatalf("%d of %d heartbeats are had, %d reports went up", a.haves(), a.beats, len(s.reports()))
		}
		if err := w.server.Check(); !errors.Is(err, roomspool.ErrFull) {
			t.Errorf("it is ready: %v", err)
		}
		for _, j := range jobs {
			s.forget(j, "h1")
		}
		a.idle(30 * time.Second)
		if err := w.server.Check(); err != nil || a.haves() != a.beats {
			t.Errorf("%v, had up to %d of %d", err, a.haves(), a.beats)
		}
		w.empty()
		if n := w.kept(keptTasks); n != 0 {
			t.Errorf("%d tasks are kept", n)
		}
	})
}

func TestPingsLeaveNothingOnTheDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a, s := w.here("h1"), w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		w.disk.Fail(errors.New("a ping was to be written"))
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Succeeded))
		if err := w.server.Check(); err != nil || a.haves() != a.beats || len(s.reports()) != 1 {
			t.Errorf("%v, had up to %d of %d, %d reports", err, a.haves(), a.beats, len(s.reports()))
		}
	})
}

func TestAnEntryOfANewerProgramIsLeftOutAndHostsSayEverythingAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a := w.here("h1")
		a.say(a.finished(w.job("standard", 40, "h1"), nil))
		w.disk.Crash()
		w.stop()
		s, err := w.disk.Open()
		if err != nil {
			t.Fatal(err)
		}
		foreign := []roomspool.Change{{Key: "z", Value: []byte{9}}, {Key: "t", Value: []byte{1}}, {Key: jobKey(job.ID{1}), Value: []byte{7}}, {Key: runKey(job.ID{1}, 0), Value: []byte{1, 1}}}
		if err := errors.Join(s.Commit(foreign), s.Close()); err != nil {
			t.Fatal(err)
		}
		w.start()
		a.again()
		a.idle(10 * time.Second)
		if a.resyncs() == 0 || !w.log.has("left out") {
			t.Errorf("%d resyncs", a.resyncs())
		}
		if n := w.kept('z') + w.kept(keptJobs) + w.kept(keptRuns); n != 0 || w.kept(keptTasks) != 1 {
			t.Errorf("%d entries are still there, and %d tasks", n, w.kept(keptTasks))
		}
	})
}

func TestADamagedSpoolEndsTheProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a := w.here("h1")
		w.disk.Fail(roomspool.ErrDamaged)
		w.ends = roomspool.ErrDamaged
		a.say(a.report(w.job("standard", 40, "h1"), task.Running))
		if a.failure() == nil {
			t.Error("the aggregator goes on")
		}
	})
}

func TestTheSpoolIsShownToWhoeverLooks(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.onDisk(0)
		a := w.here("h1")
		a.say(a.finished(w.job("standard", 40, "h1"), []byte("hello\n")))
		if entries, size := w.told.Value(obs.SpoolEntries), w.told.Value(obs.SpoolBytes); entries != 2 || size < 50 {
			t.Errorf("%v entries with %v bytes", entries, size)
		}
	})
}
