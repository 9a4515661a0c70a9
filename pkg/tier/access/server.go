package access

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	accessv1 "github.com/ccs-project/ccs/api/gen/ccs/access/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Deps is what access is given by its process.
type Deps struct {
	Log      *slog.Logger
	Identity *identity.Source
	Coord    coord.Client
	// Dial reaches a scheduler; nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Telemetry is told what this replica does; zero: nobody is.
	Telemetry obs.Telemetry
}

// Server is one replica. It is safe for concurrent use.
type Server struct {
	accessv1.UnimplementedAccessServiceServer

	cfg       Config
	log       *slog.Logger
	id        *identity.Source
	coord     coord.Client
	telemetry obs.Telemetry
	requests  *obs.RequestMeter
	routes    *routes
	conns     *conns
	pools     *poolCache
	draining  atomic.Bool
	stopping  chan struct{} // closed when the replica begins to stop
	viewers   *viewers
	senders   sync.WaitGroup // of what is being sent to viewers
}

// New returns a replica that is not serving yet.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Server{
		cfg: cfg, log: d.Log, id: d.Identity, coord: d.Coord, telemetry: d.Telemetry,
		requests: obs.NewRequestMeter(d.Telemetry, "SubmitJob"),
		routes:   newRoutes(),
		conns:    newConns(d.Identity, d.Dial, d.Telemetry.DialOption()),
		pools:    newPoolCache(),
		stopping: make(chan struct{}),
		viewers:  newViewers(maxViewers),
	}, nil
}

// Ready is closed when the replica has a map of the schedulers.
func (s *Server) Ready() <-chan struct{} { return s.routes.ready }

// Run serves users until ctx ends. Then it sends those who watch elsewhere and
// lets the other calls end within the budget. It runs once.
func (s *Server) Run(ctx context.Context, lis net.Listener) error {
	panics := obs.NewPanics(s.log)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(s.id.ServerTLS(identity.User))),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxConcurrentStreams(maxStreams),
		grpc.StaticStreamWindowSize(streamWindow), grpc.StaticConnWindowSize(connWindow),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(s.requests.Unary, panics.Unary), grpc.ChainStreamInterceptor(s.requests.Stream, panics.Stream),
		s.telemetry.PublicServerOption(),
	)
	accessv1.RegisterAccessServiceServer(server, s)
	healthv1.RegisterHealthServer(server, obs.NewHealth(s.Check))
	defer s.conns.close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(ctx, s.routes.watch(ctx, s.coord, s.log, s.conns.keep)) })
	group.Go(func() error { return server.Serve(lis) })
	group.Go(func() error {
		<-ctx.Done()
		s.draining.Store(true)
		close(s.stopping)
		s.drain(server)
		return nil
	})
	err := group.Wait()
	s.senders.Wait()
	return err
}

// Bounds of a connection.
const (
	maxMessage   = 4 << 20   // bytes: a capsule with the largest script and input, and its frame
	maxStreams   = 1000      // calls at a time; more wait at the client
	streamWindow = 256 << 10 // bytes of one call that were not passed on
	connWindow   = 4 << 20   // bytes of all of them on their way
)

// drain lets calls end, and after the budget ends them.
func (s *Server) drain(server *grpc.Server) {
	hard := time.AfterFunc(s.cfg.DrainBudget, server.Stop)
	defer hard.Stop()
	server.GracefulStop()
}

// ended takes the end of ctx for what it is: no error.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
