package aggregator

import (
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAHostThatWasElsewhereLeavesNothingBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		a.hangUp()
		w.pass(time.Minute) // it ended, and was forgotten, through another aggregator
		a.spool = "of another aggregator"
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		none := wire.LiveDigest(nil)
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true, LiveDigest: none[:]})
		w.settle()
		for range 60 {
			w.pass(10 * time.Second)
			a.beat(&sessionv1.Heartbeat{ResyncComplete: true, LiveDigest: none[:]})
			w.settle()
		}
		if a.resyncs() != 0 {
			t.Errorf("it was asked for everything %d times", a.resyncs())
		}
		s.query(j, "h1")
		if got := s.returns(); len(got) != 1 || len(got[0].GetNotKnown()) != 1 {
			t.Errorf("asked for the task: %v", got)
		}
		w.empty()
	})
}

func TestAResyncThatLeavesATaskOutEndsTheAskingForIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		w.owner("s1", 1)
		gone, kept := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		a.say(a.report(gone, task.Running), a.report(kept, task.Running))
		live := wire.LiveDigest([]job.ID{kept.id})
		for range 20 {
			a.beat(&sessionv1.Heartbeat{LiveCommands: 1, LiveDigest: live[:]})
			w.settle()
			if n := len(a.seen()); a.seen()[n-1].GetResync() {
				a.beat(&sessionv1.Heartbeat{ResyncComplete: true, Reports: []*sessionv1.Report{wire.ReportToProto(a.report(kept, task.Running))}})
			}
			w.pass(10 * time.Second)
		}
		if a.resyncs() != 1 {
			t.Errorf("it was asked for everything %d times, want once", a.resyncs())
		}
		if n := ask(w, func(h *hub) int64 { return h.tasks.total() }); n != 1 {
			t.Errorf("%d tasks are held", n)
		}
	})
}

func TestWhatAHostSaidIsNotKeptForeverWhileItIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		s := w.owner("s1", 1)
		running, ended := w.job("standard", 0, "h1"), w.job("standard", 0, "h1")
		a.say(a.report(running, task.Running), a.report(ended, task.Succeeded))
		a.hangUp()
		w.pass(keepSaid - w.cfg.HeartbeatInterval)
		if n := ask(w, func(h *hub) int64 { return h.tasks.total() }); n != 2 {
			t.Fatalf("%d tasks are held before the time", n)
		}
		w.pass(3 * w.cfg.HeartbeatInterval)
		w.empty()
		if err := a.connect(); err != nil {
			t.Fatal(err)
		}
		s.clear()
		a.beat(&sessionv1.Heartbeat{ResyncComplete: true})
		w.settle()
		if a.resyncs() != 1 {
			t.Fatal("it believes that what it said is here")
		}
		a.say(a.report(running, task.Running), a.report(ended, task.Succeeded))
		if got := s.reports(); len(got) != 2 {
			t.Errorf("went up again: %v", got)
		}
	})
}

func TestAnOutcomeThatNobodyWasToldOutlivesItsHost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		j := w.job("standard", 0, "h1")
		a.say(a.report(j, task.Succeeded)) // nobody owns the job now
		a.hangUp()
		w.pass(2 * keepSaid)
		s := w.owner("s1", 1)
		if got := states(s.reports(), j.id); len(got) != 1 {
			t.Error("it is lost")
		}
		w.pass(2 * w.cfg.HeartbeatInterval)
		w.empty()
	})
}

func TestReturnsComeInPieces(t *testing.T) {
	st := &stream{wake: make(chan struct{}, 1), returned: map[job.ID]*returned{}}
	r := st.returnOf(job.ID{1})
	const hosts = 4010
	for i := range uint32(hosts) {
		r.notHere[i] = "h"
		r.notKnown[hosts+i] = "h"
	}
	r.needPayload = true
	st.returnOf(job.ID{2}).needPayload = true
	seen, payloads := map[uint32]bool{}, 0
	for out := st.nextReturns(); out != nil; out = st.nextReturns() {
		if n := len(out.GetNotHere()) + len(out.GetNotKnown()); n > 2000 || proto.Size(out) > meshMessage/4 {
			t.Errorf("one has %d hosts, %d bytes", n, proto.Size(out))
		}
		for _, at := range append(out.GetNotHere(), out.GetNotKnown()...) {
			seen[at.GetOrdinal()] = true
		}
		if out.GetNeedPayload() {
			payloads++
		}
	}
	if len(seen) != 2*hosts || payloads != 2 {
		t.Errorf("%d of %d hosts and %d of 2 needs of a payload came", len(seen), 2*hosts, payloads)
	}
}

func TestOneHostHasAFewConnectionsAndTheNewestLast(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		config := w.source(identity.Host, "h1").ClientTLS(identity.Aggregator)
		config.NextProtos = []string{"h2"}
		var ended []chan struct{}
		for range 12 {
			raw, err := w.session.DialContext(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conn, _, err := credentials.NewTLS(config).ClientHandshake(t.Context(), "aggregator", raw)
			if err != nil {
				t.Fatal(err)
			}
			w.peers = append(w.peers, func() { _ = conn.Close() })
			done := make(chan struct{})
			go func(conn net.Conn) {
				defer close(done)
				_, _ = io.Copy(io.Discard, conn)
			}(conn)
			ended = append(ended, done)
			w.settle()
		}
		open := 0
		for i, done := range ended {
			select {
			case <-done:
				if i >= 8 {
					t.Errorf("connection %d of %d was closed", i+1, len(ended))
				}
			default:
				open++
			}
		}
		if open > 4 {
			t.Errorf("%d connections are open", open)
		}
	})
}

func TestAnUploadThatDoesNotBeginIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		stream, err := a.client.PutBlob(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := stream.Recv()
			ended <- err
		}()
		for range 7 {
			w.goOn(5*time.Second, a)
		}
		select {
		case err := <-ended:
			if status.Code(err) != codes.Unavailable {
				t.Errorf("ended with %v", err)
			}
		default:
			a.hangUp()
			t.Errorf("it goes on for ever; without its host it ended with %v", <-ended)
		}
	})
}
