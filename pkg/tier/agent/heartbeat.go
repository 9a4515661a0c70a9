package agent

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

const (
	// reportBytes bounds the reports of one heartbeat, so that the whole stays
	// below 64 KiB.
	reportBytes = 60 << 10
	// reportsAtOnce is how many reports are looked at for one heartbeat.
	reportsAtOnce = 4096
)

// flush sends a heartbeat if one is due, or if there is something to say. One is
// sent at a time, so what comes meanwhile goes together.
func (a *Agent) flush(ctx context.Context, now time.Time) {
	s := a.session
	if s == nil || s.sending || s.stopping || now.Before(s.beatAt) && !a.news(s) {
		return
	}
	if now.Sub(s.saidAll) >= sayAgain {
		a.outbox.Reset()
		s.saidAll = now
	}
	m := &sessionv1.ConnectRequest{Message: &sessionv1.ConnectRequest_Heartbeat{Heartbeat: a.heartbeat(ctx, s, now)}}
	s.beatAt = now.Add(jitter(s.interval, rand.Float64())) //nolint:gosec // jitter needs no secret randomness
	s.sending = true
	a.work.Go(func() {
		_ = s.stream.Send(m) // if the stream is over, who receives knows why
		a.post(func(context.Context) { s.sending = false })
	})
}

// jitter is the interval, or up to a tenth more or less.
func jitter(interval time.Duration, random float64) time.Duration {
	return interval - interval/10 + time.Duration(random*float64(interval)/5)
}

// news reports whether something should not wait for the next heartbeat. Have
// and credit ride along, unless the window is about to close.
func (a *Agent) news(s *session) bool {
	if a.outbox.Pending() > 0 || !s.resynced && a.allSaid() {
		return true
	}
	for _, more := range s.owed {
		if more >= commandWindow/2 {
			return true
		}
	}
	return false
}

// allSaid reports whether everything that is not forgotten has been sent. Without
// the executor's snapshot nobody can know.
func (a *Agent) allSaid() bool { return a.snapshot && a.outbox.Pending() == 0 && a.held.empty() }

// heartbeat makes the next heartbeat.
func (a *Agent) heartbeat(ctx context.Context, s *session, now time.Time) *sessionv1.Heartbeat {
	s.beats++
	hb := &sessionv1.Heartbeat{
		Number: s.beats, Reports: a.reports(ctx, s), HaveReply: s.taken.have(),
		LiveCommands: uint32(len(a.live)), LiveDigest: a.liveDigest(),
		Bundle:       &identityv1.BundleVersion{Version: a.bundle.Version, Stale: a.bundle.Stale(now)},
		ExecutorAway: a.away, Credits: wire.CreditsToProto(s.owed),
	}
	clear(s.owed)
	if !s.resynced && a.allSaid() {
		s.resynced, hb.ResyncComplete = true, true
	}
	return hb
}

// reports takes from the outbox what can go now. What cannot is held back; what
// does not fit goes with the next heartbeat.
func (a *Agent) reports(ctx context.Context, s *session) (out []*sessionv1.Report) {
	room, full := reportBytes, false
	for _, id := range a.outbox.NextAs(s.beats, reportsAtOnce) {
		e := a.tasks[id]
		switch {
		case e == nil || !e.says():
			continue
		case full:
			a.outbox.Put(id)
			continue
		case a.wantsOutputs(s, e):
			a.held.gather(id)
			a.gather(s, e)
			continue
		case !s.take(e.ticket.class):
			a.held.starve(e.ticket.class, id)
			continue
		}
		r := a.report(ctx, e)
		if room -= proto.Size(r) + 8; room < 0 {
			full = true
			s.giveBack(e.ticket.class)
			a.outbox.Put(id)
			continue
		}
		e.inline, e.gathered = nil, 0 // if it is asked for again, the executor has them
		out = append(out, r)
	}
	return out
}

// giveBack returns credit that was taken for nothing.
func (s *session) giveBack(class string) {
	if s.window != nil {
		s.window.Return(class, 1)
	}
}

// unstarve lets reports go for which there is credit again.
func (a *Agent) unstarve(class string, free uint32) {
	for _, id := range a.held.feed(class, free) {
		if e := a.tasks[id]; e != nil {
			a.say(e)
		}
	}
}

// report is what is to be said of a task, signed if it is an outcome.
func (a *Agent) report(ctx context.Context, e *entry) *sessionv1.Report {
	r := wire.Report{Job: e.id, Pool: e.ticket.pool, Class: e.ticket.class, Ordinal: e.ticket.ordinal, PastW: e.pastW, Forgotten: e.forgotten}
	if e.pastW {
		return wire.ReportToProto(r)
	}
	if e.seen.State.Final() && e.detail.Signature == nil {
		signature, err := capsule.SignResult(capsule.Result{
			JobID: e.id, Host: a.host, Incarnation: a.incarnation, Report: e.seen,
			Started: e.detail.StartedAt, Ended: e.detail.EndedAt, Outputs: e.detail.Outputs,
		}, a.credential.Key)
		if err != nil {
			a.log.ErrorContext(ctx, "result cannot be signed", slog.String("job", e.id.String()), slog.Any("error", err))
		}
		e.detail.Signature = signature
	}
	r.Seen, r.Detail, r.Inline = e.seen, e.detail, e.inline
	return wire.ReportToProto(r)
}

// liveDigest names the set of commands that are accepted and have not ended.
func (a *Agent) liveDigest() []byte {
	if a.digest == nil {
		sum := wire.LiveDigest(slices.AppendSeq(make([]job.ID, 0, len(a.live)), maps.Keys(a.live)))
		a.digest = sum[:]
	}
	return a.digest
}
