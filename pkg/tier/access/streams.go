package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/wire"
)

// ResolveTargets asks any scheduler: each holds the host table.
func (s *Server) ResolveTargets(req *accessv1.ResolveTargetsRequest, out grpc.ServerStreamingServer[accessv1.ResolveTargetsResponse]) error {
	leave, err := s.view(out.Context())
	if err != nil {
		return err
	}
	defer leave()
	var sent bool
	return s.toAny(out.Context(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		return relay(out.Context(), &sent, func(ctx context.Context) (grpc.ServerStreamingClient[schedulerv1.ResolveTargetsResponse], error) {
			return to.ResolveTargets(ctx, &schedulerv1.ResolveTargetsRequest{Caller: who, Request: req})
		}, func(m *schedulerv1.ResolveTargetsResponse) error {
			return s.deliver(func() error { return out.Send(m.GetResponse()) })
		})
	})
}

// errStopping ends what would hold up the stop of a replica.
var errStopping = fmt.Errorf("%w: this replica of access is stopping; go on at another one", wire.ErrUnavailable)

// WatchJob follows the job at its owner. When the owner changes in the middle,
// or this replica stops, the stream ends with UNAVAILABLE, and the client goes on
// from its revision.
func (s *Server) WatchJob(req *accessv1.WatchJobRequest, out grpc.ServerStreamingServer[accessv1.WatchJobResponse]) error {
	id, err := parseID(req.GetJobId())
	if err != nil {
		return err
	}
	return s.untilStopped(out.Context(), func(ctx context.Context) error {
		var sent bool
		return s.toOwner(ctx, id, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
			return relay(ctx, &sent, func(ctx context.Context) (grpc.ServerStreamingClient[schedulerv1.WatchJobResponse], error) {
				return to.WatchJob(ctx, &schedulerv1.WatchJobRequest{Caller: who, Request: req})
			}, func(m *schedulerv1.WatchJobResponse) error {
				return s.deliver(func() error { return out.Send(m.GetResponse()) })
			})
		})
	})
}

// untilStop is the context of a call that has no end of its own: it ends when the
// replica stops, too. The returned function must be called.
func (s *Server) untilStop(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-s.stopping:
			cancel(errStopping)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		watching.Wait()
	}
}

// GetOutput asks any scheduler: outputs are in the store.
func (s *Server) GetOutput(req *accessv1.GetOutputRequest, out grpc.ServerStreamingServer[accessv1.GetOutputResponse]) error {
	if _, err := parseID(req.GetJobId()); err != nil {
		return err
	}
	leave, err := s.view(out.Context())
	if err != nil {
		return err
	}
	defer leave()
	var sent bool
	return s.toAny(out.Context(), func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		return relay(out.Context(), &sent, func(ctx context.Context) (grpc.ServerStreamingClient[schedulerv1.GetOutputResponse], error) {
			return to.GetOutput(ctx, &schedulerv1.GetOutputRequest{Caller: who, Request: req})
		}, func(m *schedulerv1.GetOutputResponse) error {
			return s.deliver(func() error { return out.Send(m.GetResponse()) })
		})
	})
}

// FollowOutput follows an output at the owner of its job. When that changes in
// the middle, or this replica stops, the stream ends with UNAVAILABLE, and the
// client goes on from its offset.
func (s *Server) FollowOutput(req *accessv1.FollowOutputRequest, out grpc.ServerStreamingServer[accessv1.FollowOutputResponse]) error {
	id, err := parseID(req.GetJobId())
	if err != nil {
		return err
	}
	return s.untilStopped(out.Context(), func(ctx context.Context) error {
		var sent bool
		return s.toOwner(ctx, id, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
			return relay(ctx, &sent, func(ctx context.Context) (grpc.ServerStreamingClient[schedulerv1.FollowOutputResponse], error) {
				return to.FollowOutput(ctx, &schedulerv1.FollowOutputRequest{Caller: who, Request: req})
			}, func(m *schedulerv1.FollowOutputResponse) error {
				return s.deliver(func() error { return out.Send(m.GetResponse()) })
			})
		})
	})
}

// untilStopped runs the call of a viewer that has no end of its own.
func (s *Server) untilStopped(ctx context.Context, call func(ctx context.Context) error) error {
	leave, err := s.view(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, end := s.untilStop(ctx)
	defer end()
	err = call(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errStopping) {
		return wire.StatusError(&wire.RetryAfter{After: brokenRetry, Err: errStopping})
	}
	return err
}

// relay passes a stream on. Once anything has been sent to the user the stream
// cannot be begun again elsewhere: see endOfRelay.
func relay[M any](ctx context.Context, sent *bool, open func(context.Context) (grpc.ServerStreamingClient[M], error), send func(*M) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(inner)
	for err == nil {
		var m *M
		if m, err = stream.Recv(); err == nil {
			*sent = true
			err = send(m)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return endOfRelay(lost(ctx, err), *sent)
}
