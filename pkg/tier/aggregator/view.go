package aggregator

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of outputs that are looked at. A view holds a piece here, and what its
// host has credit for: no more than the window of one connection takes, so that
// nothing else waits for a viewer who is slow.
const (
	maxViews   = 256
	hostViews  = 4 // of one host
	viewCredit = wire.BlobPiece
)

// view is an output of a host that a scheduler wants to see. The hub's mutex
// guards sent and taken.
type view struct {
	wire.View
	session *session
	sent    bool // the host was asked
	taken   bool // the host sends it

	pieces  chan *sessionv1.SendOutputRequest // from the host, one at a time
	credits chan uint32                       // to the host
	verdict                                   // over: the viewer has gone, or the host sends no more
}

// Why a view ends before its output does.
var (
	errViewed  = errors.New("the viewer has gone")
	errNoView  = fmt.Errorf("%w: the host did not begin to send the output in time", wire.ErrUnavailable)
	errManyAll = fmt.Errorf("%w: %d outputs are being looked at through this aggregator; end some, or come again", wire.ErrTooMuch, maxViews)
)

// FollowOutput passes on what a host sends.
func (m *mesh) FollowOutput(req *meshv1.FollowOutputRequest, out grpc.ServerStreamingServer[meshv1.FollowOutputResponse]) error {
	return wire.StatusError(m.hub.follow(req, out))
}

func (h *hub) follow(req *meshv1.FollowOutputRequest, out grpc.ServerStreamingServer[meshv1.FollowOutputResponse]) error {
	// In the form that the host is asked in; the number is given here.
	asked, err := wire.ViewFromProto(&sessionv1.View{
		ViewId: 1, JobId: req.GetJobId(), Attempt: req.GetAttempt(), Stream: req.GetStream(), Offset: req.GetOffset(), Follow: req.GetFollow(),
	})
	if err != nil {
		return err
	}
	v, err := h.openView(fleet.HostID(req.GetHostId()), asked)
	if err != nil {
		return err
	}
	defer h.closeView(v)
	begin := time.NewTimer(h.patience()) // with push switched off it is asked at its next heartbeat
	defer begin.Stop()
	next := v.Offset
	for {
		select {
		case m := <-v.pieces:
			begin.Stop()
			if err := faultOf(m.GetFault(), v); err != nil {
				return err
			}
			piece, err := wire.PieceFromProto(m.GetPiece(), next)
			if err != nil {
				return err
			}
			if err := out.Send(&meshv1.FollowOutputResponse{Piece: wire.PieceToProto(piece)}); err != nil || piece.End {
				return err
			}
			next = piece.Next()
			if err := v.grant(out, len(piece.Content)); err != nil {
				return err
			}
		case <-begin.C:
			return errNoView
		case <-v.over:
			return v.cause
		case <-v.session.over:
			return fmt.Errorf("%w: the session of host %s has ended", wire.ErrUnavailable, v.session.host.id)
		case <-out.Context().Done():
			return out.Context().Err()
		}
	}
}

// grant lets the host send as much as was passed on.
func (v *view) grant(out grpc.ServerStreamingServer[meshv1.FollowOutputResponse], n int) error {
	select {
	case v.credits <- uint32(n):
	case <-v.over:
		return v.cause
	case <-out.Context().Done():
		return out.Context().Err()
	}
	return nil
}

// faultOf is why a host cannot send; nil: it can.
func faultOf(f sessionv1.ViewFault, v *view) error {
	kind, text := wire.ErrUnavailable, "it cannot read the output now"
	switch f {
	case sessionv1.ViewFault_VIEW_FAULT_UNSPECIFIED:
		return nil
	case sessionv1.ViewFault_VIEW_FAULT_NOT_FOUND:
		kind, text = wire.ErrNotFound, "it does not have the output, or no more"
	case sessionv1.ViewFault_VIEW_FAULT_BUSY:
		kind, text = wire.ErrTooMuch, "it sends as many outputs as it can"
	case sessionv1.ViewFault_VIEW_FAULT_TOO_OLD:
		kind, text = wire.ErrInvalid, "its executor is of a version that cannot send an output while it is written; upgrade it"
	case sessionv1.ViewFault_VIEW_FAULT_AWAY:
	}
	return fmt.Errorf("%w: host %s: %s", kind, v.session.host.id, text)
}

// openView asks a host for an output.
func (h *hub) openView(id fleet.HostID, asked wire.View) (*view, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ho := h.hosts[id]
	switch {
	case ho == nil || ho.session == nil:
		return nil, fmt.Errorf("%w: host %.140q has no session here", wire.ErrUnavailable, id)
	case ho.session.speaks < wire.SessionViews:
		return nil, fmt.Errorf("%w: host %s: its agent is of a version that cannot send an output while it is written; upgrade it", wire.ErrInvalid, id)
	case len(h.views) >= maxViews:
		return nil, errManyAll
	case len(ho.views) >= hostViews:
		return nil, fmt.Errorf("%w: %d outputs of host %s are being looked at; end some, or come again", wire.ErrTooMuch, hostViews, id)
	}
	h.lastView++
	asked.ID = h.lastView
	v := &view{
		View: asked, session: ho.session, verdict: newVerdict(),
		pieces: make(chan *sessionv1.SendOutputRequest), credits: make(chan uint32),
	}
	h.views[v.ID] = v
	ho.views = append(ho.views, v)
	if h.cfg.Push {
		ho.session.poke()
	}
	return v, nil
}

func (h *hub) closeView(v *view) {
	v.end(errViewed)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.views, v.ID)
	ho := v.session.host
	for i, other := range ho.views {
		if other == v {
			ho.views = append(ho.views[:i:i], ho.views[i+1:]...)
			return
		}
	}
}

// viewsDue are those that the host was not asked for yet in its session. The
// caller holds mu.
func (ho *host) viewsDue() (due []*view) {
	for _, v := range ho.views {
		if !v.sent && v.session == ho.session {
			due = append(due, v)
		}
	}
	return due
}

// SendOutput takes the output that a view of this host asks for.
func (s *sessions) SendOutput(in grpc.BidiStreamingServer[sessionv1.SendOutputRequest, sessionv1.SendOutputResponse]) error {
	return wire.StatusError(s.takeOutput(in))
}

func (s *sessions) takeOutput(in grpc.BidiStreamingServer[sessionv1.SendOutputRequest, sessionv1.SendOutputResponse]) error {
	id, err := identity.Peer(in.Context())
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrDenied, err)
	}
	guard := newGuard(in.Context(), s.cfg.SendTimeout)
	var first *sessionv1.SendOutputRequest
	if err := guard.during(func() (err error) { first, err = in.Recv(); return err }); err != nil {
		return err
	}
	v, err := s.hub.takeView(fleet.HostID(id.Name), first.GetViewId())
	if err != nil {
		return err
	}
	s.receivers.Go(func() { v.end(v.receive(in)) })
	for credit := uint32(viewCredit); ; {
		if err := guard.during(func() error { return in.Send(&sessionv1.SendOutputResponse{More: credit}) }); err != nil {
			v.end(ended(err))
			return err
		}
		select {
		case credit = <-v.credits:
		case <-v.over:
			return nil
		case <-in.Context().Done():
			return in.Context().Err()
		}
	}
}

// takeView gives a view to the host that it is of, once.
func (h *hub) takeView(id fleet.HostID, number uint64) (*view, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[number]
	if v == nil || v.session.host.id != id || v.taken {
		return nil, fmt.Errorf("%w: nobody looks at view %d of host %s any more", wire.ErrNotFound, number, id)
	}
	v.taken = true
	return v, nil
}

// errHostEnded is why a view ends whose host stops in the middle.
var errHostEnded = fmt.Errorf("%w: the host has ended its output before its end", wire.ErrUnavailable)

// receive passes pieces to the viewer, within the credit.
func (v *view) receive(in grpc.BidiStreamingServer[sessionv1.SendOutputRequest, sessionv1.SendOutputResponse]) error {
	for {
		m, err := in.Recv()
		if err != nil {
			return errHostEnded
		}
		if n := len(m.GetPiece().GetContent()); n > wire.BlobPiece {
			return fmt.Errorf("%w: a piece of %d bytes of output, at most %d are taken", wire.ErrMessage, n, wire.BlobPiece)
		}
		select {
		case v.pieces <- m:
		case <-v.over:
			return nil
		}
	}
}
