package aggregator

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestForgetTravelsToTheHostAndNothingStaysHere(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Accepted))
		a.say(a.finished(j, []byte("hello\n")))
		s.forget(j, "h1")
		if len(a.forgets()) != 0 {
			t.Error("a Forget alone caused an early reply")
		}
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if got := a.forgets(); len(got) != 1 || !bytes.Equal(got[0], j.id[:]) {
			t.Fatalf("forgets are %x", got)
		}
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		w.empty()
	})
}

func TestAForgetThatTheHostDidNotGetComesInTheNextSession(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Succeeded))
		a.hangUp()
		s.forget(j, "h1")
		for range 2 { // the first is lost with its session
			if err := a.connect(); err != nil {
				t.Fatal(err)
			}
			a.beat(&sessionv1.Heartbeat{ResyncComplete: true})
			w.settle()
			if len(a.forgets()) != 1 {
				t.Fatalf("%d forgets came", len(a.forgets()))
			}
		}
	})
}

func TestAHostWhoseForgetsWereDroppedIsAskedForEverything(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Succeeded))
		a.hangUp()
		s.forget(j, "h1")
		w.pass(keepForAway + 2*w.cfg.HeartbeatInterval)
		w.empty()
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true})
		w.settle()
		if a.resyncs() != 1 {
			t.Error("it was not asked")
		}
	})
}

func TestOutcomesGoUpAgainWhenTheirHostIsBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		ended, past, running := w.job("standard", 0, "h1"), w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		gone := a.report(past, task.Unspecified)
		gone.Seen, gone.PastW = task.Report{}, true
		a.say(a.report(ended, task.Succeeded), gone, a.report(running, task.Running))
		s.have("standard", s.batches()[0].GetNumber())
		a.hangUp() // now their Forgets have nowhere to go
		s.clear()
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true}) // it believes that all of it is had
		w.settle()
		again := map[job.ID]int{}
		for _, r := range s.reports() {
			again[r.job]++
		}
		if again[ended.id] != 1 || again[past.id] != 1 || again[running.id] != 0 {
			t.Errorf("the outcome went up %d times more, that one is past W %d, that one runs %d", again[ended.id], again[past.id], again[running.id])
		}
		if s.seen()[len(s.seen())-1].GetReports() == nil {
			t.Error("the outcomes came before their host, so that their Forgets would come to nothing once more")
		}
		s.forget(ended, "h1")
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if got := a.forgets(); len(got) != 1 || !bytes.Equal(got[0], ended.id[:]) {
			t.Errorf("forgets are %x", got)
		}
	})
}

func TestOnlyWhatGrewGoesUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		a.say(a.report(j, task.Accepted))
		a.say(a.report(j, task.Running))
		overdue := a.report(j, task.Running)
		overdue.Detail.Overdue = true
		a.say(overdue)
		a.say(a.report(j, task.Failed))
		got := s.reports()
		if len(got) != 3 || got[0].Seen.State != task.Running || !got[1].Detail.Overdue || got[2].Seen.State != task.Failed {
			t.Errorf("went up: %v", got)
		}
		r := got[0]
		if r.Host != "h1" || r.Incarnation != incarnationOf("h1") || r.Ordinal != 0 || s.batches()[0].GetJobs()[0].GetPool() != "standard" {
			t.Errorf("went up as %+v", r)
		}
	})
}

func TestTwoOutcomesOfOneAttemptAreNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		a.say(a.report(j, task.Failed))
		a.say(a.report(j, task.Succeeded))
		if !w.log.has("two outcomes") {
			t.Error("nobody said so")
		}
	})
}

func TestPastWGoesUpAsNoOutcome(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j, done, gone := w.job("standard", 0, "h1"), w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		past := wire.Report{Job: j.id, Pool: "standard", Class: "standard", PastW: true}
		a.say(past)
		if got := s.reports(); len(got) != 1 || !got[0].PastW || got[0].Forgotten {
			t.Fatalf("went up: %v", got)
		}
		s.dispatch(gone, "h1")
		past.Job, past.Forgotten = gone.id, true
		a.say(past)
		if got := s.reports(); len(got) != 2 || !got[1].PastW || !got[1].Forgotten {
			t.Fatalf("of what was forgotten went up: %v", got)
		}
		s.dispatch(gone, "h1")
		if got := s.reports(); len(got) != 3 || !got[2].Forgotten {
			t.Errorf("asked again, it answers %v", got)
		}
		a.say(a.report(done, task.Succeeded))
		past.Job = done.id
		a.say(past)
		if got := s.reports(); len(got) != 4 {
			t.Errorf("an outcome was followed by %v", got[4:])
		}
		s.forget(j, "h1")
		s.forget(gone, "h1")
		s.forget(done, "h1")
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		w.empty()
	})
}

func TestEqualOutputsGoOnceABatch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var hosts []string
		var agents []*agent
		for i := range 10 {
			hosts = append(hosts, hostName(i))
			agents = append(agents, w.here(hosts[i]))
		}
		s := w.scheduler("s1", nil) // no window: reports gather
		s.owns(1, 0, 1, 2, 3)
		j := w.job("standard", 0, hosts...)
		s.dispatch(j, hosts...)
		output := bytes.Repeat([]byte("same\n"), 100)
		for _, a := range agents {
			a.say(a.finished(j, output))
		}
		if len(s.batches()) != 0 {
			t.Fatal("sent without credit")
		}
		s.grant(wire.Credits{"standard": 100})
		got := s.batches()
		if len(got) != 1 || len(got[0].GetJobs()) != 1 || len(got[0].GetJobs()[0].GetItems()) != 10 || len(got[0].GetBlobs()) != 1 {
			t.Fatalf("%d batches, the first with %d jobs and %d blobs", len(got), len(got[0].GetJobs()), len(got[0].GetBlobs()))
		}
		if size := proto.Size(got[0]); size > 10*120+len(output)+200 {
			t.Errorf("the batch has %d bytes", size)
		}
		s.forget(j, hosts...)
		for _, a := range agents {
			for range 2 {
				a.beat(&sessionv1.Heartbeat{})
				w.settle()
			}
		}
		w.empty()
	})
}

func TestAClassWithoutWindowWaitsWhileAnotherFlows(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.scheduler("s1", wire.Credits{"bulk": 3, "critical": 100})
		s.owns(1, 0, 1, 2, 3)
		var bulk []*aJob
		for range 10 {
			bulk = append(bulk, w.job("bulk", 0, "h1"))
		}
		for _, j := range bulk {
			a.say(a.report(j, task.Succeeded))
		}
		for range 5 {
			a.say(a.report(w.job("critical", 0, "h1"), task.Succeeded))
		}
		sent := map[string]int{}
		for _, b := range s.batches() {
			for _, j := range b.GetJobs() {
				sent[b.GetClass()] += len(j.GetItems())
			}
		}
		if sent["bulk"] != 3 || sent["critical"] != 5 {
			t.Errorf("within the windows of 3 and 100 came %v", sent)
		}
		s.have("bulk", 3)
		s.grant(wire.Credits{"bulk": 7})
		if got := len(s.reports()); got != 15 {
			t.Errorf("with further window came %d in all, want 15", got)
		}
	})
}

func TestBatchesStayWithinTheirBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.scheduler("s1", nil)
		s.owns(1, 0, 1, 2, 3)
		const reports = 120
		for i := range reports {
			a.say(a.finished(w.job("standard", 0, "h1"), bytes.Repeat([]byte{byte(i)}, wire.MaxInline)))
		}
		s.grant(wire.Credits{wire.EveryClass: 1, "standard": 1000})
		for i, b := range s.batches() {
			if size := proto.Size(b); size > batchBytes*11/10 || b.GetNumber() != uint64(i+1) {
				t.Errorf("batch %d has number %d and %d bytes", i, b.GetNumber(), size)
			}
		}
		if len(s.reports()) != reports || len(s.batches()) < 2 {
			t.Errorf("%d reports came in %d batches, want %d", len(s.reports()), len(s.batches()), reports)
		}
	}, func(c *Config) { c.ReportWindow = 1000 })
}

func TestAnAcknowledgementOfWhatWasNeverSentEndsTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.owner("s1", 1)
		s.have("standard", 1)
		if status.Code(s.failure()) != codes.InvalidArgument {
			t.Errorf("ended with %v", s.failure())
		}
	})
}

func TestAReportThatCannotBeReadHarmsNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		bad := wire.ReportToProto(a.report(w.job("standard", 0, "h1"), task.Succeeded))
		bad.Result.Status.State = 7
		forged := wire.ReportToProto(a.finished(w.job("standard", 0, "h1"), []byte("output")))
		forged.Blobs[0].Content = []byte("other")
		a.beat(&sessionv1.Heartbeat{Reports: []*sessionv1.Report{bad, forged, wire.ReportToProto(a.report(j, task.Succeeded))}})
		w.settle()
		if got := s.reports(); len(got) != 1 || got[0].job != j.id || a.failure() != nil || !w.log.has("cannot be read") {
			t.Errorf("went up: %v; session: %v", got, a.failure())
		}
	})
}

func TestAReconnectionToAnotherSpoolSaysEverythingAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j, fresh := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		before := a.welcome.GetSpoolId()

		w.stop() // with all that it held
		w.start()
		s = w.owner("s1", 1)
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		if a.welcome.GetSpoolId() == before {
			t.Fatal("another aggregator has the same spool")
		}
		s.query(j, "h1")
		if len(s.returns()) != 0 {
			t.Fatalf("answered before the host has said everything: %v", s.returns())
		}
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true, Reports: []*sessionv1.Report{wire.ReportToProto(a.report(j, task.Running))}})
		w.settle()
		if got := states(s.reports(), j.id); len(got) != 1 || got[0] != task.Running {
			t.Errorf("after the restart went up: %v", got)
		}
		s.stop(j, "h1")
		if len(a.stops()) != 1 || len(s.returns()) != 0 {
			t.Errorf("a stop without the payload: %d came, returned %v", len(a.stops()), s.returns())
		}
		s.stop(fresh, "h1")
		s.sendDispatch(s.dispatchOf(fresh, 1, "h1"))
		if got := s.returns(); len(got) != 2 || !got[0].GetNeedPayload() || !got[1].GetNeedPayload() {
			t.Fatalf("returned %v", got)
		}
		s.dispatch(fresh, "h1")
		if len(a.commands()) != 1 {
			t.Error("no new command after the restart")
		}
	})
}

func TestTheOutcomeOfAWipedIncarnationIsKeptBesideTheNewOnes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		j := w.job("standard", 0, "h1")
		a.say(a.report(j, task.Succeeded)) // nobody owns the job now
		a.hangUp()
		a.inc, a.session = fleet.Incarnation{9}, 0
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		a.say(a.report(j, task.Refused))
		s := w.owner("s1", 1)
		if got := s.reports(); len(got) != 2 || got[0].Incarnation == got[1].Incarnation {
			t.Errorf("went up: %v", got)
		}
		s.forget(j, "h1")
		for range 2 {
			a.beat(&sessionv1.Heartbeat{})
			w.settle()
		}
		w.empty()
	})
}

func TestAtTheLimitCreditIsWithheldAndGivenLater(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		var jobs []*aJob
		for range 4 {
			j := w.job("standard", 0, "h1")
			jobs = append(jobs, j)
			a.say(a.report(j, task.Running))
		}
		if got := a.credit("standard"); got != 2 {
			t.Errorf("%d of 4 were granted again at a limit of 2, want 2", got)
		}
		a.say(a.report(jobs[3], task.Succeeded))
		if got := a.credit("standard"); got != 3 {
			t.Errorf("what is held already has to go on: %d granted, want 3", got)
		}
		for _, j := range jobs {
			s.forget(j, "h1")
		}
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if got := a.credit("standard"); got != 5 {
			t.Errorf("with room again %d were granted, want 5", got)
		}
	}, func(c *Config) { c.MaxTasks = 2 })
}

func TestASchedulerIsGivenCreditBackUnlessTheTableIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		first, second := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		s.dispatch(first, "h1")
		if got := s.credit("standard"); got != 1 {
			t.Fatalf("%d granted, want 1", got)
		}
		s.dispatch(second, "h1")
		if got := s.credit("standard"); got != 1 {
			t.Fatalf("%d granted with a full table, want 1", got)
		}
		a.say(a.report(first, task.Succeeded))
		s.forget(first, "h1")
		if got := s.credit("standard"); got != 2 {
			t.Errorf("%d granted with room again, want 2", got)
		}
	}, func(c *Config) { c.MaxTasks = 2 })
}

// credit is how many further reports were granted for a class.
func (a *agent) credit(class string) (n uint32) {
	for _, r := range a.seen() {
		n += wire.CreditsFromProto(r.GetCredits())[class]
	}
	return n
}

func TestOneSlowAgentIsEndedAloneAfterItsTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		slow := w.agent("h1")
		slow.deaf = true
		if err := slow.connect(); err != nil {
			t.Fatal(err)
		}
		slow.beat(&sessionv1.Heartbeat{ResyncComplete: true})
		good := w.here("h2")
		s := w.owner("s1", 1)
		for range 20 {
			j := w.job("standard", 30<<10, "h1", "h2")
			within(t, 0, "dispatching past a slow agent", func() { s.dispatch(j, "h1", "h2") })
		}
		if got := len(good.commands()); got != 20 {
			t.Errorf("the other host got %d of 20", got)
		}
		s.clear()
		for range 5 {
			w.pass(5 * time.Second)
			slow.beat(&sessionv1.Heartbeat{})
			good.beat(&sessionv1.Heartbeat{})
			w.settle()
		}
		if len(s.attachments()) != 0 {
			t.Fatal("ended before its time")
		}
		w.pass(5 * time.Second)
		good.beat(&sessionv1.Heartbeat{})
		w.settle()
		got := s.attachments()
		if len(got) != 1 || len(got[0].GetItems()) != 1 || got[0].GetItems()[0].GetHostId() != "h1" || got[0].GetItems()[0].GetAttached() {
			t.Errorf("attachments say %v", got)
		}
		if good.failure() != nil || s.failure() != nil {
			t.Errorf("the others: %v, %v", good.failure(), s.failure())
		}
	})
}
