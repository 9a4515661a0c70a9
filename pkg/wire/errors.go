package wire

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// What a tier may say of a call. Wrap them with what happened, to what, and what
// to do now: the text reaches a person.
var (
	// ErrMessage: a message is not of the form that its contract demands.
	ErrMessage = errors.New("malformed message")
	// ErrInvalid: the request asks for something that cannot be.
	ErrInvalid = errors.New("invalid request")
	// ErrNotFound: there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrOtherBody: the job id is taken by another body.
	ErrOtherBody = errors.New("the job id is taken by another body")
	// ErrStale: the resolution is too old.
	ErrStale = errors.New("the resolution has expired")
	// ErrSession: the session cannot be opened as it is.
	ErrSession = errors.New("the session is refused")
	// ErrPageToken: the page token does not belong to this list.
	ErrPageToken = errors.New("the page token does not belong to this list")
	// ErrTooMuch: a limit is reached.
	ErrTooMuch = errors.New("a limit is reached")
	// ErrDenied: the caller may not do this.
	ErrDenied = errors.New("not allowed")
	// ErrUnavailable: not now; the same again later may work.
	ErrUnavailable = errors.New("not available now")
)

// mapping is the one table of what an error is on the wire. The first match
// counts. What is not in it is a fault of the program that says it.
var mapping = []struct {
	err  error
	code codes.Code
}{
	{context.Canceled, codes.Canceled},
	{context.DeadlineExceeded, codes.DeadlineExceeded},

	{ErrMessage, codes.InvalidArgument},
	{ErrInvalid, codes.InvalidArgument},
	{ErrPageToken, codes.InvalidArgument},
	{ErrNotFound, codes.NotFound},
	{ErrOtherBody, codes.AlreadyExists},
	{ErrStale, codes.FailedPrecondition},
	{ErrSession, codes.FailedPrecondition},
	{ErrTooMuch, codes.ResourceExhausted},
	{ErrDenied, codes.PermissionDenied},
	{ErrUnavailable, codes.Unavailable},

	{fleet.ErrUnknownHost, codes.InvalidArgument},
	{fleet.ErrNoHosts, codes.InvalidArgument},
	{fleet.ErrBadHostID, codes.InvalidArgument},
	{fleet.ErrBadRoom, codes.InvalidArgument},

	{job.ErrControlRevision, codes.Aborted},
	{job.ErrRequestReused, codes.AlreadyExists},
	{job.ErrQuarantined, codes.FailedPrecondition},
	{job.ErrBadID, codes.InvalidArgument},
	{job.ErrIDClock, codes.InvalidArgument},
	{job.ErrRequestID, codes.InvalidArgument},
	{job.ErrEmptyTargets, codes.InvalidArgument},
	{job.ErrTooManyTargets, codes.InvalidArgument},
	{job.ErrBadTarget, codes.InvalidArgument},
	{job.ErrTargetOrder, codes.InvalidArgument},
	{job.ErrTargetTwice, codes.InvalidArgument},
	{job.ErrNoDeadline, codes.InvalidArgument},
	{job.ErrDeadlinePassed, codes.InvalidArgument},
	{job.ErrDeadlineTooFar, codes.InvalidArgument},
	{job.ErrNoStartBy, codes.InvalidArgument},
	{job.ErrStartByPassed, codes.InvalidArgument},
	{job.ErrStartByTooLate, codes.InvalidArgument},
	{job.ErrNotBeforeTooFar, codes.InvalidArgument},
	{job.ErrBadRerun, codes.InvalidArgument},
	{job.ErrBadAmount, codes.InvalidArgument},
	{job.ErrBadDuration, codes.InvalidArgument},
	{job.ErrTooLong, codes.InvalidArgument},
	{job.ErrBadRollout, codes.InvalidArgument},
	{job.ErrResume, codes.InvalidArgument},
	{job.ErrNotPaused, codes.FailedPrecondition},
	{job.ErrTooManyControls, codes.ResourceExhausted},

	{capsule.ErrMalformed, codes.InvalidArgument},
	{capsule.ErrProof, codes.InvalidArgument},
	{capsule.ErrSignature, codes.PermissionDenied},
}

// codeOf is the code of an error, INTERNAL for one that nobody has mapped.
func codeOf(err error) codes.Code {
	for _, m := range mapping {
		if errors.Is(err, m.err) {
			return m.code
		}
	}
	var syntax *fleet.SyntaxError
	var hosts *fleet.HostsError
	var ambiguous *fleet.AmbiguousError
	if errors.As(err, &syntax) || errors.As(err, &hosts) || errors.As(err, &ambiguous) {
		return codes.InvalidArgument
	}
	return codes.Internal
}

// NotOwnerError says that another scheduler owns the shard.
type NotOwnerError struct{ Shard job.ShardID }

// Error names the shard.
func (e *NotOwnerError) Error() string {
	return "this scheduler does not own shard " + e.Shard.String() + ": ask its owner"
}

// RetryAfter says that a call is to be repeated after a time.
type RetryAfter struct {
	After time.Duration
	Err   error // why
}

// Error is the reason.
func (e *RetryAfter) Error() string { return e.Err.Error() }

// Unwrap is the reason.
func (e *RetryAfter) Unwrap() error { return e.Err }

// StatusError is the gRPC status of an error, nil for nil. An error that is a
// status already stays as it is; one that nobody has mapped is INTERNAL.
func StatusError(err error) error {
	if err == nil {
		return nil
	}
	if notOwner, ok := errors.AsType[*NotOwnerError](err); ok {
		return withDetail(status.New(codes.FailedPrecondition, err.Error()),
			&schedulerv1.NotOwner{Pool: notOwner.Shard.Pool, Shard: uint32(notOwner.Shard.N)})
	}
	if retry, ok := errors.AsType[*RetryAfter](err); ok {
		return withDetail(status.New(codes.Unavailable, err.Error()), &errdetails.RetryInfo{RetryDelay: durationpb.New(retry.After)})
	}
	if _, ok := status.FromError(err); ok { // after those above, which may wrap a status
		return err
	}
	st := status.New(codeOf(err), err.Error())
	if errors.Is(err, ErrStale) {
		return withDetail(st, &errdetails.ErrorInfo{Reason: reasonStale, Domain: errorDomain})
	}
	return st.Err()
}

// FAILED_PRECONDITION says too little; these words say it to programs.
const (
	errorDomain = "ccs"
	reasonStale = "RESOLUTION_EXPIRED"
)

// IsStale reports whether a status says that the resolution has expired, so
// that the hosts are to be resolved and the job signed again.
func IsStale(err error) bool {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain && info.GetReason() == reasonStale {
			return true
		}
	}
	return false
}

// IsNotOwner reports whether a status says that another scheduler owns the
// shard, so that nothing was done.
func IsNotOwner(err error) bool {
	for _, d := range status.Convert(err).Details() {
		if _, ok := d.(*schedulerv1.NotOwner); ok {
			return true
		}
	}
	return false
}

// RetryDelay is the time that a status asks to wait; 0 if it asks for none.
func RetryDelay(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return DurationFromProto(info.GetRetryDelay())
		}
	}
	return 0
}
