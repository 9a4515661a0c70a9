package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Socket is the way to the executor of this host, over its unix socket.
type Socket struct {
	conn *grpc.ClientConn
	api  executorv1.ExecutorServiceClient
}

// OpenSocket makes the way; it does not wait for an executor.
func OpenSocket(path string) (*Socket, error) {
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, time.Second
	conn, err := grpc.NewClient("unix:"+path,
		// The kernel vouches for both ends by the socket's mode and peer credentials.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: 5 * time.Second}),
		grpc.WithReadBufferSize(bufferSize), grpc.WithWriteBufferSize(bufferSize),
		grpc.WithInitialWindowSize(windowSize), grpc.WithInitialConnWindowSize(4*windowSize),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot use the executor's socket %s: %w", path, err)
	}
	return &Socket{conn: conn, api: executorv1.NewExecutorServiceClient(conn)}, nil
}

// Close gives the connection up.
func (s *Socket) Close() error { return s.conn.Close() }

// Info implements Executor.
func (s *Socket) Info(ctx context.Context, heard time.Time) (Info, error) {
	r, err := s.api.GetInfo(ctx, &executorv1.GetInfoRequest{ServerTime: wire.TimeToProto(heard)})
	if err != nil {
		return Info{}, executorError(err)
	}
	incarnation, err := wire.Incarnation(r.GetIncarnation())
	return Info{
		Incarnation: incarnation, Version: r.GetVersion(), PurgedUntil: wire.TimeFromProto(r.GetPurgedUntil()),
		Cgroup: r.GetCgroup(), CgroupLimits: r.GetCgroupLimits(),
	}, err
}

// ReserveSessions implements Executor.
func (s *Socket) ReserveSessions(ctx context.Context, count uint32) (uint64, error) {
	r, err := s.api.ReserveSessions(ctx, &executorv1.ReserveSessionsRequest{Count: count})
	if err == nil && r.GetCount() != count {
		return 0, fmt.Errorf("%w: the executor reserved %d session numbers, not %d", wire.ErrMessage, r.GetCount(), count)
	}
	return r.GetFirst(), executorError(err)
}

// Start implements Executor.
func (s *Socket) Start(ctx context.Context, o wire.StartOrder) (Answer, error) {
	if trace := obs.TraceParent(ctx); trace != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", trace)
	}
	request := wire.StartToProto(o)
	r, err := s.api.Start(ctx, request)
	if request.GetFullSpec() != nil && status.Code(err) == codes.InvalidArgument && strings.Contains(err.Error(), nothingToRun) {
		err = status.Error(codes.InvalidArgument, "it is of a version that knows no limits and settings of a command: upgrade it, then run the command again")
	}
	return answerFrom(r.GetAcceptance(), r.GetCommand(), err)
}

// nothingToRun is what an executor of the version before says of an order whose
// full_spec it does not see. One that sees it has no reason to.
const nothingToRun = "argv is empty and there is no script"

// Decline implements Executor.
func (s *Socket) Decline(ctx context.Context, n Named, report task.Report) (Answer, error) {
	r, err := s.api.Decline(ctx, &executorv1.DeclineRequest{
		CommandId: n.ID, Attempt: n.Attempt, Status: wire.StatusToProto(report),
		RememberUntil: wire.TimeToProto(n.RememberUntil), Context: n.Context,
	})
	return answerFrom(r.GetAcceptance(), r.GetCommand(), err)
}

// Signal implements Executor.
func (s *Socket) Signal(ctx context.Context, n Named) (Answer, error) {
	r, err := s.api.Signal(ctx, &executorv1.SignalRequest{
		CommandId: n.ID, Attempt: n.Attempt, RememberUntil: wire.TimeToProto(n.RememberUntil), Context: n.Context,
	})
	return answerFrom(r.GetAcceptance(), r.GetCommand(), err)
}

// Watch implements Executor.
func (s *Socket) Watch(ctx context.Context, each func(News) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.api.Watch(ctx, &executorv1.WatchRequest{})
	for err == nil {
		var r *executorv1.WatchResponse
		if r, err = stream.Recv(); err != nil {
			break
		}
		news := News{Complete: r.GetSnapshotComplete()}
		for _, c := range r.GetCommands() {
			command, err := wire.CommandFromProto(c)
			if err != nil {
				return fmt.Errorf("cannot read what the executor says of command %q: %w", c.GetCommandId(), err)
			}
			news.Commands = append(news.Commands, command)
		}
		if err := each(news); err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the executor ended the watch", wire.ErrUnavailable)
	}
	return executorError(err)
}

// FetchOutput implements Executor.
func (s *Socket) FetchOutput(ctx context.Context, id string, attempt uint32, of job.Stream, each func([]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.api.FetchOutput(ctx, &executorv1.FetchOutputRequest{CommandId: id, Attempt: attempt, Stream: typesv1.Stream(of)})
	for err == nil {
		var r *executorv1.FetchOutputResponse
		if r, err = stream.Recv(); err != nil {
			break
		}
		if err := each(r.GetContent()); err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return executorError(err)
}

// FollowOutput implements Executor.
func (s *Socket) FollowOutput(ctx context.Context, id string, v wire.View, each func(wire.OutputPiece) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.api.FetchOutput(ctx, &executorv1.FetchOutputRequest{
		CommandId: id, Attempt: v.Attempt, Stream: typesv1.Stream(v.Stream), Offset: v.Offset, Follow: v.Follow,
	})
	for next := v.Offset; err == nil; {
		var r *executorv1.FetchOutputResponse
		if r, err = stream.Recv(); err != nil {
			break
		}
		piece, err := wire.PieceFromProto(&typesv1.OutputPiece{Offset: r.GetOffset(), Content: r.GetContent(), End: r.GetEnd()}, next)
		if err != nil {
			return err
		}
		if err := each(piece); err != nil || piece.End {
			return err
		}
		next = piece.Next()
	}
	if errors.Is(err, io.EOF) {
		return errOldExecutor
	}
	return executorError(err)
}

// errOldExecutor: it ends an output without saying so.
var errOldExecutor = fmt.Errorf("%w: this host's executor is of a version that cannot follow an output; upgrade it", wire.ErrInvalid)

// Release implements Executor.
func (s *Socket) Release(ctx context.Context, id string, heard time.Time) (bool, error) {
	r, err := s.api.Release(ctx, &executorv1.ReleaseRequest{CommandId: id, ServerTime: wire.TimeToProto(heard)})
	return r.GetReleased(), executorError(err)
}

func answerFrom(a executorv1.Acceptance, c *executorv1.Command, err error) (Answer, error) {
	if err != nil {
		return Answer{}, executorError(err)
	}
	answer := Answer{Acceptance: Acceptance(a)}
	switch a {
	case executorv1.Acceptance_ACCEPTANCE_RECORDED:
		answer.Command, err = wire.CommandFromProto(c)
	case executorv1.Acceptance_ACCEPTANCE_PAST_W, executorv1.Acceptance_ACCEPTANCE_RELEASED, executorv1.Acceptance_ACCEPTANCE_BUSY:
	case executorv1.Acceptance_ACCEPTANCE_UNSPECIFIED:
		fallthrough
	default:
		err = fmt.Errorf("%w: the executor answers with acceptance %d, which is not known here", wire.ErrMessage, a)
	}
	return answer, err
}

// executorError gives a status the meaning that Executor promises.
func executorError(err error) error {
	if err == nil {
		return nil
	}
	var kind error
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition:
		kind = wire.ErrInvalid
	case codes.ResourceExhausted:
		kind = wire.ErrTooMuch
	case codes.NotFound:
		kind = wire.ErrNotFound
	default:
		kind = wire.ErrUnavailable
	}
	return fmt.Errorf("%w: executor: %w", kind, err)
}
