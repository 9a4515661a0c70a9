package obs_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/ccs-project/ccs/pkg/run/obs"
)

const (
	serving    = healthv1.HealthCheckResponse_SERVING
	notServing = healthv1.HealthCheckResponse_NOT_SERVING
)

// state is a check whose answer a test sets.
type state struct {
	mu  sync.Mutex
	why error // guarded by mu
}

func (s *state) set(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why = why
}

func (s *state) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// dial serves in memory until the returned function ends it, gracefully.
func dial(t *testing.T, register func(*grpc.Server), server []grpc.ServerOption, client ...grpc.DialOption) (*grpc.ClientConn, func()) {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(server...)
	register(srv)
	var serve sync.WaitGroup
	serve.Go(func() {
		if err := srv.Serve(lis); err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient("passthrough:///x", append(client, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	return conn, func() {
		srv.GracefulStop()
		serve.Wait()
		_ = conn.Close()
	}
}

func healthOf(t *testing.T, s *state) (healthv1.HealthClient, func()) {
	t.Helper()
	conn, stop := dial(t, func(srv *grpc.Server) { healthv1.RegisterHealthServer(srv, obs.NewHealth(s.check)) }, nil)
	return healthv1.NewHealthClient(conn), stop
}

func TestHealthIsTheChecksAnswerForEveryService(t *testing.T) {
	var s state
	client, stop := healthOf(t, &s)
	defer stop()
	for _, why := range []error{errors.New("no shard map yet"), nil, obs.ErrDraining} {
		s.set(why)
		want := serving
		if why != nil {
			want = notServing
		}
		for _, service := range []string{"", "ccs.scheduler.v1.SchedulerService", "unheard.of"} {
			got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
			if err != nil || got.GetStatus() != want {
				t.Errorf("%v: service %q is %v (%v), want %v", why, service, got.GetStatus(), err, want)
			}
		}
		all, err := client.List(t.Context(), &healthv1.HealthListRequest{})
		if err != nil || len(all.GetStatuses()) != 1 || all.GetStatuses()[""].GetStatus() != want {
			t.Errorf("%v: the list is %v (%v)", why, all.GetStatuses(), err)
		}
	}
}

func TestAHealthWatchSeesEveryChangeWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := state{why: errors.New("starting")}
		client, stop := healthOf(t, &s)
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		watch, err := client.Watch(ctx, &healthv1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []healthv1.HealthCheckResponse_ServingStatus{notServing, serving, notServing, serving} {
			began := time.Now()
			if got, err := watch.Recv(); err != nil || got.GetStatus() != want || time.Since(began) > time.Second {
				t.Fatalf("change %d: %v after %v (%v), want %v", i, got.GetStatus(), time.Since(began), err, want)
			}
			s.set(map[bool]error{true: nil, false: errors.New("no store")}[want == notServing])
		}
		cancel()
		if _, err := watch.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("it ended with %v", err)
		}
	})
}

// A watch that went on would hold the server until its budget ends.
func TestAHealthWatchEndsWhenTheProcessDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s state
		client, stop := healthOf(t, &s)
		watch, err := client.Watch(t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := watch.Recv(); err != nil || got.GetStatus() != serving {
			t.Fatalf("it is %v (%v)", got.GetStatus(), err)
		}
		s.set(errors.Join(errors.New("the keys are given back"), obs.ErrDraining))
		began := time.Now()
		stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the graceful stop took %v", took)
		}
		if got, err := watch.Recv(); err != nil || got.GetStatus() != notServing {
			t.Errorf("the last answer is %v (%v)", got.GetStatus(), err)
		}
		if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("it ended with %v", err)
		}
	})
}

// callers makes a health of which a test says who asks.
type callers struct {
	health *obs.Health
	group  sync.WaitGroup
}

// heard is the answers to one watch.
type heard struct {
	healthv1.Health_WatchServer
	ctx context.Context // as gRPC has it
}

func (h heard) Context() context.Context               { return h.ctx }
func (heard) Send(*healthv1.HealthCheckResponse) error { return nil }

// watch begins one and reports whether it goes on, in a bubble.
func (c *callers) watch(ctx context.Context, who *peer.Peer) bool {
	over := make(chan error, 1)
	c.group.Go(func() {
		over <- c.health.Watch(&healthv1.HealthCheckRequest{}, heard{ctx: peer.NewContext(ctx, who)})
	})
	synctest.Wait()
	select {
	case err := <-over:
		return status.Code(err) != codes.ResourceExhausted
	default:
		return true
	}
}

// user is one with a certificate, who calls from an address of many.
func user(name string, n int) *peer.Peer {
	return &peer.Peer{
		Addr:     &net.TCPAddr{IP: net.IPv4(10, 0, byte(n>>8), byte(n)), Port: 1000 + n},
		AuthInfo: credentials.TLSInfo{SPIFFEID: &url.URL{Scheme: "spiffe", Host: "demo.ccs", Path: "/user/" + name}},
	}
}

// stranger is one without.
func stranger(address string, port int) *peer.Peer {
	return &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: port}, AuthInfo: credentials.TLSInfo{}}
}

func TestNobodyTakesAllHealthWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callers{health: obs.NewHealth(func() error { return nil })}
		ctx, cancel := context.WithCancel(t.Context())
		let := map[string]int{}
		for i := range 70 {
			for name, who := range map[string]*peer.Peer{"alice": user("alice", i), "address": stranger("10.1.1.1", 1000+i), "socket": {Addr: &net.UnixAddr{Name: "@", Net: "unix"}}} {
				if c.watch(ctx, who) {
					let[name]++
				}
			}
		}
		for name, n := range let {
			if n != 8 {
				t.Errorf("%s has %d watches", name, n)
			}
		}
		if !c.watch(ctx, user("bob", 1)) || !c.watch(ctx, stranger("10.1.1.2", 1)) {
			t.Error("others cannot watch")
		}
		cancel()
		c.group.Wait()
		ctx, cancel = context.WithCancel(t.Context())
		if !c.watch(ctx, user("alice", 1)) {
			t.Error("the place of one that ended is not free")
		}
		cancel()
		c.group.Wait()
	})
}

func TestHealthWatchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := callers{health: obs.NewHealth(func() error { return nil })}
		ctx, cancel := context.WithCancel(t.Context())
		let := 0
		for i := range 70 {
			if c.watch(ctx, user(fmt.Sprint("user-", i), i)) {
				let++
			}
		}
		if let != 64 {
			t.Errorf("%d of 70 users watch", let)
		}
		cancel()
		c.group.Wait()
	})
}
