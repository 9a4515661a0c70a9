package agent

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/policy"
	"github.com/ccs-project/ccs/pkg/wire"
)

const (
	// commandWindow is how many commands of each class an aggregator may send
	// before the first is taken over.
	commandWindow = 64
	// sayAgain is after how long everything that is not forgotten is said again:
	// of a Forget that got lost nobody else would ask.
	sayAgain = 10 * time.Minute
	// missed is how many intervals an aggregator may be silent.
	missed = 3
	// mostCredit bounds what an aggregator's grants can make a host send.
	mostCredit = 1 << 16
	// Bounds of what an aggregator may set the interval to.
	leastInterval, mostInterval = 10 * time.Millisecond, 10 * time.Minute
	defaultInterval             = 10 * time.Second
)

// session is one stream to one aggregator. Any fault ends all of it.
type session struct {
	place   uint64 // among the sessions of this process, from 1
	number  uint64 // the host's, as in the hello
	address string
	// aggregator is its name, as it says; the loop alone touches it.
	aggregator string
	api        sessionv1.SessionServiceClient
	stream     grpc.BidiStreamingClient[sessionv1.ConnectRequest, sessionv1.ConnectResponse]
	end        context.CancelCauseFunc // and with it the stream's context, on which all is done that is for this session

	// The loop alone touches what follows.
	opened   time.Time
	interval time.Duration
	heard    time.Time   // when a message last came
	replies  link.Cursor // that have come
	taken    taken
	owed     wire.Credits // to be granted to the aggregator with the next heartbeat
	window   *link.Window // reports that it takes; nil: it sets none
	initial  wire.Credits
	begun    map[string]struct{} // classes that have had their initial window

	beats    uint64    // number of the last heartbeat
	beatAt   time.Time // when the next one is due
	sending  bool
	stopping bool      // it was ended from here
	resynced bool      // everything has been said in this session
	saidAll  time.Time // when all that is not forgotten was last due: at the beginning, or again
	lanes    lanes
	views    int // outputs that are being sent to who looks at them
}

// begin takes the welcome.
func (s *session) begin(now time.Time, w *sessionv1.Welcome) {
	s.opened, s.heard, s.beatAt, s.saidAll = now, now, now, now
	s.interval = defaultInterval
	s.setInterval(wire.DurationFromProto(w.GetHeartbeatInterval()))
	if s.initial = wire.CreditsFromProto(w.GetCredits()); s.initial != nil {
		s.window, s.begun = link.NewWindow(mostCredit), map[string]struct{}{}
	}
}

func (s *session) setInterval(d time.Duration) {
	if d > 0 {
		s.interval = min(max(d, leastInterval), mostInterval)
	}
}

// silentAt is when the aggregator will have been silent for too long.
func (s *session) silentAt() time.Time { return s.heard.Add(missed*s.interval + s.interval/2) }

// stop ends the session from this side.
func (s *session) stop(cause error) {
	s.stopping = true
	s.end(cause)
}

// take takes credit for one report; false: there is none now.
func (s *session) take(class string) bool {
	if s.window == nil {
		return true
	}
	s.beginClass(class)
	return s.window.Take(class, 1) == 1
}

func (s *session) beginClass(class string) {
	if _, ok := s.begun[class]; !ok {
		s.begun[class] = struct{}{}
		s.window.Grant(class, s.initial.Initial(class))
	}
}

// granted takes further credit, and lets go what waits for it. Where the welcome
// has set no window nothing waits, and there is nothing to add to.
func (a *Agent) granted(s *session, credits wire.Credits) {
	if s.window == nil {
		return
	}
	for class, more := range credits {
		s.beginClass(class)
		s.window.Grant(class, more)
		a.unstarve(class, s.window.Free(class))
	}
}

// replied takes one reply. Bundle and Forgets go before commands, which may need
// the one and must not meet the others.
func (a *Agent) replied(ctx context.Context, s *session, r *sessionv1.Reply) {
	if a.session != s || s.stopping {
		return
	}
	switch s.replies.Observe(r.GetNumber()) {
	case link.Accepted:
	case link.Duplicate:
		return
	case link.Gap:
		s.stop(fmt.Errorf("%w: reply %d came after reply %d", wire.ErrMessage, r.GetNumber(), s.replies.Have()))
		return
	}
	s.heard = time.Now()
	a.hear(wire.TimeFromProto(r.GetServerTime()))
	if s.heard.Sub(a.linkNoted) >= linkEvery {
		a.noteLink(ctx, s.heard)
	}
	s.setInterval(wire.DurationFromProto(r.GetHeartbeatInterval()))
	s.taken.arrived(r.GetNumber(), len(r.GetCommands())+len(r.GetStops())+len(r.GetWithdrawals()))
	a.outbox.Have(r.GetHaveHeartbeat())
	a.granted(s, wire.CreditsFromProto(r.GetCredits()))
	if r.GetBundle() != nil {
		a.offered(ctx, r.GetBundle())
	}
	if r.GetResync() {
		s.resynced = false
		a.outbox.Reset()
	}
	for _, id := range r.GetForget() {
		a.forget(ctx, id)
	}
	for _, stop := range r.GetStops() {
		a.wished(ctx, stop, task.DesiredStop, item{session: s.place, reply: r.GetNumber()})
	}
	for _, withdrawal := range r.GetWithdrawals() {
		a.wished(ctx, withdrawal, task.DesiredWithdraw, item{session: s.place, reply: r.GetNumber()})
	}
	for _, v := range r.GetViews() {
		a.view(ctx, s, v)
	}
	for _, c := range r.GetCommands() {
		a.command(ctx, c, item{session: s.place, reply: r.GetNumber(), class: c.GetClass()})
	}
}

// hear keeps the last time from above, also when it went back: a clock up there
// that was wrong once would else count for ever, and tombstones go too early.
func (a *Agent) hear(t time.Time) {
	if !t.IsZero() {
		a.heard = t
	}
}

// offered takes a bundle if the operator signed it and it is newer than the one
// held. It is on the disk before anything is judged by it: a host never goes
// back, over restarts too.
func (a *Agent) offered(ctx context.Context, e *typesv1.Envelope) {
	envelope := wire.EnvelopeFromProto(e)
	fresh, err := policy.OpenBundle(envelope, a.deps.Operator)
	if err == nil {
		var takes bool
		if takes, err = a.bundle.Takes(fresh); err == nil && !takes {
			return
		}
	}
	var text []byte
	if err == nil {
		text, err = envelope.JSON()
	}
	if err == nil {
		err = a.deps.State.Save(bundleName, text, true)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "bundle is not taken", slog.Uint64("held", a.bundle.Version), slog.Any("error", err))
		return
	}
	a.bundle = fresh
	a.log.InfoContext(ctx, "bundle taken", slog.Uint64("version", fresh.Version), slog.Time("expires", fresh.Expires))
}
