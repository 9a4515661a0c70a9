package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/state/store"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/commit"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/hosts"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/shard"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// comeAgain is what a caller waits who is told that it does not work now.
const comeAgain = time.Second

// callers says who may call which service.
var callers = []struct {
	service string
	role    identity.Role
}{
	{"/ccs.scheduler.v1.SchedulerService/", identity.Access},
	{"/ccs.scheduler.v1.FleetService/", identity.Issuer},
	{"/grpc.health.v1.Health/", identity.Access},
	{"/grpc.health.v1.Health/", identity.Issuer},
}

// admit checks who makes a call.
func admit(ctx context.Context, method string) error {
	peer, err := identity.Peer(ctx)
	if err != nil {
		return status.Error(codes.Unauthenticated, err.Error())
	}
	for _, c := range callers {
		if strings.HasPrefix(method, c.service) && peer.Role == c.role {
			return nil
		}
	}
	return status.Errorf(codes.PermissionDenied, "%s may not call %s", peer, method)
}

func unaryEdge(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := admit(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	resp, err := handle(ctx, req)
	return resp, wire.StatusError(edge(err))
}

func streamEdge(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := admit(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return wire.StatusError(edge(handle(srv, stream)))
}

// mapping says what the errors of the parts are to a caller.
var mapping = []struct{ inner, outer error }{
	{shard.ErrUsed, wire.ErrOtherBody}, // before store.ErrNotFound, which it wraps
	{store.ErrNotFound, wire.ErrNotFound},
	{store.ErrPageToken, wire.ErrPageToken},
	{shard.ErrNoJob, wire.ErrNotFound},
	{shard.ErrOtherBody, wire.ErrOtherBody},
	{shard.ErrFull, wire.ErrTooMuch},
	{hosts.ErrOtherKey, wire.ErrDenied},
	{hosts.ErrHost, wire.ErrInvalid},
	{hosts.ErrChanged, wire.ErrStale},
	{hosts.ErrBarred, wire.ErrInvalid},
}

// said is an error that speaks for itself, and its kind for package wire.
type said struct {
	error
	kind error
}

// Unwrap is the error and its kind.
func (s *said) Unwrap() []error { return []error{s.error, s.kind} }

// edge turns errors of the parts into those that package wire knows.
func edge(err error) error {
	if err == nil {
		return nil
	}
	var elsewhere *shard.ElsewhereError
	var hostsErr *fleet.HostsError
	var ambiguous *fleet.AmbiguousError
	var syntax *fleet.SyntaxError
	switch {
	case errors.As(err, &elsewhere):
		return &wire.NotOwnerError{Shard: elsewhere.Shard}
	case errors.As(err, &hostsErr), errors.As(err, &ambiguous), errors.As(err, &syntax):
		return &said{err, wire.ErrInvalid}
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, commit.ErrEnded):
		return &wire.RetryAfter{After: comeAgain, Err: fmt.Errorf("%w: %w; try again", wire.ErrUnavailable, err)}
	}
	for _, m := range mapping {
		if errors.Is(err, m.inner) {
			return &said{err, m.outer}
		}
	}
	return err
}

// errSlow is why a call is given up that waits for a shard.
var errSlow = errors.New("the shard, or the store that it writes to, does not answer")

// budgeted bounds how long a call waits for a shard. After that it is not known
// whether what was asked has been done; to ask the same again is harmless.
func (s *Scheduler) budgeted(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.cfg.AnswerBudget, errSlow)
}

// of turns an error of a job's shard into one for the caller.
func (s *Scheduler) of(id job.ID, err error) error {
	switch {
	case errors.Is(err, shard.ErrNotOwner):
		return &wire.NotOwnerError{Shard: s.shardOf(id).ID()}
	case errors.Is(err, errSlow):
		return &wire.RetryAfter{After: comeAgain, Err: fmt.Errorf("%w: job %s: %w; it is not known whether this was done: ask the same again", wire.ErrUnavailable, id, err)}
	case errors.Is(err, store.ErrDamaged): // set aside, or it will be when its shard is next loaded
		return fmt.Errorf("job %s: %w, and its record cannot be read: %w", id, job.ErrQuarantined, err)
	case errors.Is(err, store.ErrPurged): // it names the job
		return err
	case err != nil:
		return fmt.Errorf("job %s: %w", id, err)
	}
	return nil
}
