package obs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Check says why a process, or a part of it, is not ready now; nil says that it
// is. It never blocks and is safe for concurrent use. Its text is read by
// people: what is missing, not that it is not ready.
type Check func() error

// ErrDraining is what a [Check] answers, or wraps, from the moment on at which
// its process takes nothing new. It also ends health watches: they would hold up
// the graceful stop of their server.
var ErrDraining = errors.New("draining")

const (
	// watchEvery is how soon a health watch sees a change.
	watchEvery = time.Second
	// maxWatches bounds the health watches of a server; each costs a goroutine.
	maxWatches = 64
)

// Health answers grpc.health.v1 from a [Check]. It is one answer for the whole
// process: every service name has it.
type Health struct {
	healthv1.UnimplementedHealthServer

	check   Check
	watches atomic.Int32
}

// NewHealth answers from check.
func NewHealth(check Check) *Health { return &Health{check: check} }

func (h *Health) response() (*healthv1.HealthCheckResponse, error) {
	err := h.check()
	if err != nil {
		return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING}, err
	}
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}, nil
}

// Check answers at once.
func (h *Health) Check(context.Context, *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	now, _ := h.response() // the status says it
	return now, nil
}

// List answers for the process under the empty name.
func (h *Health) List(context.Context, *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	now, _ := h.response() // the status says it
	return &healthv1.HealthListResponse{Statuses: map[string]*healthv1.HealthCheckResponse{"": now}}, nil
}

// Watch answers at once and at every change, within a second. It ends with its
// caller, or UNAVAILABLE when the process drains; RESOURCE_EXHAUSTED says that
// too many watch already.
func (h *Health) Watch(_ *healthv1.HealthCheckRequest, stream healthv1.Health_WatchServer) error {
	defer h.watches.Add(-1)
	if h.watches.Add(1) > maxWatches {
		return status.Errorf(codes.ResourceExhausted, "%d health watches are open; use Check", maxWatches)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := healthv1.HealthCheckResponse_UNKNOWN
	for {
		now, why := h.response()
		if now.GetStatus() != last {
			if err := stream.Send(now); err != nil {
				return err
			}
			last = now.GetStatus()
		}
		if errors.Is(why, ErrDraining) {
			return status.Error(codes.Unavailable, ErrDraining.Error())
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}
