package aggregator

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Bounds of one reply. All of it stays below 64 KiB.
const (
	replyBytes   = 60 << 10
	replyForgets = 512
	replyWishes  = 512
	commandFrame = 160 // ids, names and tags of a command
	traceFrame   = 64  // a traceparent
	hashFrame    = 34  // a hash of a proof
)

// reply is the next message to a host; nil: nothing is due. Only a heartbeat, a
// command, a wish or a view makes it due; all else rides along. The spans are of what is
// traced in it, and end when it was sent.
func (h *hub) reply(ctx context.Context, se *session) (*sessionv1.ConnectResponse, []trace.Span) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ho := se.host
	if ho.session != se {
		return nil, nil
	}
	if !se.due && !h.pushes(ho) {
		return nil, nil
	}
	se.replies++
	come, gap := se.heartbeats.Answer()
	out := &sessionv1.Reply{Number: se.replies, HaveHeartbeat: se.had, ServerTime: wire.TimeToProto(time.Now())}
	if se.due {
		out.Heartbeat, se.due = come, false
	}
	if out.Resync = gap || se.askResync; out.GetResync() {
		se.askResync, se.synced, se.resyncIn, se.all = false, false, se.replies, true
		ho.round++
	}
	room := replyBytes
	if se.bundle < h.bundle.version { // before the commands that it may be needed for
		se.bundle, out.Bundle = h.bundle.version, h.bundle.envelope
		room -= envelopeSize(out.GetBundle())
	}
	for _, id := range ho.forgets.take(se.replies, replyForgets) {
		out.Forget = append(out.Forget, id[:])
		room -= len(id) + 2
	}
	for len(out.GetStops())+len(out.GetWithdrawals()) < replyWishes && ho.wishDue() {
		r := ho.wishes[0]
		ho.wishes, r.wishSet = ho.wishes[1:], false
		if named := wire.StopToProto(r.job.id, r.attempt); r.wish >= task.DesiredStop {
			out.Stops = append(out.Stops, named)
		} else {
			out.Withdrawals = append(out.Withdrawals, named)
		}
		room -= commandFrame / 4
	}
	if len(se.owed) > 0 {
		se.up.grant(se.owed)
		out.Credits, se.owed = wire.CreditsToProto(se.owed), wire.Credits{}
		room -= len(out.GetCredits()) * 2 * hashFrame
	}
	for _, v := range ho.viewsDue() {
		if v.sent = true; se.speaks >= wire.SessionViews {
			out.Views = append(out.Views, wire.ViewToProto(v.View))
			room -= commandFrame
		}
	}
	var spans []trace.Span
	out.Commands, spans = ho.commands(ctx, se.replies, room)
	return &sessionv1.ConnectResponse{Message: &sessionv1.ConnectResponse_Reply{Reply: out}}, spans
}

// pushes reports whether there is something that is not to wait for a heartbeat.
func (h *hub) pushes(ho *host) bool {
	if !h.cfg.Push {
		return false
	}
	_, next := ho.sendable()
	return next != nil || ho.wishDue() || len(ho.viewsDue()) > 0
}

// commands takes releases off the queues, in turn by class, as long as they fit.
func (ho *host) commands(ctx context.Context, reply uint64, room int) (out []*sessionv1.Command, spans []trace.Span) {
	for q, r := ho.sendable(); r != nil; q, r = ho.sendable() {
		command := r.command()
		size := commandFrame + len(command.GetPool()) + len(command.GetClass()) +
			hashFrame*len(command.GetProof().GetHashes()) + envelopeSize(command.GetCapsule())
		if r.trace != nil {
			size += traceFrame
		}
		if room -= size; room < 0 {
			return out, spans
		}
		q.pop()
		r.dirty, r.sentIn = false, reply
		ho.session.down.take(q.class, 1)
		ho.next++
		if span := r.deliver(ctx, command); span != nil {
			spans = append(spans, span)
		}
		out = append(out, command)
	}
	return out, spans
}

// command is a release as its host gets it, with the wish in force. The capsule
// is one message for all hosts.
func (r *record) command() *sessionv1.Command {
	j := r.job
	proof, err := r.run.tree.Inclusion(uint64(r.ordinal))
	if err != nil { // cannot be: the run has it. The host would refuse, and say so
		r.host.hub.log.Error("target cannot be proven", "host", r.host.id, "job", j.id, "error", err)
	}
	var shared *typesv1.Envelope
	if j.inline() {
		shared = j.capsule
	}
	return wire.DeliveryToProto(wire.Delivery{
		Job: j.id, Pool: j.pool, Class: j.class, Attempt: r.attempt,
		Digest: j.digest, Proof: proof, Want: r.want,
	}, shared)
}

func envelopeSize(e *typesv1.Envelope) int {
	if e == nil {
		return 0
	}
	size := len(e.GetPayload()) + len(e.GetPayloadType()) + 16
	for _, s := range e.GetSignatures() {
		size += len(s.GetKeyId()) + len(s.GetSig()) + 8
	}
	return size
}
