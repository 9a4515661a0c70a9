package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Limits of the API.
const (
	maxSessions = 10_000
	chunk       = 64 << 10
)

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
	// In the loop, though it writes: it is rare, and numbers must never repeat.
	first, err := ask(ctx, s.e, func(_ context.Context, reply func(uint64, error)) {
		first, err := s.e.root.ReserveSessions(count)
		if err != nil {
			err = fmt.Errorf("%w: cannot reserve session numbers: %w", wire.ErrUnavailable, err)
		}
		reply(first, err)
	})
	if err != nil {
		return nil, wire.StatusError(err)
	}
	return &executorv1.ReserveSessionsResponse{First: first, Count: count}, nil
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
	index := int(r.GetStream() - typesv1.Stream_STREAM_STDOUT)
	if index < 0 || index >= len(spool.Streams) {
		return wire.StatusError(fmt.Errorf("%w: the stream must be STDOUT or STDERR", wire.ErrInvalid))
	}
	find := func(_ context.Context, reply func(string, error)) {
		reply(s.e.outputPath(r.GetCommandId(), r.GetAttempt(), index))
	}
	path, err := ask(stream.Context(), s.e, find)
	if err != nil {
		return wire.StatusError(err)
	}
	err = sendFile(path, r.GetOffset(), func(piece []byte) error {
		return stream.Send(&executorv1.FetchOutputResponse{Content: piece})
	})
	if errors.Is(err, os.ErrNotExist) { // nothing was written, unless it was released just now
		_, err = ask(stream.Context(), s.e, find)
	}
	return wire.StatusError(err)
}

// outputPath is where the output of a known attempt is kept.
func (e *Executor) outputPath(id string, attempt uint32, stream int) (string, error) {
	c := e.commands[id]
	if c == nil || unborn(c) || c.leaving || attempt < 1 || attempt > c.attempt {
		return "", fmt.Errorf("%w: attempt %d of command %q has no output here; it may have been released", wire.ErrNotFound, attempt, id)
	}
	return spool.OutputPath(e.root.Path(id), attempt, stream), nil
}

// sendFile sends a file from an offset to its present end.
func sendFile(path string, offset uint64, send func([]byte) error) error {
	file, err := os.Open(path) //nolint:gosec // its name is made of an id that was checked
	if err != nil {
		return fmt.Errorf("cannot read the kept output: %w", err)
	}
	defer func() { _ = file.Close() }()
	if offset > spool.MaxKept {
		return nil
	}
	from := io.NewSectionReader(file, int64(offset), spool.MaxKept)
	buf := make([]byte, chunk)
	for {
		n, err := io.ReadFull(from, buf)
		if n > 0 {
			if err := send(buf[:n]); err != nil { // encoded before it returns
				return err
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return fmt.Errorf("cannot read the kept output: %w", err)
		}
	}
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
