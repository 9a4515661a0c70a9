package access

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// brokenRetry is what a client waits before it repeats a stream that broke.
const brokenRetry = 100 * time.Millisecond

// SubmitJob passes a submission to the owner of its shard, as it comes: access
// keeps none of it. Only the opening may be tried at several schedulers; a
// stream that breaks later is for the client to repeat, under the same id.
func (s *Server) SubmitJob(in grpc.ClientStreamingServer[accessv1.SubmitJobRequest, accessv1.SubmitJobResponse]) error {
	leave, err := s.view(in.Context())
	if err != nil {
		return err
	}
	defer leave()
	first, err := in.Recv()
	if errors.Is(err, io.EOF) || err == nil && first.GetHeader() == nil {
		return wire.StatusError(fmt.Errorf("%w: the first message must have the header", wire.ErrInvalid))
	}
	if err != nil {
		return err
	}
	payload, err := capsule.Open(wire.EnvelopeFromProto(first.GetHeader().GetCapsule()))
	if err != nil {
		return wire.StatusError(fmt.Errorf("cannot take the capsule: %w", err))
	}
	if span := trace.SpanFromContext(in.Context()); span.IsRecording() {
		span.SetAttributes(obs.AttrJob.String(payload.JobID.String()), obs.AttrClass.String(payload.Class), obs.AttrTargets.Int64(int64(payload.Count)))
	}
	pool, known := s.routes.poolOf(payload.Class)
	if len(known) == 0 {
		return wire.StatusError(&wire.RetryAfter{
			After: time.Second,
			Err:   fmt.Errorf("%w: this replica does not know the classes of jobs yet; try again", wire.ErrUnavailable),
		})
	}
	if pool == "" {
		return wire.StatusError(fmt.Errorf("%w: there is no class %q: choose one of %s",
			wire.ErrInvalid, payload.Class, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
	}
	if held, ok := s.pools.get(payload.JobID); ok {
		pool = held // the class may have moved since: the pool of a job stays
	}
	var passed bool
	var answer *accessv1.SubmitJobResponse
	err = s.toPool(in.Context(), pool, payload.JobID, func(to schedulerv1.SchedulerServiceClient, who *identityv1.Caller) error {
		var err error
		answer, err = passOn(in, to, who, first, &passed)
		err = lost(in.Context(), err)
		s.pools.learn(payload.JobID, err) // endOfRelay hides who the owner is
		return endOfRelay(err, passed)
	})
	if err != nil {
		return err
	}
	// A job that existed may have been accepted when its class was elsewhere.
	if held := answer.GetJob().GetPool(); held != "" {
		s.pools.put(payload.JobID, held)
	}
	return in.SendAndClose(answer)
}

// passOn streams one submission to one scheduler, and returns its answer.
func passOn(in grpc.ClientStreamingServer[accessv1.SubmitJobRequest, accessv1.SubmitJobResponse], to schedulerv1.SchedulerServiceClient,
	who *identityv1.Caller, first *accessv1.SubmitJobRequest, passed *bool,
) (*accessv1.SubmitJobResponse, error) {
	stream, err := to.SubmitJob(in.Context())
	if err != nil {
		return nil, err
	}
	err = stream.Send(&schedulerv1.SubmitJobRequest{Caller: who, Request: first})
	for err == nil {
		var next *accessv1.SubmitJobRequest
		if next, err = in.Recv(); err == nil {
			*passed = true
			err = stream.Send(&schedulerv1.SubmitJobRequest{Request: next})
		} else if !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	resp, err := stream.CloseAndRecv()
	return resp.GetResponse(), err
}

// endOfRelay is the error of a stream. One that broke after a part of it had
// been passed on cannot be tried elsewhere by access: the client repeats it.
func endOfRelay(err error, passed bool) error {
	if err == nil || !passed || !again(err) {
		return err
	}
	return wire.StatusError(&wire.RetryAfter{
		After: brokenRetry,
		Err:   fmt.Errorf("the scheduler was lost in the middle of the call (%s); repeat it", status.Convert(err).Message()),
	})
}
