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

func TestOfStreamsOnlyThoseThatAreNamedAreCounted(t *testing.T) {
	r := obstest.New(t)
	m := obs.NewRequestMeter(r.Telemetry(), "SubmitJob")
	for _, method := range []string{"SubmitJob", "WatchJob"} {
		err := m.Stream(nil, serverStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/ccs.access.v1.AccessService/" + method},
			func(any, grpc.ServerStream) error { return nil })
		if err != nil {
			t.Error(err)
		}
	}
	if submitted, all := r.Value(obs.Requests, "method=SubmitJob", "code=OK"), r.Value(obs.Requests); submitted != 1 || all != 1 {
		t.Errorf("%d submissions were counted, %d calls", submitted, all)
	}
}

func TestHealthChecksAreNoRequests(t *testing.T) {
	r := obstest.New(t)
	m := obs.NewRequestMeter(r.Telemetry())
	if _, err := m.Unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/grpc.health.v1.Health/Check"},
		func(context.Context, any) (any, error) { return "ok", nil }); err != nil {
		t.Error(err)
	}
	if n := r.Value(obs.Requests); n != 0 {
		t.Errorf("%d calls were counted", n)
	}
}
