package aggregator

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAReleaseForAHostThatIsAwayComesBackAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1", "h2")
		within(t, 0, "the answer", func() { s.dispatch(j, "h1", "h2") })
		got := s.returns()
		if len(got) != 1 || len(got[0].GetNotHere()) != 1 || got[0].GetNotHere()[0].GetHostId() != "h2" || got[0].GetNotHere()[0].GetOrdinal() != 1 {
			t.Errorf("returned %v", got)
		}
	})
}

func TestAReleaseForAnotherIncarnationComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.inc = fleet.Incarnation{9}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		s.dispatch(w.job("standard", 0, "h1"), "h1")
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotHere()) != 1 || len(a.commands()) != 0 {
			t.Errorf("returned %v, delivered %d", got, len(a.commands()))
		}
	})
}

func TestAReleaseWithoutPayloadAsksForItAndThenGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.sendDispatch(s.dispatchOf(j, 1, "h1"))
		if got := s.returns(); len(got) != 1 || !got[0].GetNeedPayload() {
			t.Fatalf("returned %v", got)
		}
		s.dispatch(j, "h1")
		if len(a.commands()) != 1 {
			t.Error("the command did not come")
		}
	})
}

func TestAForgedRangeOfTargetsIsRefusedAndHarmsNoOtherJob(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, evil := w.here("h1"), w.here("h9")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1", "h2", "h3")
		d := s.dispatchOf(j, 1, "h1")
		d.Payload = j.rangeOf(t, 0, 2)
		forged := incarnationOf("h9")
		d.Payload.Targets[0].HostId, d.Payload.Targets[0].Incarnation = "h9", forged[:]
		s.sendDispatch(d)
		otherProof := s.dispatchOf(j, 1, "h1")
		otherProof.Payload = j.rangeOf(t, 0, 2)
		otherProof.Payload.Proof.Hashes[0][0] ^= 1
		s.sendDispatch(otherProof)
		if len(a.commands())+len(evil.commands()) != 0 || !w.log.has("message of a scheduler is left out") {
			t.Error("a forged range was taken")
		}
		if s.failure() != nil {
			t.Fatalf("the stream has ended: %v", s.failure())
		}
		good := w.job("standard", 0, "h1")
		s.dispatch(good, "h1")
		honest := s.dispatchOf(j, 1, "h1")
		honest.Payload = j.rangeOf(t, 0, 2)
		s.sendDispatch(honest)
		if len(a.commands()) != 2 {
			t.Errorf("%d commands came, want 2", len(a.commands()))
		}
	})
}

func TestTheCapsuleOfAJobComesOnceAndServesEveryRun(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.here("h1"), w.here("h3")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1", "h2", "h3")
		run := func(host string, first, count int, withCapsule bool) {
			d := s.dispatchOf(j, 1, host)
			d.Payload = j.rangeOf(t, first, count)
			if !withCapsule {
				d.Payload.Capsule = nil
			}
			s.sendDispatch(d)
		}
		run("h3", 2, 1, false) // it came and was dropped meanwhile, or never came
		if got := s.returns(); len(got) != 1 || !got[0].GetNeedPayload() || len(b.commands()) != 0 {
			t.Fatalf("without a capsule returned %v, delivered %d", got, len(b.commands()))
		}
		run("h1", 0, 2, true)
		run("h3", 2, 1, false)
		if len(a.commands()) != 1 || len(b.commands()) != 1 {
			t.Errorf("delivered %d and %d", len(a.commands()), len(b.commands()))
		}
	})
}

func TestACapsuleOfAnotherJobIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j, other := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		d := s.dispatchOf(j, 1, "h1")
		d.Payload = other.payload(t)
		s.sendDispatch(d)
		if len(a.commands()) != 0 {
			t.Error("it was delivered")
		}
	})
}

func TestCommandsAreSentAgainInTheNextSessionUntilTheyAreAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		had, answered := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(had, "h1")
		s.dispatch(answered, "h1")
		a.say(a.report(answered, task.Accepted)) // and with it both are had
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if got := a.commands(); len(got) != 1 || job.ID(got[0].GetJobId()) != had.id {
			t.Errorf("%d commands came again, want the one that was not answered", len(got))
		}
	})
}

func TestAReleaseThatTheHostHasAnsweredIsAnsweredFromHere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		s.dispatch(j, "h1")
		if got := states(s.reports(), j.id); len(got) != 2 || got[1] != task.Running || len(a.commands()) != 1 {
			t.Errorf("reports %v, %d commands", got, len(a.commands()))
		}
		again := s.dispatchOf(j, 2, "h1")
		s.sendDispatch(again)
		if got := a.commands(); len(got) != 2 || got[1].GetAttempt() != 2 {
			t.Errorf("the next attempt was not delivered: %d commands", len(got))
		}
	})
}

func TestAStopReachesARunningTaskAndAWaitingOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		running, waiting := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(running, "h1")
		a.say(a.report(running, task.Running))
		s.dispatch(waiting, "h1")
		within(t, 0, "stopping", func() {
			s.stop(running, "h1")
			s.stop(waiting, "h1")
		})
		if got := a.stops(); len(got) != 1 || job.ID(got[0].GetJobId()) != running.id || got[0].GetAttempt() != 1 {
			t.Errorf("stops are %v", got)
		}
		last := a.commands()[len(a.commands())-1]
		if job.ID(last.GetJobId()) != waiting.id || !last.GetStop() {
			t.Error("the command was not sent again with the wish")
		}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(a.stops()) != 1 {
			t.Error("the wish was not said again in the next session")
		}
		a.say(a.report(running, task.Canceled))
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(a.stops()) != 0 {
			t.Error("the wish was said again although the task has ended")
		}
	})
}

func TestAStopForAHostThatIsAwayOrAJobThatIsNotKnownComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.here("h1")
		s := w.owner("s1", 1)
		j, unknown := w.job("standard", 0, "h1", "h2"), w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		s.stop(j, "h2")
		s.stop(unknown, "h1")
		got := s.returns()
		if len(got) != 2 || len(got[0].GetNotHere()) != 1 || !got[1].GetNeedPayload() {
			t.Errorf("returned %v", got)
		}
	})
}

func TestAStopThatRidesWithAReleaseReachesARunningTask(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		d := s.dispatchOf(j, 1, "h1")
		d.Releases[0].Stop = true
		s.sendDispatch(d)
		if len(a.stops()) != 1 {
			t.Error("no stop came")
		}
	})
}

func TestAQueryIsAnsweredByWhatIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1", "h2")
		s.query(j, "h1")
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotHere()) != 1 {
			t.Fatalf("of a host that is away: %v", got)
		}
		a := w.agent("h1")
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s.clear()
		s.query(j, "h1")
		if got := s.returns(); len(got) != 0 {
			t.Fatalf("before the host has said everything: %v", got)
		}
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true})
		w.settle()
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotKnown()) != 1 {
			t.Fatalf("once the host has said everything, and not this task: %v", got)
		}
		s.clear()
		s.query(j, "h1")
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotKnown()) != 1 {
			t.Fatalf("of a task that the host has never had: %v", got)
		}
		s.clear()
		s.dispatch(j, "h1")
		s.query(j, "h1")
		if got := s.returns(); len(got) != 0 {
			t.Fatalf("of a command that is on its way: %v", got)
		}
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		s.query(j, "h1")
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotKnown()) != 1 {
			t.Fatalf("of a command that the host has taken over and says nothing of: %v", got)
		}
		a.say(a.report(j, task.Running))
		s.clear()
		s.query(j, "h1")
		if got := states(s.reports(), j.id); len(got) != 1 || len(s.returns()) != 0 {
			t.Errorf("of a task that was reported: %v, %v", got, s.returns())
		}
	})
}

func TestAQueryThatCameTooEarlyIsAnsweredToWhomAskedAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		gone, s := w.owner("s1", 1), w.owner("s2", 1)
		j := w.job("standard", 0, "h1")
		a := w.agent("h1")
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		gone.query(j, "h1")
		s.query(j, "h1")
		gone.hangUp()
		again := w.owner("s1", 2)
		for range 10 { // one that asks again is remembered once
			s.query(j, "h1")
		}
		if n := ask(w, func(h *hub) int { return h.questions }); n != 1 {
			t.Errorf("%d questions are remembered, want 1", n)
		}
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true})
		w.settle()
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotKnown()) != 1 {
			t.Errorf("who asked is told %v", got)
		}
		if got := again.returns(); len(got) != 0 {
			t.Errorf("who did not ask on this stream is told %v", got)
		}
		if n := ask(w, func(h *hub) int { return h.questions + len(h.hosts["h1"].session.questions) }); n != 0 {
			t.Errorf("%d questions are left", n)
		}
	})
}

func TestQuestionsThatComeTooEarlyAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.owner("s1", 1)
		const hosts = mostAllQuestions/mostQuestions + 5
		for i := range hosts {
			if err := w.agent(hostName(i)).connect(); err != nil { // and none has said everything
				t.Fatal(err)
			}
		}
		h := w.server.hub
		h.mu.Lock()
		st := h.streams["s1"]
		for i := range hosts {
			for ordinal := range uint32(mostQuestions + 5) {
				h.answer(question{st, job.ID{1}, ordinal}, fleet.HostID(hostName(i)))
			}
		}
		all, one := h.questions, len(h.hosts["h000"].session.questions)
		h.mu.Unlock()
		if all != mostAllQuestions || one != mostQuestions {
			t.Errorf("%d questions are remembered, %d of them for one host; want %d and %d", all, one, mostAllQuestions, mostQuestions)
		}
		s.hangUp() // who asked is gone
		if n := ask(w, func(h *hub) int { return h.questions }); n != 0 {
			t.Errorf("%d questions of a stream that is gone are left", n)
		}
	}, func(c *Config) { c.AdmitPerSecond = 1000 })
}

func TestQuestionsGoWithTheSessionTheyWaitFor(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, a := w.owner("s1", 1), w.agent("h1")
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s.query(w.job("standard", 0, "h1"), "h1")
		if n := ask(w, func(h *hub) int { return h.questions }); n != 1 {
			t.Errorf("%d questions wait, want 1", n)
		}
		a.hangUp()
		if n := ask(w, func(h *hub) int { return h.questions }); n != 0 {
			t.Errorf("%d questions are left without their session", n)
		}
	})
}

func TestClassesTakeTurnsWithinTheHostsWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.credits = wire.Credits{"bulk": 2, "critical": 1}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		for range 4 {
			s.dispatch(w.job("bulk", 0, "h1"), "h1")
		}
		s.dispatch(w.job("critical", 0, "h1"), "h1")
		s.dispatch(w.job("other", 0, "h1"), "h1")
		if got := count(a.commands()); got["bulk"] != 2 || got["critical"] != 1 || got["other"] != 0 {
			t.Errorf("within the window came %v", got)
		}
		a.beat(&sessionv1.Heartbeat{Credits: wire.CreditsToProto(wire.Credits{"bulk": 1, "other": 5})})
		w.settle()
		if got := count(a.commands()); got["bulk"] != 3 || got["other"] != 1 {
			t.Errorf("with further window came %v", got)
		}
	})
}

func TestClassesThatBothHaveWorkAlternate(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.credits = nil
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		for _, class := range []string{"bulk", "bulk", "bulk", "bulk", "critical", "critical", "critical"} {
			s.dispatch(w.job(class, 0, "h1"), "h1")
		}
		if len(a.commands()) != 0 {
			t.Fatal("commands came without a window")
		}
		a.beat(&sessionv1.Heartbeat{Credits: wire.CreditsToProto(wire.Credits{"bulk": 9, "critical": 9})})
		w.settle()
		got := a.commands()
		for i := 1; i < 6; i++ {
			if got[i].GetClass() == got[i-1].GetClass() {
				t.Errorf("commands %d and %d are both %s", i-1, i, got[i].GetClass())
			}
		}
		if len(got) != 7 {
			t.Errorf("%d of 7 came", len(got))
		}
	})
}

func count(commands []*sessionv1.Command) map[string]int {
	out := map[string]int{}
	for _, c := range commands {
		out[c.GetClass()]++
	}
	return out
}

func TestManyLargeCommandsFitTheirMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.credits = nil // so that they gather
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		w.publish(2)
		for range 20 {
			s.dispatch(w.job("standard", 20<<10, "h1"), "h1")
		}
		a.beat(&sessionv1.Heartbeat{Credits: wire.CreditsToProto(wire.Credits{"standard": 100})})
		w.settle()
		for _, r := range a.seen() {
			if size := proto.Size(r); size > 64<<10 {
				t.Errorf("a reply has %d bytes", size)
			}
		}
		if got := len(a.commands()); got != 20 || a.failure() != nil {
			t.Errorf("%d of 20 came; %v", got, a.failure())
		}
	})
}

func TestAWishForAnAwayHostIsNotHeldForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, other := w.here("h1"), w.here("h2")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1", "h2")
		s.dispatch(j, "h2")
		s.stop(j, "h1")
		if len(a.stops()) != 1 {
			t.Fatal("no stop came")
		}
		other.say(other.report(j, task.Succeeded))
		a.hangUp()
		s.forget(j, "h2")
		for range 10 {
			other.idle(w.cfg.HeartbeatInterval)
		}
		w.empty()
	})
}

func TestWhatWasForAnIncarnationIsNotGivenToTheNext(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.agent("h1")
		a.credits = nil // so that the command waits
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s := w.owner("s1", 1)
		j, running := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(running, task.Running))
		s.dispatch(running, "h1")
		s.stop(running, "h1")
		a.inc, a.session, a.credits = fleet.Incarnation{9}, 0, wire.Credits{wire.EveryClass: 100}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(a.commands())+len(a.stops()) != 0 {
			t.Errorf("%d commands and %d stops came", len(a.commands()), len(a.stops()))
		}
	})
}

func TestWhatAnAwayHostNeverTookIsDroppedAfterAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.hangUp()
		w.pass(keepForAway + 2*w.cfg.HeartbeatInterval)
		w.empty()
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if len(a.commands()) != 0 {
			t.Error("a stale release was delivered")
		}
	})
}

func TestAReleaseThatWasTakenOverIsNotHeldPastItsTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		s.dispatch(w.job("standard", 0, "h1"), "h1")
		a.idle(time.Hour - time.Minute)
		if ask(w, func(h *hub) int64 { return h.tasks.total() }) != 1 {
			t.Fatal("it was dropped before its time")
		}
		a.idle(2 * time.Minute)
		w.empty()
	})
}

func TestAReleaseThatIsLateIsStillDelivered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		a.idle(2 * time.Hour)
		s.dispatch(j, "h1")
		if len(a.commands()) != 1 {
			t.Error("the host cannot say that it is too late if it never hears of it")
		}
	})
}
