package access

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"

	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// conns keeps one connection to each scheduler, by name: a scheduler that comes
// back elsewhere gets a new one.
type conns struct {
	id     *identity.Source
	dial   func(ctx context.Context, addr string) (net.Conn, error)
	traced grpc.DialOption

	mu   sync.Mutex // protects what follows
	open map[string]conn
}

type conn struct {
	addr string
	*grpc.ClientConn
}

func newConns(id *identity.Source, dial func(context.Context, string) (net.Conn, error), traced grpc.DialOption) *conns {
	return &conns{id: id, dial: dial, traced: traced, open: map[string]conn{}}
}

// to returns the client of a scheduler, by name and address.
func (c *conns) to(name, addr string) (schedulerv1.SchedulerServiceClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, err := c.conn(name, addr)
	if err != nil {
		return nil, err
	}
	return schedulerv1.NewSchedulerServiceClient(known), nil
}

// conn is the connection to a scheduler. The caller holds mu.
func (c *conns) conn(name, addr string) (*grpc.ClientConn, error) {
	known, ok := c.open[name]
	if ok && known.addr == addr {
		return known.ClientConn, nil
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(c.id.ClientTLS(identity.Scheduler, name))),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(reconnect()),
		grpc.WithStaticStreamWindowSize(streamWindow), grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithIdleTimeout(0), // it stays open: whether it does says whether the scheduler can be reached
		c.traced,
	}
	if c.dial != nil {
		options = append(options, grpc.WithContextDialer(c.dial))
	}
	fresh, err := grpc.NewClient("passthrough:///"+addr, options...)
	if err != nil {
		return nil, err
	}
	if ok {
		_ = known.Close() // its calls fail and are routed anew
	}
	c.open[name] = conn{addr: addr, ClientConn: fresh}
	return fresh, nil
}

// reconnect is how a connection is tried again: gRPC's default would let up to
// two minutes pass after a scheduler is back.
func reconnect() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		MinConnectTimeout: 3 * time.Second,
	}
}

// keep opens a connection to every scheduler, and closes those to schedulers
// that are gone: nobody is routed there any more.
func (c *conns) keep(members []coord.Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range members {
		if known, err := c.conn(m.Name, m.Addr); err == nil { // else a call tells it
			known.Connect()
		}
	}
	for name, known := range c.open {
		if !slices.ContainsFunc(members, func(m coord.Member) bool { return m.Name == name }) {
			_ = known.Close() // its calls fail and are routed anew
			delete(c.open, name)
		}
	}
}

// reached reports whether the connection to a scheduler stands. One that was
// lost and that nobody needed since is opened again, for the next who asks.
func (c *conns) reached(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.open[name]
	if !ok {
		return false
	}
	state := known.GetState()
	if state == connectivity.Idle {
		known.Connect()
	}
	return state == connectivity.Ready
}

func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.open {
		_ = known.Close() // nobody waits for an answer any more
	}
	clear(c.open)
}
