package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

// maxSessions bounds the session numbers of one call.
const maxSessions = 10_000

// service is the gRPC shell around the loop.
type service struct {
	executorv1.UnimplementedExecutorServiceServer
	e *Executor
}

// Register adds the executor's service and its health to a server.
func (e *Executor) Register(server grpc.ServiceRegistrar) {
	executorv1.RegisterExecutorServiceServer(server, &service{e: e})
	healthv1.RegisterHealthServer(server, obs.NewHealth(e.Check))
}

func (s *service) GetInfo(ctx context.Context, r *executorv1.GetInfoRequest) (*executorv1.GetInfoResponse, error) {
	e := s.e
	info, err := ask(ctx, e, func(_ context.Context, reply func(*executorv1.GetInfoResponse, error)) {
		e.hearTime(wire.TimeFromProto(r.GetServerTime()))
		incarnation := e.root.Incarnation()
		reply(&executorv1.GetInfoResponse{
			Incarnation: incarnation[:], BootId: e.boot, Version: e.version, PurgedUntil: wire.TimeToProto(e.watermark),
			Cgroup: e.groupsAt.Version(), CgroupLimits: e.groupLimits,
		}, nil)
	})
	return info, wire.StatusError(err)
}

func (s *service) ReserveSessions(ctx context.Context, r *executorv1.ReserveSessionsRequest) (*executorv1.ReserveSessionsResponse, error) {
	count := r.GetCount()
	if count < 1 || count > maxSessions {
		return nil, wire.StatusError(fmt.Errorf("%w: count %d is not within 1..%d", wire.ErrInvalid, count, maxSessions))
	}
	first, err := s.e.reserveSessions(ctx, count)
	if err != nil {
		return nil, wire.StatusError(err)
	}
	return &executorv1.ReserveSessionsResponse{First: first, Count: count}, nil
}

// reserveSessions does it beside the loop, which would wait for the disk.
func (e *Executor) reserveSessions(ctx context.Context, count uint32) (uint64, error) {
	return ask(ctx, e, func(_ context.Context, reply func(uint64, error)) {
		e.work.Go(func() {
			var first uint64
			err := e.onDisk(func() (err error) {
				e.numbers.Lock() // numbers must never repeat
				defer e.numbers.Unlock()
				first, err = e.root.ReserveSessions(count)
				return err
			})
			if err != nil {
				err = fmt.Errorf("%w: cannot reserve session numbers: %w", wire.ErrUnavailable, err)
			}
			reply(first, err)
		})
	})
}

func (s *service) Start(ctx context.Context, r *executorv1.StartRequest) (*executorv1.StartResponse, error) {
	order, err := wire.StartFromProto(r)
	if err != nil {
		return nil, wire.StatusError(err)
	}
	ctx, span := s.e.starting(ctx, order)
	traceParent := obs.TraceParent(ctx)
	a, err := ask(ctx, s.e, func(_ context.Context, reply replier) { s.e.start(order, traceParent, reply) })
	started(span, err)
	if err != nil {
		return nil, wire.StatusError(err)
	}
	return &executorv1.StartResponse{Acceptance: a.toProto(), Command: a.commandToProto()}, nil
}

func (s *service) Decline(ctx context.Context, r *executorv1.DeclineRequest) (*executorv1.DeclineResponse, error) {
	report, err := wire.StatusFromProto(r.GetStatus())
	if withdrawn := report.State == task.Canceled && report.Exit == (task.Exit{Reason: task.BeforeStart}); err == nil &&
		report.State != task.Refused && report.State != task.Expired && !withdrawn {
		err = fmt.Errorf("%w: only REFUSED, EXPIRED and CANCELED before the start can be declined with, not %s", wire.ErrInvalid, report.State)
	}
	v := verdict{
		id: r.GetCommandId(), attempt: r.GetAttempt(), rememberUntil: wire.TimeFromProto(r.GetRememberUntil()), context: r.GetContext(),
		outcome: spool.Outcome{State: report.State, Exit: report.Exit, Ended: time.Now()},
	}
	a, err := s.pass(ctx, v, err)
	if err != nil {
		return nil, wire.StatusError(err)
	}
	return &executorv1.DeclineResponse{Acceptance: a.toProto(), Command: a.commandToProto()}, nil
}

func (s *service) Signal(ctx context.Context, r *executorv1.SignalRequest) (*executorv1.SignalResponse, error) {
	v := canceled(r.GetCommandId(), r.GetAttempt(), wire.TimeFromProto(r.GetRememberUntil()), r.GetContext(), time.Now())
	a, err := s.pass(ctx, v, nil)
	if err != nil {
		return nil, wire.StatusError(err)
	}
	return &executorv1.SignalResponse{Acceptance: a.toProto(), Command: a.commandToProto()}, nil
}

func (s *service) pass(ctx context.Context, v verdict, err error) (answer, error) {
	faults := []error{err, spool.CheckID(v.id)}
	if v.attempt == 0 {
		faults = append(faults, errors.New("the attempt is 0, attempts count from 1"))
	}
	if v.rememberUntil.IsZero() {
		faults = append(faults, errors.New("remember_until is missing"))
	}
	if len(v.context) > spool.MaxContext {
		faults = append(faults, errors.New("context is longer than 4 KiB"))
	}
	if err := errors.Join(faults...); err != nil {
		return answer{}, fmt.Errorf("%w: command %q: %w", wire.ErrInvalid, v.id, err)
	}
	return ask(ctx, s.e, func(_ context.Context, reply replier) { s.e.pass(v, reply) })
}

func (s *service) List(_ *executorv1.ListRequest, stream grpc.ServerStreamingServer[executorv1.ListResponse]) error {
	return wire.StatusError(s.e.follow(stream.Context(), func(n news) error {
		return stream.Send(&executorv1.ListResponse{Commands: n.toProto()})
	}, true))
}

func (s *service) Watch(_ *executorv1.WatchRequest, stream grpc.ServerStreamingServer[executorv1.WatchResponse]) error {
	return wire.StatusError(s.e.follow(stream.Context(), func(n news) error {
		return stream.Send(&executorv1.WatchResponse{Commands: n.toProto(), SnapshotComplete: n.complete})
	}, false))
}

func (s *service) Release(ctx context.Context, r *executorv1.ReleaseRequest) (*executorv1.ReleaseResponse, error) {
	done, err := ask(ctx, s.e, func(ctx context.Context, reply func(bool, error)) {
		s.e.hearTime(wire.TimeFromProto(r.GetServerTime()))
		s.e.release(ctx, r.GetCommandId(), reply)
	})
	if err != nil {
		return nil, wire.StatusError(err)
	}
	return &executorv1.ReleaseResponse{Released: done}, nil
}

func (s *service) FetchOutput(r *executorv1.FetchOutputRequest, stream grpc.ServerStreamingServer[executorv1.FetchOutputResponse]) error {
	return wire.StatusError(s.e.fetchOutput(stream.Context(), r, stream.Send))
}

func (a answer) toProto() executorv1.Acceptance {
	switch a.acceptance {
	case recorded:
		return executorv1.Acceptance_ACCEPTANCE_RECORDED
	case pastW:
		return executorv1.Acceptance_ACCEPTANCE_PAST_W
	case released:
		return executorv1.Acceptance_ACCEPTANCE_RELEASED
	case busy:
		return executorv1.Acceptance_ACCEPTANCE_BUSY
	}
	return executorv1.Acceptance_ACCEPTANCE_UNSPECIFIED
}

func (a answer) commandToProto() *executorv1.Command {
	if a.acceptance != recorded {
		return nil
	}
	return wire.CommandToProto(a.command)
}

func (n news) toProto() []*executorv1.Command {
	out := make([]*executorv1.Command, 0, len(n.commands))
	for _, c := range n.commands {
		out = append(out, wire.CommandToProto(c))
	}
	return out
}
