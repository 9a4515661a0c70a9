package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

func TestEveryErrorHasItsCodeAndKeepsItsWords(t *testing.T) {
	_, syntax := fleet.ParseSelector("app in (")
	for _, c := range []struct {
		err  error
		code codes.Code
	}{
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
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{syntax, codes.InvalidArgument},
		{&fleet.HostsError{Unknown: []string{"h9"}}, codes.InvalidArgument},
		{&fleet.HostsError{Barred: []fleet.HostID{"h9"}}, codes.InvalidArgument},
		{&fleet.AmbiguousError{Address: "10.0.0.1"}, codes.InvalidArgument},
		{fleet.ErrNoHosts, codes.InvalidArgument},
		{fleet.ErrUnknownHost, codes.InvalidArgument},
		{job.ErrControlRevision, codes.Aborted},
		{job.ErrRequestReused, codes.AlreadyExists},
		{job.ErrQuarantined, codes.FailedPrecondition},
		{capsule.ErrMalformed, codes.InvalidArgument},
		{capsule.ErrSignature, codes.PermissionDenied},
		{io.ErrUnexpectedEOF, codes.Internal},
	} {
		err := StatusError(fmt.Errorf("cannot do it to h1: %w", c.err))
		if status.Code(err) != c.code || !strings.Contains(status.Convert(err).Message(), "cannot do it to h1: "+c.err.Error()) {
			t.Errorf("%v became %v, want %s", c.err, err, c.code)
		}
		if IsNotOwner(err) || RetryDelay(err) != 0 || IsStale(err) != errors.Is(c.err, ErrStale) {
			t.Errorf("%v has details of another", c.err)
		}
	}
	if StatusError(nil) != nil || IsNotOwner(nil) || IsStale(nil) || RetryDelay(nil) != 0 {
		t.Error("nothing is something")
	}
}

func TestEveryFaultOfASubmissionIsTheSubmittersFault(t *testing.T) {
	now := time.Now()
	for name, spec := range map[string]job.Spec{
		"empty":            {},
		"an old id":        {ID: job.NewID(now.Add(-48*time.Hour), [10]byte{})},
		"a past deadline":  {ID: job.NewID(now, [10]byte{}), StartBy: now.Add(-time.Hour), Rollout: job.Rollout{Deadline: now.Add(-time.Minute)}},
		"a far deadline":   {ID: job.NewID(now, [10]byte{}), StartBy: now.Add(time.Hour), Rollout: job.Rollout{Deadline: now.Add(1000 * time.Hour)}},
		"a pause point":    {ID: job.NewID(now, [10]byte{}), StartBy: now.Add(time.Hour), Rollout: job.Rollout{Deadline: now.Add(time.Hour), PauseAfter: []uint32{0}}},
		"a long note":      {ID: job.NewID(now, [10]byte{}), StartBy: now.Add(time.Hour), Rollout: job.Rollout{Deadline: now.Add(time.Hour)}, Note: strings.Repeat("x", 2000)},
		"negative timeout": {ID: job.NewID(now, [10]byte{}), StartBy: now.Add(time.Hour), Rollout: job.Rollout{Deadline: now.Add(time.Hour)}, Timeout: -1},
	} {
		err := job.Validate(spec, twoTargets(t), now)
		if err == nil || status.Code(StatusError(err)) != codes.InvalidArgument {
			t.Errorf("%s became %v", name, StatusError(err))
		}
	}
}

func TestAStatusStaysWhatItIs(t *testing.T) {
	given := status.Error(codes.DataLoss, "as it came")
	if got := StatusError(given); !errors.Is(got, given) || status.Code(got) != codes.DataLoss {
		t.Errorf("it became %v", got)
	}
	wrapped := StatusError(fmt.Errorf("on the way: %w", given))
	if status.Code(wrapped) != codes.DataLoss || !strings.Contains(wrapped.Error(), "on the way") {
		t.Errorf("wrapped it became %v", wrapped)
	}
}

func TestDetailsForProgramsComeBack(t *testing.T) {
	owner := StatusError(fmt.Errorf("cannot cancel: %w", &NotOwnerError{Shard: job.ShardID{Pool: "standard", N: 7}}))
	if !IsNotOwner(owner) || status.Code(owner) != codes.FailedPrecondition || !strings.Contains(owner.Error(), "standard/7") {
		t.Errorf("it became %v", owner)
	}
	for name, cause := range map[string]error{
		"an error":              ErrUnavailable,
		"a status":              status.Error(codes.Unavailable, "connection refused"),
		"a status of NotOwner":  owner,
		"a wrapped status":      fmt.Errorf("lost: %w", status.Error(codes.Canceled, "gone")),
		"an error of the store": io.EOF,
	} {
		err := StatusError(fmt.Errorf("in the middle: %w", &RetryAfter{After: 1500 * time.Millisecond, Err: cause}))
		if RetryDelay(err) != 1500*time.Millisecond || status.Code(err) != codes.Unavailable || IsNotOwner(err) {
			t.Errorf("%s: it became %v, retry after %s", name, err, RetryDelay(err))
		}
	}
	cause := errors.New("why")
	if retry := (&RetryAfter{Err: cause}); retry.Error() != "why" || !errors.Is(retry, cause) {
		t.Error("the reason is lost")
	}
}

func TestAStrangersStatusHasNoDetailsOfOurs(t *testing.T) {
	for _, err := range []error{io.EOF, status.Error(codes.FailedPrecondition, "some other"), status.Error(codes.Unavailable, "")} {
		if IsNotOwner(err) || IsStale(err) || RetryDelay(err) != 0 {
			t.Errorf("%v has", err)
		}
	}
}
