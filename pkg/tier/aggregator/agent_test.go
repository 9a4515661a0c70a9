package aggregator

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/identity"
	"github.com/ccs-project/ccs/pkg/wire"
)

// agent is a host as these tests script it: it says what it is told to say, and
// remembers what came.
type agent struct {
	w       *world
	name    string
	inc     fleet.Incarnation
	session uint64
	spool   string
	credits wire.Credits
	bundle  uint64
	deaf    bool // it reads nothing after the welcome
	old     bool // it speaks the version before the wish to withdraw

	conn    *grpc.ClientConn
	client  sessionv1.SessionServiceClient
	stream  grpc.BidiStreamingClient[sessionv1.ConnectRequest, sessionv1.ConnectResponse]
	cancel  context.CancelFunc
	welcome *sessionv1.Welcome
	beats   uint64

	mu      sync.Mutex
	replies []*sessionv1.Reply
	err     error // of the stream, once it has ended
	done    chan struct{}
}

func (w *world) agent(name string) *agent {
	return &agent{w: w, name: name, inc: incarnationOf(name), credits: wire.Credits{wire.EveryClass: 1000}}
}

// here is an agent with a session, whose first heartbeat says that it has said
// everything.
func (w *world) here(name string) *agent {
	w.t.Helper()
	a := w.agent(name)
	if err := a.connect(); err != nil {
		w.t.Fatalf("host %s: %v", name, err)
	}
	a.beat(&sessionv1.Heartbeat{ResyncComplete: true})
	w.settle()
	return a
}

// connect opens the next session.
func (a *agent) connect() error {
	a.hangUp()
	a.session++
	a.conn = a.w.dial(identity.Host, a.name, a.w.session)
	a.client = sessionv1.NewSessionServiceClient(a.conn)
	ctx, cancel := context.WithCancel(a.w.t.Context())
	a.cancel = cancel
	a.w.peers = append(a.w.peers, a.hangUp)
	stream, err := a.client.Connect(ctx)
	if err != nil {
		return err
	}
	hello := wire.HelloToProto(wire.Hello{
		Versions: a.speaks(), Host: fleet.HostID(a.name), Incarnation: a.inc, Session: a.session,
		Facts: map[string]string{"os": "linux"}, Spool: a.spool, Credits: a.credits, Bundle: a.bundle,
	})
	if err := stream.Send(&sessionv1.ConnectRequest{Message: &sessionv1.ConnectRequest_Hello{Hello: hello}}); err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	a.stream, a.welcome, a.beats = stream, first.GetWelcome(), 0
	a.spool = a.welcome.GetSpoolId()
	a.mu.Lock()
	a.replies, a.err = nil, nil
	a.mu.Unlock()
	a.done = make(chan struct{})
	if a.deaf {
		close(a.done)
		return nil
	}
	go a.listen(stream, a.done)
	return nil
}

func (a *agent) listen(stream grpc.BidiStreamingClient[sessionv1.ConnectRequest, sessionv1.ConnectResponse], done chan struct{}) {
	defer close(done)
	for {
		in, err := stream.Recv()
		a.mu.Lock()
		if err != nil {
			a.err = err
			a.mu.Unlock()
			return
		}
		a.replies = append(a.replies, in.GetReply())
		a.mu.Unlock()
	}
}

// hangUp ends the connection without a word.
func (a *agent) hangUp() {
	if a.conn == nil {
		return
	}
	a.cancel()
	_ = a.conn.Close()
	if a.done != nil {
		<-a.done
	}
	a.conn, a.done = nil, nil
	a.w.settle()
}

// beat sends a heartbeat that acknowledges all replies.
func (a *agent) beat(hb *sessionv1.Heartbeat) {
	a.beats++
	hb.Number = a.beats
	a.mu.Lock()
	if n := len(a.replies); n > 0 {
		hb.HaveReply = a.replies[n-1].GetNumber()
	}
	a.mu.Unlock()
	_ = a.stream.Send(&sessionv1.ConnectRequest{Message: &sessionv1.ConnectRequest_Heartbeat{Heartbeat: hb}}) // a.err tells
}

// say reports tasks, in one heartbeat.
func (a *agent) say(reports ...wire.Report) {
	hb := &sessionv1.Heartbeat{}
	for _, r := range reports {
		hb.Reports = append(hb.Reports, wire.ReportToProto(r))
	}
	a.beat(hb)
	a.w.settle()
}

// idle lets time pass with heartbeats in time.
func (a *agent) idle(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		a.w.pass(min(5*time.Second, time.Until(end)))
		a.beat(&sessionv1.Heartbeat{})
		a.w.settle()
	}
}

// seen is what came, and forgets it.
func (a *agent) seen() []*sessionv1.Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*sessionv1.Reply(nil), a.replies...)
}

func (a *agent) commands() (out []*sessionv1.Command) {
	for _, r := range a.seen() {
		out = append(out, r.GetCommands()...)
	}
	return out
}

func (a *agent) stops() (out []*sessionv1.Stop) {
	for _, r := range a.seen() {
		out = append(out, r.GetStops()...)
	}
	return out
}

func (a *agent) withdrawals() (out []*sessionv1.Stop) {
	for _, r := range a.seen() {
		out = append(out, r.GetWithdrawals()...)
	}
	return out
}

// speaks is the versions of its hello.
func (a *agent) speaks() link.VersionRange {
	if a.old {
		return link.VersionRange{Min: 1, Max: wire.SessionWithdraws - 1}
	}
	return wire.SessionVersions
}

func (a *agent) forgets() (out [][]byte) {
	for _, r := range a.seen() {
		out = append(out, r.GetForget()...)
	}
	return out
}

func (a *agent) resyncs() (n int) {
	for _, r := range a.seen() {
		if r.GetResync() {
			n++
		}
	}
	return n
}

// failure is how the session ended; nil: it has not.
func (a *agent) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// report is what the agent would say of its task.
func (a *agent) report(j *aJob, state task.State) wire.Report {
	r := wire.Report{Job: j.id, Pool: "standard", Class: j.class, Seen: task.Report{Attempt: 1, State: state}}
	r.Ordinal = j.ordinal(a.name)
	return r
}

// finished is a report with output.
func (a *agent) finished(j *aJob, output []byte) wire.Report {
	r := a.report(j, task.Succeeded)
	r.Detail.Outputs = []job.OutputRef{{Stream: job.Stdout, Digest: digestOf(output), Size: uint64(len(output))}}
	if len(output) <= wire.MaxInline {
		r.Inline = [][]byte{output}
	}
	return r
}

// finishedWith is a report with two outputs that are too large to ride along.
func (a *agent) finishedWith(j *aJob, stdout, stderr []byte) wire.Report {
	r := a.finished(j, stdout)
	r.Detail.Outputs = append(r.Detail.Outputs, job.OutputRef{Stream: job.Stderr, Digest: digestOf(stderr), Size: uint64(len(stderr))})
	return r
}
