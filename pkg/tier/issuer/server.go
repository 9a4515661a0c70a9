package issuer

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	enrolv1 "github.com/ccs-project/ccs/api/gen/ccs/enrol/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Deps is what the issuer is given by its process.
type Deps struct {
	Log      *slog.Logger
	Identity *identity.Source
	Coord    coord.Client
	CA       *identity.CA
	Book     *identity.Book // closed by who opened it
	// Telemetry is told of requests; the zero value is nobody.
	Telemetry obs.Telemetry
	// Dial reaches a scheduler; nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Server is the issuer. It is safe for concurrent use.
type Server struct {
	enrolv1.UnimplementedEnrolServiceServer

	cfg        Config
	deps       Deps
	hosts      *hostTable
	requests   *obs.RequestMeter
	enrolments enrolments
	draining   atomic.Bool
	ready      chan struct{}
}

// New returns an issuer that is not serving yet.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Server{
		cfg: cfg, deps: d, hosts: newHostTable(d.Identity, d.Dial, d.Telemetry.DialOption()),
		requests: obs.NewRequestMeter(d.Telemetry), enrolments: newEnrolments(d.Telemetry), ready: make(chan struct{}),
	}, nil
}

// Ready is closed when the issuer serves. It does not wait for the host table:
// an enrolment does.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// maxMessage is far above what an enrolment needs: who calls has no certificate.
const maxMessage = 64 << 10

// Run serves until ctx ends, and then lets calls end within the budget.
func (s *Server) Run(ctx context.Context, lis net.Listener) error {
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(s.deps.Identity.ServerTLSNoClientCert())),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.MaxConcurrentStreams(16),
		grpc.ChainUnaryInterceptor(s.requests.Unary, obs.NewPanics(s.deps.Log).Unary),
		s.deps.Telemetry.PublicServerOption(),
	)
	enrolv1.RegisterEnrolServiceServer(server, s)
	healthv1.RegisterHealthServer(server, obs.NewHealth(s.Check))
	defer s.hosts.close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(ctx, s.hosts.watch(ctx, s.deps.Coord, s.deps.Log)) })
	group.Go(func() error { return server.Serve(lis) })
	group.Go(func() error {
		<-ctx.Done()
		s.draining.Store(true)
		hard := time.AfterFunc(s.cfg.DrainBudget, server.Stop)
		defer hard.Stop()
		server.GracefulStop()
		return nil
	})
	close(s.ready)
	return group.Wait()
}

// ended takes the end of ctx for what it is: no error.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
