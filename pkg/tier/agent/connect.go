package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Sizes of a connection. Windows are fixed, which switches gRPC's bandwidth
// estimator off; a host's traffic is small.
const (
	bufferSize = 4 << 10
	windowSize = 64 << 10
	maxMessage = 256 << 10 // far above the 64 KiB of a session's message
)

// greetTimeout is how long an aggregator may take from the dial to its welcome.
const greetTimeout = 20 * time.Second

var (
	errNoWelcome   = errors.New("the aggregator did not answer in time")
	errSilent      = errors.New("the aggregator has been silent for too long")
	errIncarnation = errors.New("the host has a new incarnation")
	errFacts       = errors.New("the host has other facts than it has told")
)

// advance takes the next step towards a session: incarnation, certificate,
// snapshot, number, stream.
func (a *Agent) advance(ctx context.Context, now time.Time) {
	if a.session != nil || !a.dialer.ready(now) {
		return
	}
	switch {
	case a.incarnation.IsZero():
	case a.credential == nil:
		a.enrol(ctx)
	case !a.snapshot && !a.away:
	case !a.numbers.left(a.incarnation):
		a.reserve(ctx)
	default:
		a.connect(ctx)
	}
}

// beside runs a step that waits for somebody. What done does follows in the
// loop; an error puts the next try off.
func beside[T any](ctx context.Context, a *Agent, what string, step func(context.Context) (T, error), done func(context.Context, T) error) {
	a.dialer.busy = true
	a.work.Go(func() {
		got, err := step(ctx)
		a.post(func(ctx context.Context) {
			a.dialer.busy = false
			if err == nil {
				err = done(ctx, got)
			}
			if err != nil {
				a.log.WarnContext(ctx, "step towards a session failed; it is tried again", slog.String("step", what), slog.Any("error", err))
				a.dialer.later(time.Now(), wire.RetryDelay(err), rand.Float64()) //nolint:gosec // jitter needs no secret randomness
			}
		})
	})
}

// enrol gets what the host is known by.
func (a *Agent) enrol(ctx context.Context) {
	incarnation := a.incarnation
	beside(ctx, a, "enrol", func(ctx context.Context) (Credential, error) { return a.deps.Enrol(ctx, incarnation) },
		func(_ context.Context, c Credential) error {
			a.credential = &c
			if c.NotAfter != nil {
				a.shown.expires.Store(&c.NotAfter)
			}
			return nil
		})
}

// reserve gets a block of session numbers from the executor.
func (a *Agent) reserve(ctx context.Context) {
	incarnation := a.incarnation
	beside(ctx, a, "reserve session numbers",
		func(ctx context.Context) (uint64, error) { return a.deps.Executor.ReserveSessions(ctx, blockSize) },
		func(_ context.Context, first uint64) error {
			return a.setNumbers(numbers{incarnation, max(first, 1), first + blockSize})
		})
}

// setNumbers makes a block of numbers the one in force, on the disk first.
func (a *Agent) setNumbers(n numbers) error {
	if err := a.deps.State.Save(sessionsName, []byte(n.String()), true); err != nil {
		return err
	}
	a.numbers = n
	return nil
}

// connect tries one session at one address. The number is used up, on the disk,
// before it is shown to anybody.
func (a *Agent) connect(ctx context.Context) {
	number, rest := a.numbers.next, a.numbers
	rest.next++
	if err := a.setNumbers(rest); err != nil {
		a.log.ErrorContext(ctx, "cannot use a session number; check the disk of the state directory", slog.Any("error", err))
		a.dialer.later(time.Now(), 0, rand.Float64()) //nolint:gosec // jitter needs no secret randomness
		return
	}
	addr := a.dialer.take()
	hello := wire.Hello{
		Versions: wire.SessionVersions, Host: a.host, Incarnation: a.incarnation, Session: number, Facts: a.facts(),
		Bundle: a.bundle.Version, BundleStale: a.bundle.Stale(time.Now()), Spool: a.outbox.Spool(),
		Credits: wire.Credits{wire.EveryClass: commandWindow},
	}
	a.sessions++
	s := &session{place: a.sessions, number: number, address: addr, owed: wire.Credits{}}
	credential := *a.credential
	a.work.Go(func() {
		err := a.converse(ctx, s, credential, wire.HelloToProto(hello))
		a.post(func(ctx context.Context) { a.lost(ctx, s, err) })
	})
}

// converse is the life of one connection and its session, beside the loop. It
// returns why it has ended.
func (a *Agent) converse(ctx context.Context, s *session, c Credential, hello *sessionv1.Hello) error {
	conn, err := a.dial(s.address, c)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.end, s.api = cancel, sessionv1.NewSessionServiceClient(conn)
	err = a.exchange(ctx, s, hello)
	if cause := context.Cause(ctx); cause != nil {
		return cause // why this side has ended it
	}
	return err
}

func (a *Agent) exchange(ctx context.Context, s *session, hello *sessionv1.Hello) error {
	late := time.AfterFunc(greetTimeout, func() { s.end(errNoWelcome) })
	defer late.Stop()
	stream, err := s.api.Connect(ctx)
	if err != nil {
		return err
	}
	s.stream = stream
	if err := stream.Send(&sessionv1.ConnectRequest{Message: &sessionv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
		_, err = stream.Recv() // which says why
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	welcome := first.GetWelcome()
	if v := welcome.GetVersion(); v < wire.SessionVersions.Min || v > wire.SessionVersions.Max {
		return fmt.Errorf("%w: the aggregator welcomes with contract version %d", wire.ErrMessage, v)
	}
	late.Stop()
	a.post(func(ctx context.Context) { a.opened(ctx, s, welcome) })
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		a.post(func(ctx context.Context) { a.replied(ctx, s, m.GetReply()) })
	}
}

// dial makes a connection that is resolved and dialled now, for one session.
func (a *Agent) dial(addr string, c Credential) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(c.TLS)),
		grpc.WithReadBufferSize(bufferSize), grpc.WithWriteBufferSize(bufferSize),
		grpc.WithInitialWindowSize(windowSize), grpc.WithInitialConnWindowSize(4 * windowSize),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: greetTimeout}),
		grpc.WithDisableServiceConfig(), grpc.WithIdleTimeout(0),
	}
	if a.deps.Dial != nil {
		options = append(options, grpc.WithContextDialer(a.deps.Dial))
	}
	return grpc.NewClient("passthrough:///"+addr, options...)
}

// opened makes a session the present one.
func (a *Agent) opened(ctx context.Context, s *session, w *sessionv1.Welcome) {
	now := time.Now()
	a.dialer.busy = false
	a.session = s
	s.begin(now, w)
	a.hear(wire.TimeFromProto(w.GetServerTime()))
	s.aggregator = w.GetAggregator()
	a.noteLink(ctx, now)
	a.outbox.Open(w.GetSpoolId())
	for id := range a.held.all() {
		a.outbox.Put(id)
	}
	a.held = newHeldBack()
	for _, e := range a.tasks {
		e.gathered, e.inline = 0, nil // another aggregator does not have them
	}
	select {
	case <-a.ready:
	default:
		close(a.ready)
	}
	a.log.InfoContext(ctx, "session opened", slog.String("aggregator", w.GetAggregator()), slog.String("address", s.address), slog.Uint64("session", s.number))
}

// lost: a try or a session has ended.
func (a *Agent) lost(ctx context.Context, s *session, err error) {
	now := time.Now()
	if a.session == s {
		a.session = nil
		if now.Sub(s.opened) >= s.interval {
			a.dialer.lasted()
		}
		a.noteLink(ctx, now)
		a.abandon()
	}
	if status.Code(err) == codes.FailedPrecondition {
		// A number that is not new: the block may be that of an old copy of the
		// state directory. The executor knows better.
		a.numbers = numbers{}
		a.log.ErrorContext(ctx, "session number is refused; new ones are reserved. If this goes on, the executor's state directory was set back: give the host a new one",
			slog.Uint64("session", s.number), slog.Any("error", err))
	}
	a.log.InfoContext(ctx, "no session", slog.String("address", s.address), slog.Uint64("session", s.number), slog.Any("error", err))
	a.dialer.failed(now, wire.RetryDelay(err), rand.Float64()) //nolint:gosec // jitter needs no secret randomness
}

// abandon lets go of what only the session that ended could have brought.
func (a *Agent) abandon() {
	for _, e := range a.tasks {
		if e.asked != nil && e.asked.Capsule == nil {
			e.clearHandover()
			e.waits, e.fetching = nil, false
			if e.seen.Attempt == 0 {
				a.drop(e)
			}
		}
	}
}
