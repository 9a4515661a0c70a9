package obs

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
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
	// maxWatchesOfOne bounds those of one caller, so that none takes them all.
	maxWatchesOfOne = 8
)

// Health answers grpc.health.v1 from a [Check]. It is one answer for the whole
// process: every service name has it.
type Health struct {
	healthv1.UnimplementedHealthServer

	check Check

	mu      sync.Mutex
	watches map[string]int // guarded by mu: open ones by caller
	all     int            // guarded by mu: sum of watches
}

// NewHealth answers from check.
func NewHealth(check Check) *Health { return &Health{check: check, watches: map[string]int{}} }

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
// too many watch already, or the caller himself too often.
func (h *Health) Watch(_ *healthv1.HealthCheckRequest, stream healthv1.Health_WatchServer) error {
	who := caller(stream.Context())
	if err := h.begin(who); err != nil {
		return err
	}
	defer h.end(who)
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

// begin takes a place for a watch.
func (h *Health) begin(who string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.watches[who] >= maxWatchesOfOne:
		return status.Errorf(codes.ResourceExhausted, "%d health watches of yours are open; use Check", maxWatchesOfOne)
	case h.all >= maxWatches:
		return status.Errorf(codes.ResourceExhausted, "%d health watches are open; use Check", maxWatches)
	}
	h.watches[who]++
	h.all++
	return nil
}

// end gives it back.
func (h *Health) end(who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all--
	h.watches[who]--
	if h.watches[who] == 0 {
		delete(h.watches, who)
	}
}

// caller is who calls: the name in his certificate, which the server has
// verified, and without one his address.
func caller(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if tls, ok := p.AuthInfo.(credentials.TLSInfo); ok && tls.SPIFFEID != nil {
		return tls.SPIFFEID.String()
	}
	if host, _, err := net.SplitHostPort(p.Addr.String()); err == nil {
		return host
	}
	return p.Addr.String()
}
