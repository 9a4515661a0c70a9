package mesh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	corelink "github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// link is the way to one aggregator, through all its streams.
type link struct {
	mesh *Mesh
	via  fleet.Via
	wake chan struct{} // something is to be sent, or the address changed

	mu    sync.Mutex // protects what follows
	addr  string     // "" while it is not announced
	room  fleet.Room
	conn  *grpc.ClientConn // of the stream that is open
	queue *queue           // of the stream that is open; nil without one
}

func newLink(m *Mesh, via fleet.Via, room fleet.Room) *link {
	return &link{mesh: m, via: via, room: room, wake: make(chan struct{}, 1)}
}

func (l *link) announce(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr = addr
}

func (l *link) address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addr
}

// run opens streams, one after another, as long as the aggregator is announced.
func (l *link) run(ctx context.Context) {
	pause := corelink.Backoff{First: l.mesh.cfg.Retry, Max: l.mesh.cfg.MaxRetry}
	for failures := 0; ctx.Err() == nil; {
		addr := l.address()
		if addr == "" {
			return
		}
		began := time.Now()
		err := l.connect(ctx, addr)
		if ctx.Err() != nil {
			return
		}
		l.mesh.deps.Log.WarnContext(ctx, "stream to aggregator ended", "aggregator", l.via, "address", addr, "error", err)
		if time.Since(began) > l.mesh.cfg.MaxRetry {
			failures = 0
		}
		wait := time.NewTimer(pause.Delay(failures, rand.Float64())) //nolint:gosec // jitter needs no secret randomness
		failures++
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

// connect opens one stream and works until it breaks.
func (l *link) connect(ctx context.Context, addr string) error {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(l.mesh.deps.Identity.ClientTLS(identity.Aggregator, string(l.via)))),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithInitialWindowSize(4 << 20), grpc.WithInitialConnWindowSize(8 << 20),
	}
	if l.mesh.deps.Dial != nil {
		options = append(options, grpc.WithContextDialer(l.mesh.deps.Dial))
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, options...)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return l.stream(ctx, conn)
}

// stream runs one stream: this goroutine receives, another one sends.
func (l *link) stream(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	impatient := time.AfterFunc(greetTimeout, func() { cancel(errNoHello) })
	defer impatient.Stop()
	stream, err := meshv1.NewMeshServiceClient(conn).Connect(ctx)
	if err != nil {
		return err
	}
	room, err := l.greet(stream)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	impatient.Stop()
	l.open(conn, newQueue(room))
	l.mesh.open.Add(1)
	defer l.mesh.open.Add(-1)
	var sender sync.WaitGroup
	sender.Go(func() { cancel(l.sendAll(ctx, stream, cancel)) })
	err = l.receive(ctx, stream)
	if cause := context.Cause(ctx); errors.Is(cause, errNotTaken) {
		err = cause
	}
	l.open(nil, nil)
	cancel(err)
	sender.Wait()
	l.mesh.sink.Lost(context.WithoutCancel(ctx), l.via, time.Now())
	return err
}

// open makes a queue the one of the stream that is open.
func (l *link) open(conn *grpc.ClientConn, q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.queue = conn, q
	if q != nil {
		q.owns = true
		l.signal()
	}
}

// with changes the queue, if there is one, and wakes the sender.
func (l *link) with(change func(q *queue)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue != nil {
		change(l.queue)
		l.signal()
	}
}

func (l *link) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *link) tellOwns() { l.with(func(q *queue) { q.owns = true }) }

var errNotTaken = fmt.Errorf("the aggregator has taken nothing for %s", sendTimeout)

// sendAll sends what is owed, as it comes, until the stream breaks. It gives up
// an aggregator that reads nothing.
func (l *link) sendAll(ctx context.Context, stream stream, giveUp context.CancelCauseFunc) error {
	patience := time.AfterFunc(sendTimeout, func() { giveUp(errNotTaken) })
	defer patience.Stop()
	for {
		msg := l.next(ctx)
		if msg == nil {
			patience.Stop()
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-l.wake:
			}
			continue
		}
		patience.Reset(sendTimeout)
		if err := stream.Send(msg); err != nil {
			return err
		}
	}
}

// next is the next message; nil: there is none now.
func (l *link) next(ctx context.Context) *meshv1.ConnectRequest {
	owned := l.mesh.owned()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue == nil {
		return nil
	}
	if l.queue.owns {
		l.queue.owns = false
		return ownsMessage(owned, l.mesh.cfg.Shards)
	}
	for {
		msg, err := l.queue.next()
		if err == nil {
			return msg
		}
		// The list was checked when the job was accepted. What could not be made is
		// not queued any more, and what waits behind it has its turn.
		l.mesh.deps.Log.ErrorContext(ctx, "dispatch cannot be made; its job waits", "aggregator", l.via, "error", err)
	}
}

func ownsMessage(owned map[uint32]epoch, shards uint32) *meshv1.ConnectRequest {
	out := &meshv1.Owns{ShardCount: shards}
	for _, n := range slices.Sorted(maps.Keys(owned)) {
		e := owned[n]
		out.Shards = append(out.Shards, &meshv1.ShardEpoch{Shard: n, Epoch: &meshv1.Epoch{Generation: e.Generation, N: e.N}})
	}
	return &meshv1.ConnectRequest{Message: &meshv1.ConnectRequest_Owns{Owns: out}}
}
