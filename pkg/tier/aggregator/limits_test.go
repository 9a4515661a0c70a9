package aggregator

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAPayloadForWhichThereIsNoRoomIsTakenLaterAndItsReleasesWithIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const script = 300 << 10
		ask(w, func(h *hub) int64 { h.weight.limit = 3*script + 10<<10; return 0 })
		a := w.here("h1")
		s := w.owner("s1", 1)
		var jobs []*aJob
		for range 4 {
			j := w.job("standard", script, "h1")
			jobs = append(jobs, j)
			s.dispatch(j, "h1")
		}
		s.dispatch(w.job("standard", 0, "h1"), "h1")
		if n := len(a.commands()); n != 4 {
			t.Fatalf("%d commands came: want three large ones and a small one", n)
		}
		if held := ask(w, func(h *hub) int64 { return h.weight.held }); held > 3*script+10<<10 {
			t.Errorf("%d bytes are held", held)
		}
		known := s.dispatchOf(jobs[1], 2, "h1")
		known.Payload = jobs[1].payload(t) // as a scheduler that took over sends it
		s.sendDispatch(known)
		if n := len(a.commands()); n != 5 {
			t.Errorf("a job whose payload is held: %d commands came, want 5", n)
		}
		if len(s.returns()) != 0 || s.failure() != nil || !w.log.has("is taken when some are done") {
			t.Errorf("returned was %v, the stream ended with %v", s.returns(), s.failure())
		}
		if got := s.credit("standard"); got != 6 {
			t.Errorf("credit for %d of 6 releases was given back", got)
		}
		a.say(a.report(jobs[0], task.Succeeded))
		s.forget(jobs[0], "h1")
		a.idle(idleJob + 2*w.cfg.HeartbeatInterval)
		s.query(jobs[3], "h1") // as the pull does
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotKnown()) != 1 {
			t.Fatalf("of the release that was not taken it says %v", got)
		}
		delete(s.sent, jobs[3].id)
		s.dispatch(jobs[3], "h1")
		if got := a.commands(); len(got) != 6 || job.ID(got[5].GetJobId()) != jobs[3].id {
			t.Errorf("with room again %d commands came", len(got))
		}
	})
}

// TestAnAgentThatReadsNothingHoldsABoundedPartAndIsEnded stalls one of two hosts
// while a scheduler has ever more work for it.
func TestAnAgentThatReadsNothingHoldsABoundedPartAndIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.server.hub.setClasses(map[string]string{"standard": "standard", "critical": "critical"})
		stalled := w.agent("h1")
		stalled.deaf = true
		if err := stalled.connect(); err != nil {
			t.Fatal(err)
		}
		stalled.beat(&sessionv1.Heartbeat{ResyncComplete: true})
		good := w.here("h2")
		s := w.owner("s1", 1)
		var released []*aJob
		began := time.Now()
		for len(released) < 1000 && len(released) < int(w.cfg.ReleaseWindow+s.credit("standard")) {
			j := w.job("standard", 20<<10, "h1")
			released = append(released, j)
			s.dispatch(j, "h1")
		}
		if n := len(released); n < w.cfg.MaxTasks/2 || n > w.cfg.MaxTasks+int(w.cfg.ReleaseWindow) {
			t.Errorf("%d releases were taken for a host that reads nothing", n)
		}
		held := func() int64 { return ask(w, func(h *hub) int64 { return h.tasks.total() }) }
		if n := held(); n != int64(len(released)) {
			t.Errorf("%d of them are held", n)
		}
		j := w.job("critical", 0, "h2")
		s.dispatch(j, "h2")
		if n := len(good.commands()); n != 1 || time.Since(began) > 0 {
			t.Errorf("another host got %d commands of another class after %s", n, time.Since(began))
		}
		for range 7 { // it is heard of, and takes nothing
			w.pass(5 * time.Second)
			stalled.beat(&sessionv1.Heartbeat{})
			good.beat(&sessionv1.Heartbeat{})
			w.settle()
		}
		if here := ask(w, func(h *hub) bool { return h.hosts["h1"].session != nil }); here || good.failure() != nil || s.failure() != nil {
			t.Errorf("its session goes on: %v; the others ended with %v, %v", here, good.failure(), s.failure())
		}
		good.idle(keepForAway + 2*w.cfg.HeartbeatInterval)
		if n := held(); n != 1 {
			t.Errorf("%d tasks are held when it is long gone, want that of the other host", n)
		}
		if n := w.cfg.ReleaseWindow + s.credit("standard"); int(n) < len(released) {
			t.Errorf("credit for %d releases came back, %d were made", n, len(released))
		}
		back := w.agent("h1")
		back.session = stalled.session
		if err := back.connect(); err != nil {
			t.Fatal(err)
		}
		back.beat(&sessionv1.Heartbeat{ResyncComplete: true})
		w.settle()
		for _, j := range released { // as the pull does
			delete(s.sent, j.id)
			s.dispatch(j, "h1")
			back.beat(&sessionv1.Heartbeat{})
			w.settle()
			back.say(back.report(j, task.Succeeded))
			s.forget(j, "h1")
		}
		for _, j := range released {
			if !slices.Contains(states(s.reports(), j.id), task.Succeeded) {
				t.Fatalf("the outcome of job %s is lost", j.id)
			}
		}
	}, func(c *Config) { c.MaxTasks, c.ReleaseWindow = 64, 16 })
}

func TestAHostWithTooManyTasksIsGivenNoMoreCreditUntilSomeAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, other := w.here("h1"), w.here("h2")
		s := w.owner("s1", 1)
		pattern := w.job("standard", 0, "h1")
		of := func(n int) *aJob {
			j := *pattern
			j.id = job.NewID(time.Now(), [10]byte{9: byte(n), 8: byte(n >> 8), 7: 1})
			return &j
		}
		for n := 0; n < mostHostTasks; n += 256 {
			var some []wire.Report
			for i := range 256 {
				some = append(some, a.report(of(n+i), task.Succeeded))
			}
			a.say(some...)
		}
		before := a.credit("standard")
		a.say(a.report(of(mostHostTasks), task.Succeeded))
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if before != mostHostTasks || a.credit("standard") != before {
			t.Errorf("credit for %d reports came back, and %d with one too many", before, a.credit("standard")-before)
		}
		other.say(other.report(of(3), task.Running))
		if other.credit("standard") != 1 {
			t.Error("another host gets no credit")
		}
		if n := len(ask(w, func(h *hub) map[job.ID]*record { return h.hosts["h1"].tasks })); n != mostHostTasks+1 {
			t.Errorf("%d of its reports are held: what was sent is lost", n)
		}
		s.forget(of(5), "h1")
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if got := a.credit("standard"); got != before+1 {
			t.Errorf("with room again credit for %d came back, want %d", got, before+1)
		}
	}, func(c *Config) { c.ReportWindow = mostHostTasks + 10 })
}

func TestTheRunsOfOneJobAreBoundedAndTheOldestIsAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var names []string
		for n := range mostRanges + 1 {
			names = append(names, hostName(n))
		}
		a := w.here(hostName(0))
		s := w.owner("s1", 1)
		j := w.job("standard", 0, names...)
		for n, name := range names {
			d := s.dispatchOf(j, 1, name)
			d.Payload = j.rangeOf(t, n, 1)
			s.sendDispatch(d)
		}
		if n := ask(w, func(h *hub) int { return len(h.jobs[j.id].ranges) }); n != mostRanges || len(a.commands()) != 1 {
			t.Fatalf("%d runs are held, %d commands came", n, len(a.commands()))
		}
		s.clear()
		s.sendDispatch(s.dispatchOf(j, 2, names[0]))
		if got := s.returns(); len(got) != 1 || !got[0].GetNeedPayload() {
			t.Fatalf("of a run that is not held it says %v", got)
		}
		again := s.dispatchOf(j, 2, names[0])
		again.Payload = j.rangeOf(t, 0, 1)
		s.sendDispatch(again)
		if n := len(a.commands()); n != 2 {
			t.Errorf("when it has come again there are %d commands, want 2", n)
		}
	})
}

func TestAMessageThatIsTooLargeEndsItsSenderAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, other := w.here("h1"), w.here("h2")
		s, second := w.owner("s1", 1), w.scheduler("s2", wire.Credits{wire.EveryClass: 10})
		j := w.job("standard", 0, "h1")
		a.say(a.report(j, task.Running))
		a.beat(&sessionv1.Heartbeat{LiveDigest: make([]byte, sessionMessage)})
		second.send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Query{Query: &meshv1.Query{JobId: make([]byte, meshMessage)}}})
		w.settle()
		for who, err := range map[string]error{"host": a.failure(), "scheduler": second.failure()} {
			if status.Code(err) != codes.ResourceExhausted {
				t.Errorf("the %s that sent it is told %v", who, err)
			}
		}
		if other.failure() != nil || s.failure() != nil {
			t.Errorf("the others ended with %v, %v", other.failure(), s.failure())
		}
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		a.say(a.report(j, task.Succeeded))
		if got := states(s.reports(), j.id); !slices.Contains(got, task.Succeeded) {
			t.Errorf("in the next session its outcome is lost: %v", got)
		}
	})
}

// TestForgetsThatWaitForOneHostAreBoundedAndNoneIsMissed makes more Forgets for a
// host than wait for it, while it hears nothing.
func TestForgetsThatWaitForOneHostAreBoundedAndNoneIsMissed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		pattern := w.job("standard", 0, "h1")
		of := func(n int) *aJob {
			j := *pattern
			j.id = job.NewID(time.Now(), [10]byte{9: byte(n), 8: byte(n >> 8), 7: 1})
			return &j
		}
		a.say(a.report(pattern, task.Succeeded))
		w.settle()
		before := a.resyncs()
		for n := range mostForgets + 10 {
			s.forget(of(n), "h1")
			if size := ask(w, func(h *hub) int { return h.hosts["h1"].forgets.size() }); size > mostForgets {
				t.Fatalf("%d Forgets wait", size)
			}
		}
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if n := a.resyncs() - before; n != 1 {
			t.Fatalf("it was asked for everything %d times", n)
		}
		lost := of(3) // it says again what it was never told to forget
		a.beat(&sessionv1.Heartbeat{Reports: []*sessionv1.Report{wire.ReportToProto(a.report(lost, task.Succeeded))}, ResyncComplete: true})
		w.settle()
		if got := states(s.reports(), lost.id); len(got) != 1 {
			t.Fatalf("its owner hears %v", got)
		}
		s.forget(lost, "h1")
		a.beat(&sessionv1.Heartbeat{})
		w.settle()
		if !slices.ContainsFunc(a.forgets(), func(id []byte) bool { return job.ID(id) == lost.id }) {
			t.Error("the Forget that was dropped does not come again")
		}
	})
}
