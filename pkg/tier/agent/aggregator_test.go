package agent_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// aggregator is the other end of the session: it answers heartbeats, delivers
// what it is told to, and keeps what it hears. Its words can be scripted.
type aggregator struct {
	sessionv1.UnimplementedSessionServiceServer

	name     string
	listener *bufconn.Listener
	server   *grpc.Server

	mu sync.Mutex
	// mu guards what follows.
	spool    string
	interval time.Duration
	ahead    time.Duration          // how much its clock is, or if less than 0, behind
	spoil    func(*sessionv1.Reply) // changes every reply on its way; nil: none does
	credits  wire.Credits           // of the welcome; nil: none
	noPush   bool                   // it answers heartbeats alone
	silent   bool                   // it answers nothing
	refuse   error                  // instead of a welcome
	stall    chan struct{}          // it says nothing before this is closed; nil: it does
	hellos   []wire.Hello
	greeted  []time.Time
	beats    []beat
	reports  map[job.ID][]wire.Report
	blobs    map[[32]byte][]byte
	uploads  int
	hold     chan struct{} // uploads get no credit before this is closed; nil: they do
	capsules map[capsule.Hash]capsule.Envelope
	fetching chan struct{} // no capsule is given before this is closed; nil: they are
	fetched  int
	granted  wire.Credits
	talk     *talk // the present session; nil: none

	// What goes with the next replies; a new session gets what was not taken over.
	commands []*sessionv1.Command
	stops    []*sessionv1.Stop
	withdraw []*sessionv1.Stop
	forgets  [][]byte
	bundle   *typesv1.Envelope
	resync   bool
	give     wire.Credits
	views    []*sessionv1.View

	looks map[uint64]*look // by view
}

// beat is one heartbeat as it came.
type beat struct {
	*sessionv1.Heartbeat
	at   time.Time
	size int
}

// talk is one session.
type talk struct {
	stream  grpc.BidiStreamingServer[sessionv1.ConnectRequest, sessionv1.ConnectResponse]
	sending sync.Mutex
	replies uint64
	have    uint64 // heartbeats
	over    chan error
}

func newAggregator(name string, creds credentials.TransportCredentials) *aggregator {
	a := &aggregator{
		name: name, spool: "spool of " + name, interval: 10 * time.Second,
		listener: bufconn.Listen(64 << 10), server: grpc.NewServer(grpc.Creds(creds)),
		reports: map[job.ID][]wire.Report{}, blobs: map[[32]byte][]byte{}, capsules: map[capsule.Hash]capsule.Envelope{}, granted: wire.Credits{},
	}
	sessionv1.RegisterSessionServiceServer(a.server, a)
	go func() { _ = a.server.Serve(a.listener) }()
	return a
}

// Connect is one session, from its hello to its end.
func (a *aggregator) Connect(stream grpc.BidiStreamingServer[sessionv1.ConnectRequest, sessionv1.ConnectResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	hello, err := wire.HelloFromProto(first.GetHello())
	if err != nil {
		return wire.StatusError(err)
	}
	a.mu.Lock()
	stall := a.stall
	a.mu.Unlock()
	if stall != nil {
		<-stall
	}
	a.mu.Lock()
	a.hellos, a.greeted = append(a.hellos, hello), append(a.greeted, time.Now())
	if err := a.refuse; err != nil {
		a.mu.Unlock()
		return wire.StatusError(err)
	}
	t := &talk{stream: stream, over: make(chan error, 2)}
	a.talk = t
	welcome := &sessionv1.Welcome{
		Version: 1, Aggregator: a.name, SpoolId: a.spool, HeartbeatInterval: wire.DurationToProto(a.interval),
		ServerTime: wire.TimeToProto(time.Now().Add(a.ahead)), Credits: wire.CreditsToProto(a.credits),
	}
	a.mu.Unlock()
	if err := stream.Send(&sessionv1.ConnectResponse{Message: &sessionv1.ConnectResponse_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	a.push()
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				t.over <- err
				return
			}
			a.hear(t, m.GetHeartbeat(), proto.Size(m))
		}
	}()
	err = <-t.over
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.talk == t {
		a.talk = nil
	}
	return err
}

// hear keeps a heartbeat and answers it.
func (a *aggregator) hear(t *talk, hb *sessionv1.Heartbeat, size int) {
	a.mu.Lock()
	a.beats = append(a.beats, beat{hb, time.Now(), size})
	for _, said := range hb.GetReports() {
		r, err := wire.ReportFromProto(said)
		if err != nil {
			panic(fmt.Sprintf("the agent reports what cannot be read: %v", err))
		}
		a.reports[r.Job] = append(a.reports[r.Job], r)
	}
	for class, more := range wire.CreditsFromProto(hb.GetCredits()) {
		a.granted[class] += more
	}
	t.have = hb.GetNumber()
	silent := a.silent
	a.mu.Unlock()
	if !silent {
		a.reply(t, hb.GetNumber())
	}
}

// push sends what is due early, as an aggregator does that pushes.
func (a *aggregator) push() {
	a.mu.Lock()
	t := a.talk
	due := !a.noPush && len(a.commands)+len(a.stops)+len(a.withdraw)+len(a.views) > 0
	a.mu.Unlock()
	if t != nil && due {
		a.reply(t, 0)
	}
}

// reply sends everything that is due.
func (a *aggregator) reply(t *talk, answers uint64) {
	t.sending.Lock()
	defer t.sending.Unlock()
	a.mu.Lock()
	t.replies++
	r := &sessionv1.Reply{
		Number: t.replies, Heartbeat: answers, Commands: a.commands, Stops: a.stops, Withdrawals: a.withdraw, Forget: a.forgets, HaveHeartbeat: t.have,
		ServerTime: wire.TimeToProto(time.Now().Add(a.ahead)), Bundle: a.bundle, Resync: a.resync, Credits: wire.CreditsToProto(a.give), Views: a.views,
	}
	a.commands, a.stops, a.withdraw, a.forgets, a.bundle, a.resync, a.give, a.views = nil, nil, nil, nil, nil, false, nil, nil
	if a.spoil != nil {
		a.spoil(r)
	}
	a.mu.Unlock()
	_ = t.stream.Send(&sessionv1.ConnectResponse{Message: &sessionv1.ConnectResponse_Reply{Reply: r}}) // a test sees what is missing
}

// FetchCapsule gives a large capsule.
func (a *aggregator) FetchCapsule(r *sessionv1.FetchCapsuleRequest, out grpc.ServerStreamingServer[sessionv1.FetchCapsuleResponse]) error {
	a.mu.Lock()
	a.fetched++
	e, ok := a.capsules[capsule.Hash(r.GetDigest())]
	fetching := a.fetching
	a.mu.Unlock()
	if fetching != nil {
		<-fetching
	}
	if !ok {
		return status.Error(codes.NotFound, "there is no such capsule")
	}
	head := wire.EnvelopeToProto(e)
	head.Payload = nil
	for rest := e.Payload; len(rest) > 0; head = nil {
		n := min(len(rest), wire.BlobPiece)
		if err := out.Send(&sessionv1.FetchCapsuleResponse{Envelope: head, Payload: rest[:n]}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// PutBlob takes a large output, granting a little at a time.
func (a *aggregator) PutBlob(in grpc.BidiStreamingServer[sessionv1.PutBlobRequest, sessionv1.PutBlobResponse]) error {
	first, err := in.Recv()
	if err != nil {
		return err
	}
	digest := [32]byte(first.GetDigest())
	a.mu.Lock()
	a.uploads++
	_, here := a.blobs[digest]
	hold := a.hold
	a.mu.Unlock()
	if hold != nil {
		<-hold
	}
	var content []byte
	for !here && uint64(len(content)) < first.GetSize() {
		if err := in.Send(&sessionv1.PutBlobResponse{More: 10_000}); err != nil {
			return err
		}
		piece, err := in.Recv()
		if err != nil {
			return err
		}
		if n := len(piece.GetContent()); n == 0 || n > 10_000 {
			return status.Errorf(codes.InvalidArgument, "a piece of %d bytes", n)
		}
		content = append(content, piece.GetContent()...)
	}
	if !here {
		if sha256.Sum256(content) != digest {
			return status.Error(codes.InvalidArgument, "another content")
		}
		a.mu.Lock()
		a.blobs[digest] = content
		a.mu.Unlock()
	}
	return in.Send(&sessionv1.PutBlobResponse{Have: true})
}

// letGo ends whatever a test has made wait, so that it can end however it went.
func (a *aggregator) letGo() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, wait := range []chan struct{}{a.stall, a.hold, a.fetching} {
		select {
		case <-wait:
		default:
			if wait != nil {
				close(wait)
			}
		}
	}
}

// set changes what the aggregator does.
func (a *aggregator) set(change func(*aggregator)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

// deliver sends commands, at once or with the next answer.
func (a *aggregator) deliver(commands ...*sessionv1.Command) {
	a.set(func(a *aggregator) { a.commands = append(a.commands, commands...) })
	a.push()
}

// wishStop sends a stop.
func (a *aggregator) wishStop(id job.ID) {
	a.set(func(a *aggregator) { a.stops = append(a.stops, wire.StopToProto(id, 1)) })
	a.push()
}

// wishWithdraw sends a withdrawal.
func (a *aggregator) wishWithdraw(id job.ID) {
	a.set(func(a *aggregator) { a.withdraw = append(a.withdraw, wire.StopToProto(id, 1)) })
	a.push()
}

// wishForget lets a Forget ride along with the next answer.
func (a *aggregator) wishForget(id job.ID) {
	a.set(func(a *aggregator) { a.forgets = append(a.forgets, id[:]) })
}

// hangUp ends the present session.
func (a *aggregator) hangUp(err error) {
	a.mu.Lock()
	t := a.talk
	a.talk = nil
	a.mu.Unlock()
	if t != nil {
		t.over <- err
	}
}

// heard is everything that was said of a job, in order.
func (a *aggregator) heard(id job.ID) []wire.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]wire.Report(nil), a.reports[id]...)
}

// forgetHeard begins a new list.
func (a *aggregator) forgetHeard() {
	a.set(func(a *aggregator) { a.reports, a.beats = map[job.ID][]wire.Report{}, nil })
}

// lastBeat is the newest heartbeat.
func (a *aggregator) lastBeat() *sessionv1.Heartbeat {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.beats) == 0 {
		return nil
	}
	return a.beats[len(a.beats)-1].Heartbeat
}

// sessions is every hello so far.
func (a *aggregator) sessions() []wire.Hello {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]wire.Hello(nil), a.hellos...)
}

// dial is the way to the aggregator.
func (a *aggregator) dial() (net.Conn, error) { return a.listener.Dial() }

// seen is what an aggregator has seen so far.
type seen struct {
	beats            []beat
	greeted          []time.Time
	jobs             int // of which something was reported
	blobs            map[[32]byte][]byte
	uploads, fetched int
	granted          wire.Credits
}

// seen is a copy.
func (a *aggregator) seen() seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return seen{
		beats: slices.Clone(a.beats), greeted: slices.Clone(a.greeted), jobs: len(a.reports), blobs: maps.Clone(a.blobs),
		uploads: a.uploads, fetched: a.fetched, granted: maps.Clone(a.granted),
	}
}
