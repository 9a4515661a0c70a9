package issuer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	schedulerv1 "github.com/ccs-project/ccs/api/gen/ccs/scheduler/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// hostTable finds the scheduler that owns the host table, and has rows written
// there. When etcd is away the owner that is known holds on.
type hostTable struct {
	id     *identity.Source
	dial   func(ctx context.Context, addr string) (net.Conn, error)
	option grpc.DialOption // of every connection

	mu      sync.Mutex // protects what follows
	owner   string     // name; empty: nobody
	members map[string]coord.Member
	changed chan struct{} // closed and replaced with every change
	conn    *grpc.ClientConn
	to      coord.Member // whom conn reaches
}

func newHostTable(id *identity.Source, dial func(context.Context, string) (net.Conn, error), option grpc.DialOption) *hostTable {
	return &hostTable{id: id, dial: dial, option: option, changed: make(chan struct{})}
}

// watch follows owner and members until ctx ends.
func (h *hostTable) watch(ctx context.Context, c coord.Client, log *slog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return coord.WatchHostTable(ctx, c, func(owner string) {
			h.update(func() { h.owner = owner })
		})
	})
	group.Go(func() error {
		return coord.WatchMembers(ctx, c, coord.Scheduler, func(m coord.Members) {
			if m.Alarm != nil {
				log.ErrorContext(ctx, "coordination went back in time; keeping the schedulers that are known", "error", m.Alarm)
			}
			members := make(map[string]coord.Member, len(m.Members))
			for _, member := range m.Members {
				members[member.Name] = member
			}
			h.update(func() { h.members = members })
		})
	})
	return group.Wait()
}

func (h *hostTable) update(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	close(h.changed)
	h.changed = make(chan struct{})
}

// owned reports whether a scheduler is known that owns the table.
func (h *hostTable) owned() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, known := h.members[h.owner]
	return known
}

// retryPause is the longest time between two tries while nothing changes.
const retryPause = 500 * time.Millisecond

// register has a row written, and is patient while the table changes hands.
func (h *hostTable) register(ctx context.Context, host fleet.Host, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var err error
	for {
		fleetClient, changed, findErr := h.client()
		if findErr != nil {
			return findErr
		}
		if fleetClient == nil {
			err = fmt.Errorf("%w: no scheduler owns the host table at the moment; try again", wire.ErrUnavailable)
		} else {
			_, callErr := fleetClient.RegisterHost(ctx, &schedulerv1.RegisterHostRequest{Host: wire.HostToProto(host)})
			if callErr == nil {
				return nil
			}
			if !again(callErr) && ctx.Err() == nil {
				return callErr
			}
			if ctx.Err() == nil || err == nil { // else what was the matter before says more
				err = fmt.Errorf("%w: the owner of the host table cannot be reached (%s); try again", wire.ErrUnavailable, status.Convert(callErr).Message())
			}
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return &wire.RetryAfter{After: time.Second, Err: err}
		case <-changed:
			pause.Stop()
		case <-pause.C:
		}
	}
}

// again reports whether the owner may only have moved. CANCELED is what gRPC
// says of a call whose connection was replaced meanwhile.
func again(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.Canceled || wire.IsNotOwner(err)
}

// client is that of the owner, nil if there is none, and a channel that is
// closed when that changes.
func (h *hostTable) client() (schedulerv1.FleetServiceClient, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, ok := h.members[h.owner]
	if !ok {
		return nil, h.changed, nil
	}
	if h.conn == nil || h.to.Name != m.Name || h.to.Addr != m.Addr {
		if err := h.connect(m); err != nil {
			return nil, h.changed, err
		}
	}
	return schedulerv1.NewFleetServiceClient(h.conn), h.changed, nil
}

// connect replaces the connection; calls on the old one fail and are made
// again. The caller holds mu.
func (h *hostTable) connect(m coord.Member) error {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(h.id.ClientTLS(identity.Scheduler, m.Name))),
		grpc.WithConnectParams(reconnect()), h.option,
	}
	if h.dial != nil {
		options = append(options, grpc.WithContextDialer(h.dial))
	}
	fresh, err := grpc.NewClient("passthrough:///"+m.Addr, options...)
	if err != nil {
		return fmt.Errorf("cannot reach scheduler %s at %s: %w", m.Name, m.Addr, err)
	}
	if h.conn != nil {
		_ = h.conn.Close() // its calls fail, which is meant
	}
	h.conn, h.to = fresh, m
	return nil
}

// reconnect is how the connection is tried again: gRPC's default would let up
// to two minutes pass after a scheduler is back.
func reconnect() grpc.ConnectParams {
	return grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
		MinConnectTimeout: 3 * time.Second,
	}
}

func (h *hostTable) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		_ = h.conn.Close() // nobody waits for an answer any more
	}
}
