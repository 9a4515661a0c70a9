package scheduler

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/run/lifecycle"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/charge"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Bounds of the port, and paces of what is done all the time.
const (
	maxMessage = 4 << 20               // a capsule with the largest script and input, and its frame
	pollEvery  = time.Second           // rows of hosts that others have written
	pollPause  = 50 * time.Millisecond // between two polls for hosts that have come without a row
	minPing    = 5 * time.Second       // of clients that keep their connection alive
)

// Run serves until ctx ends. Then it takes nothing new, finishes the commits
// that are under way, gives back its keys, and ends, all within the budget.
func (s *Scheduler) Run(ctx context.Context, lis net.Listener) error {
	address, err := s.advertised(lis)
	if err != nil {
		return err
	}
	if s.loadHosts(ctx); ctx.Err() != nil {
		return nil
	}
	keeper := charge.New(s.coord, s.log, coord.Member{
		Kind: coord.Scheduler, Name: s.cfg.Name, Addr: address, Pool: s.cfg.Pool, Shards: s.cfg.Shards, Version: s.version,
	}, s.charges())
	s.keeper.Store(keeper)

	// What shards need outlives them: it ends when all of them have ended, or
	// when the budget is spent.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	server := s.server()
	var below errgroup.Group // ends with life
	below.Go(func() error { return s.writer.Run(life) })
	below.Go(func() error { return failing(life, end, "mesh", s.rooms.Run(life)) })
	below.Go(func() error { return s.poll(life) })
	below.Go(func() error { return s.seekTruth(life) })
	below.Go(func() error { return s.classes.watch(life, s.coord, s.log) })
	below.Go(func() error { return s.announce(life, keeper) })

	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var above errgroup.Group
	var hard *time.Timer // ends what takes too long to stop, the shards that wait for the store as well
	above.Go(func() error { return failing(serving, stop, "port", server.Serve(lis)) })
	above.Go(func() error { return keeper.Run(serving) })
	above.Go(func() error {
		select {
		case <-serving.Done():
		case <-life.Done():
			stop(context.Cause(life))
		}
		s.draining.Store(true)
		hard = time.AfterFunc(s.cfg.DrainBudget, func() { end(errBudget); server.Stop() })
		server.GracefulStop()
		return nil
	})
	err = above.Wait()
	hard.Stop()
	end(nil)
	err = errors.Join(err, below.Wait())
	s.fetches.wait()
	s.receivers.Wait()
	return err
}

var (
	errBudget = errors.New("the stop took longer than drain_budget")
	errEnded  = errors.New("it ended by itself")
)

// failing makes everything end when a part ends that should not have.
func failing(ctx context.Context, stop context.CancelCauseFunc, part string, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is no fault
	}
	if err == nil {
		err = errEnded
	}
	err = fmt.Errorf("cannot go on without the %s: %w", part, err)
	stop(err)
	return err
}

func (s *Scheduler) server() *grpc.Server {
	panics := obs.NewPanics(s.log)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(s.id.ServerTLS(identity.Access, identity.Issuer))),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.ChainUnaryInterceptor(s.requests.Unary, panics.Unary, unaryEdge),
		grpc.ChainStreamInterceptor(s.requests.Stream, panics.Stream, streamEdge),
		s.telemetry.ServerOption(),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
	)
	schedulerv1.RegisterSchedulerServiceServer(server, s)
	schedulerv1.RegisterFleetServiceServer(server, s)
	healthv1.RegisterHealthServer(server, obs.NewHealth(s.Check))
	return server
}

// loadHosts reads the host table, as soon as the store can be read.
func (s *Scheduler) loadHosts(ctx context.Context) {
	for said := false; ; said = true {
		err := s.pollHosts(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !said {
			s.log.WarnContext(ctx, "host table cannot be read; trying again", "error", err)
		}
		lifecycle.Pause(ctx, pollEvery)
	}
}

// pollHosts reads what is new in the host table, and so finds out whether the
// store can be read.
func (s *Scheduler) pollHosts(ctx context.Context) error {
	began := time.Now()
	s.polling.Store(&began)
	err := s.hosts.Poll(ctx)
	s.polling.Store(nil)
	switch {
	case err == nil:
		s.unread.Store(nil)
	case ctx.Err() == nil:
		s.unread.Store(&err)
	}
	return err
}

// poll follows the host table, and looks who has been out of sight for too long.
func (s *Scheduler) poll(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for said := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.hosts.Unknown():
			lifecycle.Pause(ctx, pollPause)
		}
		err := s.pollHosts(ctx)
		if err != nil && !said && ctx.Err() == nil {
			s.log.WarnContext(ctx, "host table cannot be read; going on with what is known", "error", err)
		}
		said = err != nil
		s.tellShards(ctx, s.hosts.Changed(time.Now()))
	}
}

// announce closes ready.
func (s *Scheduler) announce(ctx context.Context, keeper *charge.Keeper) error {
	for _, step := range []<-chan struct{}{keeper.Announced(), s.classes.known} {
		select {
		case <-step:
		case <-ctx.Done():
			return nil
		}
	}
	close(s.ready)
	return nil
}
