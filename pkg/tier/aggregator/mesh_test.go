package aggregator

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestASchedulerGetsAHelloASnapshotAndThenChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		w.here("h2")
		s := w.scheduler("s1", nil)
		hello := s.seen()[0].GetHello()
		if hello.GetVersion() != wire.MeshVersions.Max || hello.GetAggregator() != "agg-1" || hello.GetRoom() != "bj01" || hello.GetSpoolId() != a.spool || len(hello.GetCredits()) == 0 {
			t.Errorf("hello is %v", hello)
		}
		got := s.attachments()
		if len(got) != 1 || !got[0].GetSnapshotBegin() || !got[0].GetSnapshotEnd() || len(got[0].GetItems()) != 2 {
			t.Fatalf("snapshot is %v", got)
		}
		item, err := wire.AttachmentFromProto(got[0].GetItems()[0])
		if err != nil || !item.Attached || item.Session != 1 || item.Facts["os"] != "linux" || item.Incarnation != incarnationOf(string(item.Host)) || item.Since.IsZero() {
			t.Errorf("attached as %+v, %v", item, err)
		}
		s.clear()
		a.hangUp()
		w.here("h3")
		var changes []string
		for _, m := range s.attachments() {
			if m.GetSnapshotBegin() || m.GetSnapshotEnd() {
				t.Error("a change came as a snapshot")
			}
			for _, i := range m.GetItems() {
				changes = append(changes, i.GetHostId())
			}
		}
		if len(changes) != 2 || changes[0] != "h1" || changes[1] != "h3" {
			t.Errorf("changes are %v", changes)
		}
	})
}

func TestAnEmptyRoomHasACompleteSnapshotToo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		got := w.scheduler("s1", nil).attachments()
		if len(got) != 1 || !got[0].GetSnapshotBegin() || !got[0].GetSnapshotEnd() || len(got[0].GetItems()) != 0 {
			t.Errorf("snapshot is %v", got)
		}
	})
}

func TestALargeRoomComesInPieces(t *testing.T) {
	h := newHub(DefaultConfig(), nil, obs.Telemetry{})
	for i := range attachHosts + 5 {
		ho := h.host(fleet.HostID(hostName(i)))
		ho.session, ho.last = &session{}, wire.Attachment{Host: ho.id, Attached: true}
	}
	st, err := h.connect(&meshv1.SchedulerHello{Scheduler: "s1", Pool: "standard"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := st.nextAttachments()
	h.attachmentChanged(h.host("late"))
	second, third := st.nextAttachments(), st.nextAttachments()
	if !first.GetSnapshotBegin() || first.GetSnapshotEnd() || len(first.GetItems()) != attachHosts {
		t.Errorf("first piece: begin %v, end %v, %d hosts", first.GetSnapshotBegin(), first.GetSnapshotEnd(), len(first.GetItems()))
	}
	if second.GetSnapshotBegin() || !second.GetSnapshotEnd() || len(second.GetItems()) != 5 {
		t.Errorf("second piece: begin %v, end %v, %d hosts", second.GetSnapshotBegin(), second.GetSnapshotEnd(), len(second.GetItems()))
	}
	if third.GetSnapshotBegin() || third.GetSnapshotEnd() || len(third.GetItems()) != 1 || st.nextAttachments() != nil {
		t.Errorf("what changed meanwhile: %v", third)
	}
}

func TestATakeOverBringsEverythingToTheNewOwner(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		old := w.owner("s1", 1)
		var jobs []*aJob
		for i := range 8 {
			j := w.job("standard", 0, "h1")
			jobs = append(jobs, j)
			a.say(a.report(j, []task.State{task.Running, task.Succeeded}[i%2]))
		}
		old.have("standard", 8) // on that hop
		old.forget(jobs[0], "h1")
		fresh := w.owner("s2", 2)
		if got := len(fresh.reports()); got != 7 {
			t.Errorf("the new owner got %d reports, want all 7 that are not forgotten", got)
		}
		old.clear()
		fresh.clear()
		old.owns(1, 0, 1, 2, 3) // it has not noticed
		a.say(a.report(jobs[2], task.Failed))
		if len(old.reports()) != 0 || len(fresh.reports()) != 1 || !w.log.has("older owner is ignored") {
			t.Errorf("the old owner got %d, the new one %d", len(old.reports()), len(fresh.reports()))
		}
	})
}

func TestReportsGoToTheOwnerOfTheirShard(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		one, two := w.scheduler("s1", wire.Credits{wire.EveryClass: 100}), w.scheduler("s2", wire.Credits{wire.EveryClass: 100})
		one.owns(1, 0, 2)
		two.owns(1, 1)
		owned := map[uint16]int{}
		for range 40 {
			j := w.job("standard", 0, "h1")
			owned[job.ShardOf(j.id, shards)]++
			a.say(a.report(j, task.Succeeded))
		}
		if len(one.reports()) != owned[0]+owned[2] || len(two.reports()) != owned[1] || owned[3] == 0 {
			t.Errorf("came %d and %d, shards are %v", len(one.reports()), len(two.reports()), owned)
		}
		two.owns(1, 1, 3)
		if len(two.reports()) != owned[1]+owned[3] {
			t.Errorf("a shard that found its owner: %d came in all, want %d", len(two.reports()), owned[1]+owned[3])
		}
		two.clear()
		two.owns(1, 1)
		two.owns(2, 1, 3) // it gave the shard up, and claims it anew
		if len(two.reports()) != owned[1]+owned[3] {
			t.Errorf("claimed anew, %d came, want all %d", len(two.reports()), owned[1]+owned[3])
		}
	})
}

func TestReportsWaitForAnOwnerThatIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 5)
		before, j := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		a.say(a.report(before, task.Succeeded))
		s.hangUp()
		if ask(w, func(h *hub) bool { return h.hosts["h1"].tasks[before.id].via != nil }) {
			t.Error("a report holds on to a stream that is gone")
		}
		a.say(a.report(j, task.Succeeded))
		stale := w.owner("s2", 4)
		if len(stale.reports()) != 0 {
			t.Error("an owner with an older epoch stepped in")
		}
		back := w.owner("s1", 5)
		if len(back.reports()) != 2 {
			t.Errorf("the owner that came back got %d reports", len(back.reports()))
		}
	})
}

func TestANewStreamReplacesTheOldOneOfItsScheduler(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		old := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		a.say(a.report(j, task.Running))
		old.have("standard", 1)
		fresh := w.owner("s1", 1)
		if status.Code(old.failure()) != codes.Unavailable {
			t.Errorf("the old stream ended with %v", old.failure())
		}
		if got := states(fresh.reports(), j.id); len(got) != 1 {
			t.Errorf("the new stream got %v", got)
		}
		old.hangUp()
		a.say(a.report(j, task.Failed))
		if got := states(fresh.reports(), j.id); len(got) != 2 {
			t.Errorf("after the end of the old stream the new one got %v", got)
		}
	})
}

func TestASchedulerSpeaksForItselfAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.owner("s1", 1)
		stream, err := s.client.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hello := &meshv1.SchedulerHello{Versions: wire.VersionsToProto(wire.MeshVersions), Scheduler: "s2", Pool: "standard"}
		if err := stream.Send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
			t.Errorf("s1 as s2: %v", err)
		}
	})
}

func TestSchedulersOneVersionApartAreServedInTheirVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		conn := w.dial(identity.Scheduler, "s1", w.mesh)
		defer conn.Close()
		for theirs, want := range map[link.VersionRange]uint32{{Min: 1, Max: 1}: 1, {Min: 1, Max: 2}: 2, {Min: 2, Max: 3}: 3, {Min: 3, Max: 4}: 3, {Min: 4, Max: 5}: 0} {
			stream, err := meshv1.NewMeshServiceClient(conn).Connect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			hello := &meshv1.SchedulerHello{Versions: wire.VersionsToProto(theirs), Scheduler: "s1", Pool: "standard", BootId: "boot"}
			if err := stream.Send(&meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
				t.Fatal(err)
			}
			answer, err := stream.Recv()
			if (err != nil) != (want == 0) || answer.GetHello().GetVersion() != want {
				t.Errorf("to one of %d to %d it speaks %d, %v; want %d", theirs.Min, theirs.Max, answer.GetHello().GetVersion(), err, want)
			}
			_ = stream.CloseSend()
			w.settle()
		}
	})
}

func TestASlowSchedulerIsEndedAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		slow, good := w.deafScheduler("s1", wire.Credits{wire.EveryClass: 10_000}), w.scheduler("s2", wire.Credits{wire.EveryClass: 10_000})
		slow.owns(1, 0, 1)
		good.owns(1, 2, 3)
		for i := range 200 {
			a.say(a.finished(w.job("standard", 0, "h1"), bytes.Repeat([]byte{byte(i)}, wire.MaxInline)))
		}
		if len(good.reports()) == 0 {
			t.Error("the other scheduler got nothing")
		}
		a.idle(w.cfg.SendTimeout)
		if n := ask(w, func(h *hub) int { return len(h.streams) }); n != 1 || good.failure() != nil || a.failure() != nil {
			t.Errorf("%d streams are left; the others: %v, %v", n, good.failure(), a.failure())
		}
		before := len(good.reports())
		good.owns(2, 0, 1, 2, 3)
		if len(good.reports()) < 200 || before >= 200 {
			t.Errorf("who took over has %d of 200 reports, and had %d before", len(good.reports()), before)
		}
	}, func(c *Config) { c.ReportWindow = 1000 })
}

func TestIdlePayloadsAreDroppedAndAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Succeeded))
		s.forget(j, "h1")
		a.idle(idleJob + 3*w.cfg.HeartbeatInterval)
		if ask(w, func(h *hub) int { return len(h.jobs) }) != 0 {
			t.Fatal("the payload is still held")
		}
		s.dispatch(j, "h1")
		if got := s.returns(); len(got) != 1 || !got[0].GetNeedPayload() {
			t.Errorf("returned %v", got)
		}
	})
}

func TestARangeOfOneIsAddedToWhatIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, moved := w.here("h1"), w.here("h3")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1", "h2", "h3")
		first := s.dispatchOf(j, 1, "h1", "h3")
		first.Payload = j.rangeOf(t, 0, 2)
		s.sendDispatch(first)
		if got := s.returns(); len(got) != 1 || !got[0].GetNeedPayload() || len(a.commands()) != 1 {
			t.Fatalf("returned %v, delivered %d", got, len(a.commands()))
		}
		second := s.dispatchOf(j, 1, "h3")
		second.Payload = j.rangeOf(t, 2, 1)
		s.sendDispatch(second)
		if len(moved.commands()) != 1 {
			t.Error("the host that changed room got nothing")
		}
		d, err := wire.DeliveryFromProto(moved.commands()[0])
		if err != nil || d.Proof.Index != 2 || d.Proof.Size != 3 {
			t.Errorf("delivered with %+v, %v", d.Proof, err)
		}
	})
}

func TestTimeAloneChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		s.clear()
		a.idle(10 * time.Hour)
		for _, m := range s.seen() {
			if !m.GetAttachments().GetSnapshotBegin() {
				t.Errorf("in ten hours came %v", m)
			}
		}
		if n := a.resyncs(); n != 0 {
			t.Errorf("everything was asked for again %d times", n)
		}
		a.say(a.report(j, task.Succeeded))
		if len(s.reports()) != 1 {
			t.Error("the outcome after ten hours was lost")
		}
	})
}
