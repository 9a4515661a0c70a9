package lifecycle_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/ccs-project/ccs/pkg/run/lifecycle"
)

// health answers Check after delay, and never ends a Watch by itself.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	delay time.Duration
}

func (h health) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	select {
	case <-time.After(h.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func (health) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	<-stream.Context().Done()
	return nil
}

// serve starts a server in a group, and a client of it.
func serve(t *testing.T, delay time.Duration) (*lifecycle.Group, grpc_health_v1.HealthClient) {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, health{delay: delay})
	g := group(lifecycle.GRPC("door", srv, lis, 3*time.Second))
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///bufconn",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, grpc_health_v1.NewHealthClient(conn)
}

func TestACallThatIsOpenMayFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, client := serve(t, 2*time.Second)
		answer := make(chan error)
		go func() {
			_, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
			answer <- err
		}()
		synctest.Wait()
		stopped := make(chan error)
		go func() { stopped <- g.Stop(t.Context()) }()
		if err := <-answer; err != nil {
			t.Errorf("the call failed: %v", err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("the stop failed: %v", err)
		}
	})
}

func TestAStreamThatNeverEndsIsCutOffInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, client := serve(t, 0)
		stream, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("the stop failed: %v", err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %v, want the drain time", took)
		}
		if _, err := stream.Recv(); err == nil {
			t.Error("the stream goes on")
		}
	})
}

func TestAServerWhoseListenerBreaksFailsTheGroup(t *testing.T) {
	lis := bufconn.Listen(1)
	if err := lis.Close(); err != nil {
		t.Fatal(err)
	}
	if err := group(lifecycle.GRPC("door", grpc.NewServer(), lis, time.Second)).Run(t.Context()); err == nil {
		t.Error("it served without a listener")
	}
}
