package aggregator

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/wire"
)

// follower is a call of a scheduler for an output.
type follower struct {
	grpc.ServerStreamingClient[meshv1.FollowOutputResponse]
	leave context.CancelFunc
}

func (s *scheduler) follow(j *aJob, host string) follower {
	s.w.t.Helper()
	ctx, cancel := context.WithCancel(s.w.t.Context())
	s.w.peers = append(s.w.peers, cancel)
	stream, err := s.client.FollowOutput(ctx, &meshv1.FollowOutputRequest{
		HostId: host, JobId: j.id[:], Attempt: 1, Stream: typesv1.Stream_STREAM_STDOUT, Offset: 10, Follow: true,
	})
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.w.settle()
	return follower{stream, cancel}
}

// code is how a call ends that brings nothing.
func (f follower) code(t *testing.T) codes.Code {
	t.Helper()
	m, err := f.Recv()
	if err == nil {
		t.Errorf("there came %v", m)
	}
	return status.Code(err)
}

func (a *agent) views() (out []*sessionv1.View) {
	for _, r := range a.seen() {
		out = append(out, r.GetViews()...)
	}
	return out
}

// sending is an output that a host sends, and its credit.
type sending struct {
	grpc.BidiStreamingClient[sessionv1.SendOutputRequest, sessionv1.SendOutputResponse]
	mu     sync.Mutex // protects what follows
	credit int
	err    error
}

func (a *agent) sendOutput(view uint64) *sending {
	a.w.t.Helper()
	stream, err := a.client.SendOutput(a.w.t.Context())
	if err == nil {
		err = stream.Send(&sessionv1.SendOutputRequest{ViewId: view})
	}
	if err != nil {
		a.w.t.Fatal(err)
	}
	s := &sending{BidiStreamingClient: stream}
	go func() {
		for {
			r, err := stream.Recv()
			s.mu.Lock()
			s.credit, s.err = s.credit+int(r.GetMore()), err
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	a.w.settle()
	return s
}

func (s *sending) state() (credit int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.credit, s.err
}

func (s *sending) put(offset uint64, content string) {
	_ = s.Send(&sessionv1.SendOutputRequest{Piece: &typesv1.OutputPiece{Offset: offset, Content: []byte(content)}}) // its state says how it went
}

func TestAnOutputGoesThroughAsTheHostSendsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, s, j := w.here("h1"), w.owner("s1", 1), w.job("standard", 0, "h1")
		began := time.Now()
		f := s.follow(j, "h1")
		views := a.views()
		if len(views) != 1 || time.Since(began) > 0 {
			t.Fatalf("after %v the host is asked for %v", time.Since(began), views)
		}
		v := views[0]
		if string(v.GetJobId()) != string(j.id[:]) || v.GetAttempt() != 1 || v.GetStream() != typesv1.Stream_STREAM_STDOUT || v.GetOffset() != 10 || !v.GetFollow() {
			t.Errorf("the host is asked for %v", v)
		}
		out := a.sendOutput(v.GetViewId())
		for _, p := range []struct {
			offset, at uint64
			content    string
		}{{10, 10, "one"}, {0, 13, "two"}, {100, 100, "late"}} {
			out.put(p.offset, p.content)
			m, err := f.Recv()
			if err != nil || m.GetPiece().GetOffset() != p.at || string(m.GetPiece().GetContent()) != p.content {
				t.Fatalf("there came %v, %v", m, err)
			}
		}
		w.settle()
		if credit, err := out.state(); credit != viewCredit+len("onetwolate") || err != nil {
			t.Errorf("the host has had credit for %d bytes, %v", credit, err)
		}
		_ = out.Send(&sessionv1.SendOutputRequest{Piece: &typesv1.OutputPiece{End: &typesv1.OutputEnd{Total: 104, Ended: true}}})
		if m, err := f.Recv(); err != nil || m.GetPiece().GetEnd().GetTotal() != 104 || !m.GetPiece().GetEnd().GetEnded() {
			t.Errorf("the end is %v, %v", m, err)
		}
		if _, err := f.Recv(); err == nil {
			t.Error("something comes after the end")
		}
		w.settle()
		if n := ask(w, func(h *hub) int { return len(h.views) + len(h.hosts["h1"].views) }); n != 0 || len(a.views()) != 1 {
			t.Errorf("%d views are left, and the host was asked %d times", n, len(a.views()))
		}
	})
}

func TestAViewerWhoReadsNothingHoldsABoundedPartAndSlowsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, s, j := w.here("h1"), w.owner("s1", 1), w.job("standard", 0, "h1")
		f := s.follow(j, "h1")
		out := a.sendOutput(a.views()[0].GetViewId())
		sent := 0
		for next := uint64(10); ; { // all that its credit allows
			w.settle()
			credit, err := out.state()
			if err != nil {
				t.Fatal(err)
			}
			if sent == credit {
				break
			}
			n := min(credit-sent, wire.BlobPiece)
			out.put(next, string(make([]byte, n)))
			next, sent = next+uint64(n), sent+n
		}
		if sent > 2<<20 {
			t.Errorf("%d bytes were taken for a viewer that reads nothing", sent)
		}
		began := time.Now()
		s.dispatch(j, "h1")
		w.settle()
		if len(a.commands()) != 1 || time.Since(began) > 0 {
			t.Errorf("after %v the host has %d commands", time.Since(began), len(a.commands()))
		}
		f.leave()
		w.settle()
		if _, err := out.state(); err == nil {
			t.Error("the host goes on for a viewer that has gone")
		}
		if n := ask(w, func(h *hub) int { return len(h.views) }); n != 0 {
			t.Errorf("%d views are left", n)
		}
	})
}

func TestViewsAreBoundedByHostAndInAll(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.here("h1")
		w.here("h2")
		s, j := w.owner("s1", 1), w.job("standard", 0, "h1", "h2")
		var all []follower
		for range hostViews {
			all = append(all, s.follow(j, "h1"))
		}
		if code := s.follow(j, "h1").code(t); code != codes.ResourceExhausted {
			t.Errorf("one more of the host: %v", code)
		}
		ask(w, func(h *hub) bool {
			for n := range uint64(maxViews - hostViews) {
				h.views[1000+n] = &view{}
			}
			return true
		})
		if code := s.follow(j, "h2").code(t); code != codes.ResourceExhausted {
			t.Errorf("one more in all: %v", code)
		}
		all[0].leave()
		w.settle()
		s.follow(j, "h2")
		if n := ask(w, func(h *hub) int { return len(h.hosts["h2"].views) }); n != 1 {
			t.Errorf("with room again there are %d", n)
		}
	})
}

func TestAViewThatCannotBeIsEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, s := w.here("h1"), w.owner("s1", 1)
		old := w.agent("h3")
		old.old = true
		if err := old.connect(); err != nil {
			t.Fatal(err)
		}
		j := w.job("standard", 0, "h1", "h2", "h3")
		if code := s.follow(j, "h2").code(t); code != codes.Unavailable {
			t.Errorf("of a host that is not here: %v", code)
		}
		if code := s.follow(j, "h3").code(t); code != codes.InvalidArgument {
			t.Errorf("of an agent that is too old: %v", code)
		}
		for fault, want := range map[sessionv1.ViewFault]codes.Code{
			sessionv1.ViewFault_VIEW_FAULT_NOT_FOUND: codes.NotFound,
			sessionv1.ViewFault_VIEW_FAULT_BUSY:      codes.ResourceExhausted,
			sessionv1.ViewFault_VIEW_FAULT_AWAY:      codes.Unavailable,
			sessionv1.ViewFault_VIEW_FAULT_TOO_OLD:   codes.InvalidArgument,
		} {
			f := s.follow(j, "h1")
			views := a.views()
			_ = a.sendOutput(views[len(views)-1].GetViewId()).Send(&sessionv1.SendOutputRequest{Fault: fault})
			if code := f.code(t); code != want {
				t.Errorf("%s: %v", fault, code)
			}
		}
		for name, do := range map[string]func(*sending){
			"goes back":   func(out *sending) { out.put(5, "x") },
			"too large":   func(out *sending) { out.put(10, string(make([]byte, wire.BlobPiece+1))) },
			"breaks off":  func(out *sending) { _ = out.CloseSend() },
			"new session": func(*sending) { must(t, a.connect()) },
		} {
			f := s.follow(j, "h1")
			views := a.views()
			do(a.sendOutput(views[len(views)-1].GetViewId()))
			if code := f.code(t); code != codes.Unavailable && code != codes.InvalidArgument {
				t.Errorf("%s: %v", name, code)
			}
		}
		f := s.follow(j, "h1") // the host does nothing
		began := time.Now()
		var code codes.Code
		done := make(chan struct{})
		go func() { code = f.code(t); close(done) }()
		for range 10 {
			select {
			case <-done:
			default:
				w.goOn(5*time.Second, a, old)
			}
		}
		if <-done; code != codes.Unavailable {
			t.Errorf("the host did not begin: %v after %v", code, time.Since(began))
		}
		if n := ask(w, func(h *hub) int { return len(h.views) }); n != 0 {
			t.Errorf("%d views are left", n)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAHostSendsItsOwnOutputAloneAndOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, s, j := w.here("h1"), w.here("h2"), w.owner("s1", 1), w.job("standard", 0, "h1")
		f := s.follow(j, "h1")
		view := a.views()[0].GetViewId()
		for name, out := range map[string]*sending{"another host's": b.sendOutput(view), "of nobody": a.sendOutput(view + 1)} {
			if _, err := out.state(); status.Code(err) != codes.NotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
		first := a.sendOutput(view)
		if _, err := a.sendOutput(view).state(); status.Code(err) != codes.NotFound {
			t.Errorf("once more: %v", err)
		}
		first.put(10, "mine")
		if m, err := f.Recv(); err != nil || string(m.GetPiece().GetContent()) != "mine" {
			t.Errorf("there came %v, %v", m, err)
		}
	})
}
