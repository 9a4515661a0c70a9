package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"google.golang.org/grpc"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/wire"
)

// maxViews bounds the outputs that a session sends to who looks at them, at a
// time; each holds a piece. An aggregator asks for fewer.
const maxViews = 8

// view begins to send an output that somebody wants to see, beside the loop. It
// ends with the output, with the session, or when the viewer has gone. One that
// cannot begin is given up by the aggregator in time.
func (a *Agent) view(ctx context.Context, s *session, m *sessionv1.View) {
	v, err := wire.ViewFromProto(m)
	if err != nil {
		a.log.WarnContext(ctx, "a view of an output cannot be read", slog.Any("error", err))
		return
	}
	log := a.log.With(slog.String("job", v.Job.String()), slog.Uint64("view", v.ID))
	if s.views >= maxViews {
		log.WarnContext(ctx, "an output is not sent: as many as can be are sent already", slog.Int("views", s.views))
		return
	}
	s.views++
	a.work.Go(func() {
		if err := sendOutput(s.stream.Context(), s.api, a.deps.Executor, v); err != nil {
			log.DebugContext(ctx, "an output is not sent any more", slog.Any("error", err))
		}
		a.post(func(context.Context) { s.views-- })
	})
}

// sendOutput sends an output within the credit of its viewer, or says why it
// cannot.
func sendOutput(ctx context.Context, api sessionv1.SessionServiceClient, from Executor, v wire.View) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stream, err := api.SendOutput(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&sessionv1.SendOutputRequest{ViewId: v.ID}); err != nil {
		return err
	}
	o := outlet{stream: stream, more: make(chan struct{}, 1), over: make(chan struct{})}
	go o.hear(end)
	defer func() { end(nil); <-o.over }()
	err = from.FollowOutput(ctx, v.Job.String(), v, func(p wire.OutputPiece) error { return o.put(ctx, p) })
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, stream.Send(&sessionv1.SendOutputRequest{Fault: viewFault(err)}))
	}
	if ctx.Err() == nil && stream.CloseSend() == nil {
		<-o.over // until it is taken
	}
	return err
}

// viewFault is what the viewer is told.
func viewFault(err error) sessionv1.ViewFault {
	switch {
	case errors.Is(err, wire.ErrNotFound):
		return sessionv1.ViewFault_VIEW_FAULT_NOT_FOUND
	case errors.Is(err, wire.ErrTooMuch):
		return sessionv1.ViewFault_VIEW_FAULT_BUSY
	case errors.Is(err, wire.ErrInvalid):
		return sessionv1.ViewFault_VIEW_FAULT_TOO_OLD
	}
	return sessionv1.ViewFault_VIEW_FAULT_AWAY
}

// outlet is an output under way to its viewer.
type outlet struct {
	stream  grpc.BidiStreamingClient[sessionv1.SendOutputRequest, sessionv1.SendOutputResponse]
	granted atomic.Uint64 // bytes, since the beginning
	more    chan struct{} // a token: more was granted
	over    chan struct{} // closed when nothing is heard any more
	sent    uint64
}

// hear takes credit until the viewer has gone, which ends what is sent. It never
// waits for the output: of an end there may be nothing else to see.
func (o *outlet) hear(end context.CancelCauseFunc) {
	defer close(o.over)
	for {
		r, err := o.stream.Recv()
		if err != nil {
			end(err)
			return
		}
		o.granted.Add(uint64(r.GetMore()))
		select {
		case o.more <- struct{}{}:
		default:
		}
	}
}

// credit waits until something may be sent.
func (o *outlet) credit(ctx context.Context) (uint64, error) {
	for {
		if left := o.granted.Load() - o.sent; left > 0 {
			return left, nil
		}
		select {
		case <-o.more:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// put sends a piece as credit comes; an end needs none.
func (o *outlet) put(ctx context.Context, p wire.OutputPiece) error {
	for len(p.Content) > 0 {
		left, err := o.credit(ctx)
		if err != nil {
			return err
		}
		n := min(uint64(len(p.Content)), left, wire.BlobPiece)
		some := wire.OutputPiece{Offset: p.Offset, Content: p.Content[:n]}
		if err := o.stream.Send(&sessionv1.SendOutputRequest{Piece: wire.PieceToProto(some)}); err != nil {
			return err
		}
		o.sent += n
		p.Offset, p.Content = some.Next(), p.Content[n:]
	}
	if p.End {
		return o.stream.Send(&sessionv1.SendOutputRequest{Piece: wire.PieceToProto(p)})
	}
	return nil
}
