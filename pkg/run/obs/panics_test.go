package obs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/run/obs/obstest"
)

// malformed panics as a program does that did not expect its input.
func malformed(list []string) string { return list[len(list)-1] }

func TestAPanicIsTheAnswerToItsCallAndInTheLog(t *testing.T) {
	var said bytes.Buffer
	r := obstest.New(t)
	meter, panics := obs.NewRequestMeter(r.Telemetry()), obs.NewPanics(slog.New(slog.NewTextHandler(&said, nil)))
	const method = "/ccs.scheduler.v1.SchedulerService/GetJob"
	for name, call := range map[string]func() error{
		"unary": func() error {
			info := &grpc.UnaryServerInfo{FullMethod: method}
			resp, err := meter.Unary(t.Context(), nil, info, func(ctx context.Context, req any) (any, error) {
				return panics.Unary(ctx, req, info, func(context.Context, any) (any, error) { return malformed(nil), nil })
			})
			if resp != nil {
				t.Errorf("a crash is answered with %v", resp)
			}
			return err
		},
		"stream": func() error {
			info := &grpc.StreamServerInfo{FullMethod: method}
			return meter.Stream(nil, serverStream{ctx: t.Context()}, info, func(srv any, stream grpc.ServerStream) error {
				return panics.Stream(srv, stream, info, func(any, grpc.ServerStream) error { return errors.New(malformed(nil)) })
			})
		},
	} {
		said.Reset()
		err := call()
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "index") {
			t.Errorf("%s: the caller is told %v, want INTERNAL and nothing of the program", name, err)
		}
		for _, want := range []string{"method=" + method, "index out of range", "malformed"} {
			if !strings.Contains(said.String(), want) {
				t.Errorf("%s: the log has not %q:\n%s", name, want, said.String())
			}
		}
	}
	if n := r.Value(obs.Requests, "method=GetJob", "code=Internal"); n != 2 {
		t.Errorf("%d crashes are counted, want 2", n)
	}
}

func TestAHandlerThatDoesNotPanicIsLeftAlone(t *testing.T) {
	panics := obs.NewPanics(slog.New(slog.NewTextHandler(t.Output(), nil)))
	fails := errors.New("fails")
	got, err := panics.Unary(t.Context(), "ask", &grpc.UnaryServerInfo{}, func(_ context.Context, req any) (any, error) { return req, fails })
	if got != "ask" || !errors.Is(err, fails) {
		t.Errorf("%v, %v", got, err)
	}
	if err := panics.Stream(nil, serverStream{ctx: t.Context()}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error { return fails }); !errors.Is(err, fails) {
		t.Error(err)
	}
}
