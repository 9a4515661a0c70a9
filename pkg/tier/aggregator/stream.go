package aggregator

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// stream is one scheduler process. Its handler sends, a second goroutine
// receives.
type stream struct {
	hub  *hub
	name string
	pool string
	wake chan struct{} // there may be something to send
	verdict

	// The hub's mutex guards what follows.
	hello    *meshv1.ConnectResponse // not sent yet; nil: it is
	window   *window                 // reports that it takes
	classes  []*upward
	next     int // the class whose turn it is
	owed     wire.Credits
	withheld wire.Credits
	hosts    *link.Outbox[*host] // whose attachment is to be told
	snapshot int                 // hosts of the snapshot that are still to be told; -1: it is complete
	begun    bool                // the snapshot has begun
	whole    time.Time           // when the snapshot was due that was told last, or is being told
	returned map[job.ID]*returned
	order    []job.ID          // of returned
	returns  []*meshv1.Returns // of the job before, still to be sent
}

// mesh is the port of the schedulers.
type mesh struct {
	meshv1.UnimplementedMeshServiceServer
	*Server
}

// Connect is the stream of one scheduler.
func (m *mesh) Connect(in grpc.BidiStreamingServer[meshv1.ConnectRequest, meshv1.ConnectResponse]) error {
	guard := newGuard(in.Context(), m.cfg.SendTimeout)
	var first *meshv1.ConnectRequest
	err := guard.during(func() (err error) { first, err = in.Recv(); return err })
	if err != nil {
		return err
	}
	st, err := m.greet(in.Context(), first.GetHello())
	if err != nil {
		return wire.StatusError(err)
	}
	m.receivers.Go(func() { st.end(st.receive(in)) })
	err = st.send(in, guard)
	m.hub.disconnect(st)
	return wire.StatusError(err)
}

// greet judges a hello and opens the stream.
func (m *mesh) greet(ctx context.Context, in *meshv1.SchedulerHello) (*stream, error) {
	id, err := identity.Peer(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrDenied, err)
	}
	if in == nil {
		return nil, fmt.Errorf("%w: a stream begins with a hello", wire.ErrMessage)
	}
	if in.GetScheduler() != id.Name {
		return nil, fmt.Errorf("%w: the certificate is that of scheduler %s, and the hello says %.80q", wire.ErrDenied, id.Name, in.GetScheduler())
	}
	theirs := wire.VersionsFromProto(in.GetVersions())
	version, ok := link.Negotiate(wire.MeshVersions, theirs)
	if !ok {
		return nil, fmt.Errorf("%w: the scheduler speaks versions %d to %d, this aggregator %d to %d; upgrade the older one",
			wire.ErrInvalid, theirs.Min, theirs.Max, wire.MeshVersions.Min, wire.MeshVersions.Max)
	}
	return m.hub.connect(in, &meshv1.AggregatorHello{
		Version: version, Aggregator: m.cfg.Name, Room: m.cfg.Room, SpoolId: m.hub.spool,
		Credits: wire.CreditsToProto(wire.Credits{wire.EveryClass: m.cfg.ReleaseWindow}),
	})
}

// connect makes a stream the scheduler's only one. Nothing is kept from the one
// before: the new one gets a snapshot, and what is not forgotten once it says
// what it owns.
func (h *hub) connect(in *meshv1.SchedulerHello, hello *meshv1.AggregatorHello) (*stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errShutdown(spread(atShutdown))
	}
	if old := h.streams[in.GetScheduler()]; old != nil {
		h.drop(old, errReplaced)
	}
	st := &stream{
		hub: h, name: in.GetScheduler(), pool: in.GetPool(), wake: make(chan struct{}, 1), verdict: newVerdict(),
		hello:  &meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Hello{Hello: hello}},
		window: newWindow(wire.CreditsFromProto(in.GetCredits())),
		owed:   wire.Credits{}, withheld: wire.Credits{},
		hosts: link.NewOutbox[*host](), returned: map[job.ID]*returned{},
	}
	st.tellAll(time.Now())
	h.streams[st.name] = st
	return st, nil
}

// disconnect ends a stream for the hub, if nothing has replaced it.
func (h *hub) disconnect(st *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(st, nil)
}

// drop takes a stream out of the hub. What it owned has no owner until somebody
// says that it has, with an epoch that is not older.
func (h *hub) drop(st *stream, cause error) {
	if cause != nil {
		st.end(cause)
	}
	if h.streams[st.name] != st {
		return
	}
	delete(h.streams, st.name)
	h.dropQuestions(st)
	for _, streams := range h.thirsty {
		delete(streams, st)
	}
	for shard, o := range h.owners {
		if o.stream == st {
			h.owners[shard] = owner{epoch: o.epoch, name: o.name}
		}
	}
	for _, c := range st.classes {
		c.abandon()
	}
}

// poke wakes the sender.
func (st *stream) poke() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// send sends what is due until the stream is over.
func (st *stream) send(out grpc.BidiStreamingServer[meshv1.ConnectRequest, meshv1.ConnectResponse], guard *guard) error {
	for {
		for message := st.hub.message(st); message != nil; message = st.hub.message(st) {
			if err := guard.during(func() error { return out.Send(message) }); err != nil {
				return err
			}
		}
		select {
		case <-st.wake:
		case <-st.over:
			return st.cause
		case <-out.Context().Done():
			return out.Context().Err()
		}
	}
}

// message is the next message to a scheduler; nil: nothing is due.
func (h *hub) message(st *stream) *meshv1.ConnectResponse {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams[st.name] != st {
		return nil
	}
	if hello := st.hello; hello != nil {
		st.hello = nil
		return hello
	}
	if out := st.nextReturns(); out != nil {
		return &meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Returns{Returns: out}}
	}
	if len(st.owed) > 0 {
		out := &meshv1.Credits{Credits: wire.CreditsToProto(st.owed)}
		clear(st.owed)
		return &meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Credits{Credits: out}}
	}
	if out := st.nextAttachments(); out != nil {
		return &meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Attachments{Attachments: out}}
	}
	if out := st.nextReports(); out != nil {
		return &meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Reports{Reports: out}}
	}
	return nil
}

// receive takes messages until the stream ends; nil: the scheduler has ended it.
func (st *stream) receive(in grpc.BidiStreamingServer[meshv1.ConnectRequest, meshv1.ConnectResponse]) error {
	for {
		message, err := in.Recv()
		if err != nil {
			return ended(err)
		}
		if err := st.take(in.Context(), message); err != nil {
			return err
		}
	}
}

// take works on one message. A fault in what is said of one job harms that job
// alone; the error is one of the stream, and ends it.
func (st *stream) take(ctx context.Context, message *meshv1.ConnectRequest) error {
	switch in := message.GetMessage().(type) {
	case *meshv1.ConnectRequest_Owns:
		return st.hub.owns(ctx, st, in.Owns)
	case *meshv1.ConnectRequest_Dispatch:
		st.poisoned(ctx, "dispatch", in.Dispatch.GetJobId(), st.hub.dispatch(ctx, st, in.Dispatch))
	case *meshv1.ConnectRequest_Wishes:
		st.poisoned(ctx, "wishes", in.Wishes.GetJobId(), st.hub.wishes(st, in.Wishes))
	case *meshv1.ConnectRequest_Query:
		st.poisoned(ctx, "query", in.Query.GetJobId(), st.hub.query(st, in.Query))
	case *meshv1.ConnectRequest_Have:
		return st.hub.haveReports(st, in.Have)
	case *meshv1.ConnectRequest_Credits:
		st.hub.credits(st, wire.CreditsFromProto(in.Credits.GetCredits()))
	default:
		return fmt.Errorf("%w: after the hello comes no %T", wire.ErrMessage, in)
	}
	return nil
}

func (st *stream) poisoned(ctx context.Context, what string, id []byte, err error) {
	if err != nil {
		st.hub.log.ErrorContext(ctx, "message of a scheduler is left out", "scheduler", st.name, "message", what, "job", fmt.Sprintf("%x", id[:min(len(id), 16)]), "error", err)
	}
}

func (h *hub) credits(st *stream, more wire.Credits) {
	h.mu.Lock()
	defer h.mu.Unlock()
	st.window.grant(more)
	st.poke()
}

// haveReports notes that the scheduler has received batches.
func (h *hub) haveReports(st *stream, have *meshv1.HaveReports) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range st.classes {
		if c.class != have.GetClass() {
			continue
		}
		if have.GetNumber() > c.out.Last() {
			return fmt.Errorf("%w: scheduler %s has batch %d of class %s, and %d were sent", wire.ErrMessage, st.name, have.GetNumber(), c.class, c.out.Last())
		}
		c.out.Have(have.GetNumber())
		return nil
	}
	if have.GetNumber() > 0 {
		return fmt.Errorf("%w: scheduler %s has batch %d of class %.40q, and none was sent", wire.ErrMessage, st.name, have.GetNumber(), have.GetClass())
	}
	return nil
}
