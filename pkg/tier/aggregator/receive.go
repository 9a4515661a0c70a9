package aggregator

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/planted"
	"github.com/ccs-project/ccs/pkg/wire"
)

// mostMismatches is how many heartbeats in a row may say that another set of
// commands lives than was reported, before everything is asked for again. One
// may: a report can be on its way.
const mostMismatches = 2

// incoming is one report that was read and checked outside the hub.
type incoming struct {
	id     job.ID
	said   *sessionv1.Report
	seen   task.Report
	size   int
	inline map[[32]byte][]byte
	refs   [][32]byte
}

// read checks a report. Its inline outputs leave the message: equal ones of many
// hosts are held once.
func read(said *sessionv1.Report) (incoming, error) {
	r, err := wire.ReportFromProto(said)
	if err != nil {
		return incoming{}, err
	}
	in := incoming{id: r.Job, said: said, seen: r.Seen}
	for _, b := range said.GetBlobs() {
		if in.inline == nil {
			in.inline = map[[32]byte][]byte{}
		}
		in.inline[[32]byte(b.GetDigest())] = b.GetContent()
	}
	said.Blobs = nil
	for _, o := range r.Detail.Outputs {
		if o.Size > 0 {
			in.refs = append(in.refs, o.Digest)
		}
	}
	in.size = proto.Size(said.GetResult()) + 64
	return in, nil
}

// heartbeat takes one heartbeat. The error ends the session.
func (se *session) heartbeat(ctx context.Context, beat *sessionv1.Heartbeat) error {
	if n := len(beat.GetReports()); n > 0 {
		se.hub.meters.received.Add(ctx, int64(n))
	}
	reports := make([]incoming, 0, len(beat.GetReports()))
	for _, said := range beat.GetReports() {
		in, err := read(said)
		if err != nil {
			// It would come again for ever if it ended the session. The host keeps it.
			se.hub.log.ErrorContext(ctx, "report of a host cannot be read and is left out", "host", se.host.id, "error", err)
			in = incoming{}
		}
		in.said = said
		reports = append(reports, in)
	}
	now := time.Now()
	h := se.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if se.host.session != se {
		return errReplaced
	}
	se.beat = now
	defer se.poke()
	se.acknowledged(beat)
	switch se.heartbeats.Observe(beat.GetNumber()) {
	case link.Duplicate:
		se.due = true
		return nil
	case link.Gap:
		se.askResync, se.synced = true, false
	case link.Accepted:
	}
	newest := uint64(0)
	for i := range reports {
		changed, err := se.report(&reports[i], now)
		if err != nil {
			return err
		}
		newest = max(newest, changed)
	}
	se.taken(se.heartbeats.Have(), newest)
	if beat.GetResyncComplete() {
		se.completed(beat.GetHaveReply())
	}
	se.compareLive(beat, now)
	return nil
}

// completed notes that the host has said everything, unless it said so before
// it heard that it has to do so again.
func (se *session) completed(have uint64) {
	if se.askResync || have < se.resyncIn {
		return
	}
	se.synced = true
	if se.resyncIn > 0 {
		se.host.lossy = false
	}
	if se.all {
		se.dropUnsaid()
	}
	se.answerAll()
}

// dropUnsaid drops the reports of which the host, having said everything, said
// nothing: it heard their Forget from another aggregator.
func (se *session) dropUnsaid() {
	for _, first := range se.host.tasks {
		for r := first; r != nil; r = r.next {
			if r.said != nil && r.inc == se.inc && r.round != se.host.round {
				r.drop()
			}
		}
	}
}

// acknowledged takes what a heartbeat says of replies, windows and the bundle.
func (se *session) acknowledged(beat *sessionv1.Heartbeat) {
	if have := min(beat.GetHaveReply(), se.replies); have > se.have {
		se.have = have
		se.host.forgets.have(have)
	}
	se.down.grant(wire.CreditsFromProto(beat.GetCredits()))
	se.bundle = max(se.bundle, beat.GetBundle().GetVersion())
}

// report takes one report into the hub. changed is the number of what has to be on
// the disk before the host may believe that it is here; 0: nothing.
func (se *session) report(in *incoming, now time.Time) (changed uint64, err error) {
	h, class := se.hub, in.said.GetClass()
	if se.up.take(class, 1) == 0 && !planted.Bug("reports without credit are taken") {
		return 0, fmt.Errorf("%w: host %s sent more reports of class %.40q than it has credit for", wire.ErrTooMuch, se.host.id, class)
	}
	if in.id.IsZero() { // it could not be read
		se.owed[class]++
		return 0, nil
	}
	r, payer := se.host.record(in.id, se.inc), h.tasks.payer(class)
	if crowded := h.full(payer) || len(se.host.tasks) >= mostHostTasks; r == nil && crowded {
		se.withheld[class]++
		withhold(h.starved, payer, se)
	} else {
		se.owed[class]++
	}
	if r == nil {
		r = se.host.hold(h.job(in.id), se.inc, class)
	}
	r.round = se.host.round
	if r.take(in) || r.endedAs(in) { // an outcome that is said again was not forgotten: its Forget may be lost
		r.route()
	}
	if len(r.missing) > 0 {
		se.demandResync(now)
	}
	return r.savedIn, nil
}

// endedAs reports whether a report says the outcome that is held.
func (r *record) endedAs(in *incoming) bool {
	return r.ended() && r.pastW == in.said.GetPastW() && task.Compare(r.seen, in.seen) == 0
}

// take merges a report into what is held, and reports whether that has grown.
func (r *record) take(in *incoming) (grown bool) {
	pastW := in.said.GetPastW()
	switch {
	case r.said == nil, r.pastW && !pastW:
	case pastW:
		if r.pastW || r.seen.State.Final() {
			return false // an outcome is more than not to know it any longer
		}
	default:
		if task.Conflict(r.seen, in.seen) {
			r.host.hub.log.Error("host reports two outcomes of one attempt", "host", r.host.id, "job", r.job.id,
				"attempt", in.seen.Attempt, "first", r.seen.State.String(), "second", in.seen.State.String())
		}
		changed := task.Compare(in.seen, r.seen)
		if changed < 0 && !planted.Bug("last write wins") || changed == 0 && in.said.GetOverdue() == r.said.GetOverdue() && len(r.missing) == 0 {
			return false
		}
	}
	r.setSaid(in.said, in.seen, pastW)
	r.size = in.size
	if r.answers(r.attempt) {
		r.answer()
	}
	if r.seen.State.Final() || pastW || r.wish == task.DesiredWithdraw && r.seen.State >= task.Starting {
		r.wish = 0
	}
	r.attach(in)
	return true
}

// answer takes the release off its way, since its host has it. A wish that was to
// ride with it and did not goes by itself.
func (r *record) answer() {
	missed := r.queued && r.dirty && r.want > task.DesiredRun
	r.answered()
	if missed && r.isLive() {
		r.tell(r.want)
	}
}

// attach holds the outputs that a report names, and lets go of those of the one
// before.
func (r *record) attach(in *incoming) {
	before := r.refs
	r.refs, r.missing = nil, in.refs
	for digest, content := range in.inline {
		r.host.hub.blobs.put(digest, content, payer{r.host, r.payer})
	}
	r.collect()
	for digest := range in.inline {
		r.host.hub.blobs.unref(digest)
	}
	for _, digest := range before {
		r.host.hub.blobs.unref(digest)
	}
}

// collect takes hold of the missing outputs that are here now, and reports
// whether none is missing any more.
func (r *record) collect() bool {
	var still [][32]byte
	for _, digest := range r.missing {
		if !r.host.hub.blobs.ref(digest) {
			still = append(still, digest)
			continue
		}
		r.refs = append(r.refs, digest)
		r.host.uploadDone(digest)
	}
	r.missing = still
	return len(still) == 0
}

// compareLive asks for everything again if what lives on the host is not what it
// has reported, twice in a row and with no report on its way.
func (se *session) compareLive(beat *sessionv1.Heartbeat, now time.Time) {
	ho := se.host
	if !se.synced || len(beat.GetReports()) > 0 || len(beat.GetLiveDigest()) == 0 {
		se.mismatches = 0
		return
	}
	if int(beat.GetLiveCommands()) == ho.live.n {
		if known := ho.liveDigest(); string(known[:]) == string(beat.GetLiveDigest()) {
			se.mismatches = 0
			return
		}
	}
	if se.mismatches++; se.mismatches >= mostMismatches {
		se.mismatches = 0
		se.demandResync(now)
	}
}

// demandResync asks the host for everything that is not forgotten, at most once
// an interval.
func (se *session) demandResync(now time.Time) {
	if !se.asked.IsZero() && now.Sub(se.asked) < se.hub.cfg.HeartbeatInterval {
		return
	}
	se.asked, se.askResync, se.synced = now, true, false
}
