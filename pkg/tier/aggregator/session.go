package aggregator

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Why a session or a stream is ended from here.
var (
	errReplaced = fmt.Errorf("%w: a newer one has been opened under the same name", wire.ErrUnavailable)
	errSilent   = fmt.Errorf("%w: no heartbeat came for too long", wire.ErrUnavailable)
)

// errShutdown tells a peer when to try elsewhere.
func errShutdown(wait time.Duration) error {
	return &wire.RetryAfter{After: wait, Err: fmt.Errorf("%w: the aggregator is stopping; use another one", wire.ErrUnavailable)}
}

// session is one agent's stream. Its handler sends, a second goroutine receives.
type session struct {
	hub    *hub
	host   *host
	inc    fleet.Incarnation
	number uint64
	speaks uint32        // version of the contract in force
	wake   chan struct{} // there may be something to send
	verdict

	// The hub's mutex guards what follows.
	beat       time.Time   // when the last heartbeat came
	heartbeats link.Cursor // what has come
	due        bool        // a heartbeat is not answered
	replies    uint64      // sent
	have       uint64      // replies that the host has taken over
	had        uint64      // heartbeats that are acknowledged: their reports are on the disk
	haves      []unsavedHave
	down       *window // commands that it takes
	up         *window // reports that it may send
	owed       wire.Credits
	withheld   wire.Credits
	synced     bool                  // everything that is not forgotten has been said in this session
	questions  map[question]struct{} // that wait until it is synced
	askResync  bool
	asked      time.Time // when the last resync was asked for
	resyncIn   uint64    // reply that asked for it last; 0: none
	all        bool      // the host says everything in this session, not only what is new
	bundle     uint64    // version that the host holds, or was offered in this session
	mismatches int       // heartbeats in a row whose live digest is another than ours
}

// knows reports whether the host knows a wish. Where there is no session that is
// asked again when there is one.
func (se *session) knows(want task.Desired) bool {
	return se == nil || want != task.DesiredWithdraw || se.speaks >= wire.SessionWithdraws
}

// sessions is the port of the hosts.
type sessions struct {
	sessionv1.UnimplementedSessionServiceServer
	*Server
}

// Connect is one session.
func (s *sessions) Connect(stream grpc.BidiStreamingServer[sessionv1.ConnectRequest, sessionv1.ConnectResponse]) error {
	guard := newGuard(stream.Context(), s.cfg.SendTimeout)
	var first *sessionv1.ConnectRequest
	err := guard.during(func() (err error) { first, err = stream.Recv(); return err })
	if err != nil {
		return err
	}
	se, welcome, err := s.greet(stream.Context(), first.GetHello())
	if err != nil {
		err = wire.StatusError(err)
		s.hub.meters.refuse(stream.Context(), err)
		return err
	}
	s.hub.meters.opened.Add(stream.Context(), 1)
	s.receivers.Go(func() { se.end(se.receive(stream)) })
	err = guard.during(func() error { return stream.Send(welcome) })
	if err == nil {
		err = se.send(stream, guard)
	}
	s.hub.leave(se)
	return wire.StatusError(err)
}

// greet judges a hello and opens the session.
func (s *sessions) greet(ctx context.Context, in *sessionv1.Hello) (*session, *sessionv1.ConnectResponse, error) {
	id, err := identity.Peer(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", wire.ErrDenied, err)
	}
	if in == nil {
		return nil, nil, fmt.Errorf("%w: a session begins with a hello", wire.ErrMessage)
	}
	hello, err := wire.HelloFromProto(in)
	if err != nil {
		return nil, nil, err
	}
	if string(hello.Host) != id.Name && !planted.Bug("a host may speak for another") {
		return nil, nil, fmt.Errorf("%w: the certificate is that of host %s, and the hello says %s", wire.ErrDenied, id.Name, hello.Host)
	}
	if hello.Session == 0 {
		return nil, nil, fmt.Errorf("%w: session numbers begin at 1", wire.ErrMessage)
	}
	version, ok := link.Negotiate(wire.SessionVersions, hello.Versions)
	if !ok {
		return nil, nil, fmt.Errorf("%w: the host speaks versions %d to %d, this aggregator %d to %d; upgrade the older one", wire.ErrInvalid,
			hello.Versions.Min, hello.Versions.Max, wire.SessionVersions.Min, wire.SessionVersions.Max)
	}
	se, err := s.hub.open(hello, version, dialledFrom(ctx))
	if err != nil {
		return nil, nil, err
	}
	welcome := &sessionv1.Welcome{
		Version: version, Aggregator: s.cfg.Name, SpoolId: s.hub.spool,
		HeartbeatInterval: wire.DurationToProto(s.cfg.HeartbeatInterval), ServerTime: wire.TimeToProto(time.Now()),
		Credits: wire.CreditsToProto(wire.Credits{wire.EveryClass: s.cfg.ReportWindow}),
	}
	return se, &sessionv1.ConnectResponse{Message: &sessionv1.ConnectResponse_Welcome{Welcome: welcome}}, nil
}

// open makes a session the host's only one.
func (h *hub) open(hello wire.Hello, version uint32, address string) (*session, error) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errShutdown(spread(atShutdown))
	}
	known := h.hosts[hello.Host]
	if known != nil && hello.Session <= known.lastNumber(hello.Incarnation) && !planted.Bug("session counter going back accepted") {
		return nil, fmt.Errorf("%w: session %d of host %s is not newer than the last one: its state was set back, so it must make a new incarnation",
			wire.ErrSession, hello.Session, hello.Host)
	}
	again := known != nil && known.session != nil
	if !again && h.sessions >= h.cfg.MaxSessions {
		return nil, &wire.RetryAfter{After: spread(atCapacity), Err: fmt.Errorf("%w: this aggregator has its %d sessions", wire.ErrUnavailable, h.sessions)}
	}
	if wait := h.admission.admit(now); wait > 0 {
		return nil, &wire.RetryAfter{After: wait, Err: fmt.Errorf("%w: too many hosts come at once", wire.ErrUnavailable)}
	}
	ho := h.host(hello.Host)
	if again {
		h.detach(ho.session, errReplaced, now)
	}
	se := &session{
		hub: h, host: ho, inc: hello.Incarnation, number: hello.Session, speaks: version,
		wake: make(chan struct{}, 1), verdict: newVerdict(), beat: now,
		down: newWindow(hello.Credits), up: newWindow(wire.Credits{wire.EveryClass: h.cfg.ReportWindow}),
		owed: wire.Credits{}, withheld: wire.Credits{}, bundle: hello.Bundle,
	}
	// What was dropped, or is no longer remembered, may be believed to be had.
	ho.lossy = hello.Spool == h.spool && (ho.lossy || known == nil && h.forgot)
	se.askResync = ho.lossy
	se.all = hello.Spool != h.spool
	ho.round++
	ho.session = se
	ho.setNumber(hello.Incarnation, hello.Session)
	ho.last = wire.Attachment{
		Host: ho.id, Incarnation: hello.Incarnation, Session: hello.Session, Attached: true,
		Address: address, Facts: hello.Facts, Since: now,
	}
	h.sessions++
	ho.marked()
	ho.reopen()
	h.attachmentChanged(ho)
	return se, nil
}

// leave ends a session for the hub, if nothing has replaced it.
func (h *hub) leave(se *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.detach(se, nil, time.Now())
}

// detach takes a session from its host.
func (h *hub) detach(se *session, cause error, now time.Time) {
	if cause != nil {
		se.end(cause)
	}
	ho := se.host
	if ho.session != se {
		return
	}
	ho.session, ho.live = nil, liveSet{}
	se.takeQuestions() // they are asked again
	delete(h.ledger.waiting, se)
	ho.last.Attached, ho.last.Facts, ho.last.Since = false, nil, now
	h.sessions--
	for _, sessions := range h.starved {
		delete(sessions, se)
	}
	h.attachmentChanged(ho)
}

// poke wakes the sender.
func (se *session) poke() {
	select {
	case se.wake <- struct{}{}:
	default:
	}
}

// send sends what is due until the session is over.
func (se *session) send(stream grpc.BidiStreamingServer[sessionv1.ConnectRequest, sessionv1.ConnectResponse], guard *guard) error {
	silence := time.NewTimer(se.hub.patience())
	defer silence.Stop()
	ctx := stream.Context()
	for {
		for reply, spans := se.hub.reply(ctx, se); reply != nil; reply, spans = se.hub.reply(ctx, se) {
			err := guard.during(func() error { return stream.Send(reply) })
			endAll(spans, err)
			se.hub.meters.sent(ctx, reply.GetReply().GetCommands())
			if err != nil {
				return err
			}
		}
		select {
		case <-se.wake:
		case <-se.over:
			return se.cause
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			left := se.hub.silence(se)
			if left <= 0 {
				return errSilent
			}
			silence.Reset(left)
		}
	}
}

// patience is how long a host may be silent.
func (h *hub) patience() time.Duration {
	return h.cfg.HeartbeatInterval * time.Duration(h.cfg.MissedHeartbeats)
}

// silence is how long the host may still be silent.
func (h *hub) silence(se *session) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.patience() - time.Since(se.beat)
}

// receive takes heartbeats until the stream ends; nil: the host has ended it.
func (se *session) receive(stream grpc.BidiStreamingServer[sessionv1.ConnectRequest, sessionv1.ConnectResponse]) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return ended(err)
		}
		if in.GetHeartbeat() == nil {
			return fmt.Errorf("%w: after the hello only heartbeats come", wire.ErrMessage)
		}
		if err := se.heartbeat(stream.Context(), in.GetHeartbeat()); err != nil {
			return err
		}
	}
}
