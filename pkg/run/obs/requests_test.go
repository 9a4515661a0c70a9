package obs_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

// serverStream is one of which only the context is asked.
type serverStream struct {
	grpc.ServerStream
	ctx context.Context // as gRPC has it
}

func (s serverStream) Context() context.Context { return s.ctx }

func TestEveryUnaryCallIsCountedByItsMethodAndStatus(t *testing.T) {
	r := obstest.New(t)
	m := obs.NewRequestMeter(r.Telemetry())
	for _, fails := range []error{nil, nil, status.Error(codes.NotFound, "no"), context.Canceled, errors.New("other")} {
		got, err := m.Unary(t.Context(), "ask", &grpc.UnaryServerInfo{FullMethod: "/ccs.access.v1.AccessService/GetJob"},
			func(context.Context, any) (any, error) { return "answer", fails })
		if got != "answer" || !errors.Is(err, fails) {
			t.Errorf("the call was answered with %v, %v", got, err)
		}
	}
	for code, want := range map[string]int64{"OK": 2, "NotFound": 1, "Canceled": 1, "Unknown": 1} {
		if got := r.Value(obs.Requests, "method=GetJob", "code="+code); got != want {
			t.Errorf("%d calls were answered with %s, want %d", got, code, want)
		}
	}
	if n := r.Measured(obs.RequestDuration, "method=GetJob"); n != 5 {
		t.Errorf("%d calls were measured", n)
	}
}

func TestEveryStreamIsCountedWhenItEndsAndNoWatchIsMeasured(t *testing.T) {
	r := obstest.New(t)
	m := obs.NewRequestMeter(r.Telemetry(), "SubmitJob")
	stream := func(ctx context.Context, method string, fails error) {
		err := m.Stream(nil, serverStream{ctx: ctx}, &grpc.StreamServerInfo{FullMethod: "/ccs.access.v1.AccessService/" + method},
			func(any, grpc.ServerStream) error {
				if n := r.Value(obs.Requests, "method="+method, "code=Canceled"); n != 0 {
					t.Errorf("%d %s are counted before they end", n, method)
				}
				return fails
			})
		if !errors.Is(err, fails) {
			t.Error(err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	stream(t.Context(), "SubmitJob", nil)
	stream(t.Context(), "WatchJob", nil)
	stream(t.Context(), "WatchJob", status.Error(codes.Unavailable, "watch elsewhere"))
	stream(gone, "WatchJob", gone.Err())
	for labels, want := range map[[2]string]int64{
		{"SubmitJob", "OK"}: 1, {"WatchJob", "OK"}: 1, {"WatchJob", "Unavailable"}: 1, {"WatchJob", "Canceled"}: 1,
	} {
		if got := r.Value(obs.Requests, "method="+labels[0], "code="+labels[1]); got != want {
			t.Errorf("%d %s ended with %s, want %d", got, labels[0], labels[1], want)
		}
	}
	if submissions, all := r.Measured(obs.RequestDuration, "method=SubmitJob"), r.Measured(obs.RequestDuration); submissions != 1 || all != 1 {
		t.Errorf("%d submissions were measured, %d calls", submissions, all)
	}
}

func TestHealthChecksAreNoRequests(t *testing.T) {
	r := obstest.New(t)
	m := obs.NewRequestMeter(r.Telemetry())
	if _, err := m.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/grpc.health.v1.Health/Check"},
		func(context.Context, any) (any, error) { return "ok", nil }); err != nil {
		t.Error(err)
	}
	if err := m.Stream(nil, serverStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/grpc.health.v1.Health/Watch"},
		func(any, grpc.ServerStream) error { return nil }); err != nil {
		t.Error(err)
	}
	if n := r.Value(obs.Requests); n != 0 {
		t.Errorf("%d calls were counted", n)
	}
}
