package aggregator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Limits of the two ports (budgets.md says what the small ones save).
const (
	sessionMessage = 96 << 10
	sessionWindow  = 64 << 10
	sessionBuffer  = 4 << 10
	meshMessage    = 4 << 20
	meshWindow     = 4 << 20
)

// Deps is what an aggregator is given by its process.
type Deps struct {
	Log      *slog.Logger
	Identity *identity.Source
	Coord    coord.Client
	// Spool is what outlives the process; nil: nothing does. The caller closes it
	// after Run.
	Spool   Spool
	Version string // of the binary, for who looks at members; may be empty
	// Telemetry is told of deliveries and of what is held; the zero value is nobody.
	Telemetry obs.Telemetry
	// Options are added to both ports.
	Options []grpc.ServerOption
}

// Server is one aggregator. It is safe for concurrent use, and runs once.
type Server struct {
	cfg       Config
	log       *slog.Logger
	id        *identity.Source
	coord     coord.Client
	version   string
	options   []grpc.ServerOption
	hub       *hub
	spool     Spool       // that the hub is restored from; nil: none
	announced atomic.Bool // schedulers could find it, once at least
	listed    atomic.Bool // new schedulers can find it now
	draining  atomic.Bool
	ready     chan struct{}
	once      sync.Once      // closes ready
	receivers sync.WaitGroup // goroutines of sessions and streams that outlive their handlers by a moment
}

// New returns an aggregator that is not serving yet.
func New(cfg Config, d Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: d.Log, id: d.Identity, coord: d.Coord, version: d.Version, options: d.Options,
		hub: newHub(cfg, d.Log, d.Telemetry), spool: d.Spool, ready: make(chan struct{}),
	}
	d.Telemetry.Gauge(obs.Registered, func(observe func(int64, ...attribute.KeyValue)) {
		if s.listed.Load() {
			observe(1)
		} else {
			observe(0)
		}
	})
	return s, nil
}

// Ready is closed when the aggregator serves and is announced.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// errNotAnnounced is why nobody comes from above.
var errNotAnnounced = errors.New("never registered in etcd: schedulers do not know of this aggregator; see whether etcd can be reached")

// Check is an [obs.Check]: it says why the aggregator is not ready now. That its
// registration is lost is no reason: it goes with etcd at all aggregators at
// once, while the streams of schedulers go on and hosts are as welcome as ever.
func (s *Server) Check() error {
	switch {
	case s.draining.Load():
		return obs.ErrDraining
	case !s.announced.Load():
		return errNotAnnounced
	}
	return s.hub.ledger.Fault()
}

// Run serves schedulers on one listener and hosts on the other until ctx ends.
// Then it tells both to go elsewhere, and waits for calls within the budget.
func (s *Server) Run(ctx context.Context, meshPort, sessionPort net.Listener) error {
	if s.spool != nil {
		if err := s.hub.restore(ctx, s.spool); err != nil {
			return errors.Join(err, meshPort.Close(), sessionPort.Close())
		}
	}
	up, down := s.meshServer(), s.sessionServer()
	last := context.WithoutCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return up.Serve(listener{meshPort}) })
	group.Go(func() error { return down.Serve(listener{sessionPort}) })
	group.Go(func() error { return whileRunning(ctx, s.announce(ctx)) })
	group.Go(func() error { return whileRunning(ctx, s.watchBundle(ctx)) })
	group.Go(func() error { return whileRunning(ctx, s.watchClasses(ctx)) })
	group.Go(func() error { s.sweep(ctx); return nil })
	group.Go(func() error { return s.hub.keep(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		s.draining.Store(true)
		s.hub.shutDown()
		s.drain(down, up)
		return nil
	})
	err := group.Wait()
	s.receivers.Wait()
	s.hub.flush(last)
	return err
}

func (s *Server) meshServer() *grpc.Server {
	server := grpc.NewServer(append([]grpc.ServerOption{
		grpc.Creds(credentials.NewTLS(s.id.ServerTLS(identity.Scheduler))),
		grpc.MaxRecvMsgSize(meshMessage), grpc.MaxSendMsgSize(meshMessage),
		grpc.StaticStreamWindowSize(meshWindow), grpc.StaticConnWindowSize(2 * meshWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}, s.options...)...)
	meshv1.RegisterMeshServiceServer(server, &mesh{Server: s})
	healthv1.RegisterHealthServer(server, obs.NewHealth(s.Check))
	return server
}

func (s *Server) sessionServer() *grpc.Server {
	server := grpc.NewServer(append([]grpc.ServerOption{
		grpc.Creds(newGuests(credentials.NewTLS(s.id.ServerTLS(identity.Host)))),
		grpc.MaxRecvMsgSize(sessionMessage), grpc.MaxSendMsgSize(sessionMessage),
		grpc.StaticStreamWindowSize(sessionWindow), grpc.StaticConnWindowSize(sessionWindow),
		grpc.ReadBufferSize(sessionBuffer), grpc.WriteBufferSize(sessionBuffer),
		grpc.ConnectionTimeout(20 * time.Second), grpc.MaxConcurrentStreams(16), grpc.MaxHeaderListSize(8 << 10),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: s.hub.patience(), Timeout: 20 * time.Second, MaxConnectionIdle: s.hub.patience(),
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}, s.options...)...)
	sessionv1.RegisterSessionServiceServer(server, &sessions{Server: s})
	return server
}

// announce makes the aggregator known to schedulers as long as ctx lasts.
func (s *Server) announce(ctx context.Context) error {
	member := coord.Member{Kind: coord.Aggregator, Name: s.cfg.Name, Addr: s.cfg.Advertise, Room: s.cfg.Room, Version: s.version}
	return coord.Keep(ctx, s.coord, s.cfg.LeaseTTL, s.log, func(ctx context.Context, held coord.Session) error {
		if err := coord.PutMember(ctx, held, member); err != nil {
			return fmt.Errorf("cannot announce: %w", err)
		}
		if s.announced.Swap(true) {
			s.log.InfoContext(ctx, "registered in etcd again")
		}
		s.listed.Store(true)
		s.once.Do(func() { close(s.ready) })
		<-ctx.Done()
		s.listed.Store(false)
		if errors.Is(context.Cause(ctx), coord.ErrLost) {
			s.log.WarnContext(ctx, "registration in etcd is lost; the schedulers that are connected go on, others do not find this aggregator")
		}
		return nil
	})
}

func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(s.cfg.HeartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.hub.sweep(now)
		case <-ctx.Done():
			return
		}
	}
}

// drain lets calls end, and after the budget ends them.
func (s *Server) drain(servers ...*grpc.Server) {
	var stopped sync.WaitGroup
	for _, server := range servers {
		stopped.Go(func() {
			hard := time.AfterFunc(s.cfg.DrainBudget, server.Stop)
			defer hard.Stop()
			server.GracefulStop()
		})
	}
	stopped.Wait()
}

// whileRunning takes the end of ctx for what it is: no error.
func whileRunning(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}
