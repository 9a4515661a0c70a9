package wire

import (
	"fmt"
	"iter"
	"math"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// Owns is which shards a scheduler owns, in the pool of its hello.
type Owns struct {
	Count  uint16 // of shards in the pool
	Epochs map[uint16]job.Epoch
}

// OwnsToProto is the wire form of what a scheduler owns.
func OwnsToProto(o Owns) *meshv1.Owns {
	out := &meshv1.Owns{ShardCount: uint32(o.Count)}
	for n := range o.Count {
		if epoch, owned := o.Epochs[n]; owned {
			out.Shards = append(out.Shards, &meshv1.ShardEpoch{Shard: uint32(n), Epoch: EpochToProto(epoch)})
		}
	}
	return out
}

// OwnsFromProto reads what a scheduler owns; the error wraps ErrMessage.
func OwnsFromProto(o *meshv1.Owns) (Owns, error) {
	if o.GetShardCount() == 0 || o.GetShardCount() > math.MaxUint16 {
		return Owns{}, fmt.Errorf("%w: a pool of %d shards", ErrMessage, o.GetShardCount())
	}
	count := uint16(o.GetShardCount()) //nolint:gosec // bounded above
	out := Owns{Count: count, Epochs: make(map[uint16]job.Epoch, len(o.GetShards()))}
	for _, s := range o.GetShards() {
		if s.GetShard() >= o.GetShardCount() {
			return Owns{}, fmt.Errorf("%w: shard %d of %d", ErrMessage, s.GetShard(), o.GetShardCount())
		}
		out.Epochs[uint16(s.GetShard())] = EpochFromProto(s.GetEpoch()) //nolint:gosec // below the count
	}
	return out, nil
}

// Payload is what a job's dispatches to one room have in common.
type Payload struct {
	Capsule capsule.Envelope
	Targets []job.Target // of the room, in ordinal order
	Proof   capsule.RangeProof
}

// PayloadToProto is the wire form of a payload. It shares the capsule's bytes.
func PayloadToProto(p Payload) *meshv1.Payload {
	out := &meshv1.Payload{Capsule: EnvelopeToProto(p.Capsule), Proof: RangeProofToProto(p.Proof)}
	for _, t := range p.Targets {
		out.Targets = append(out.Targets, TargetToProto(t))
	}
	return out
}

// PayloadFromProto reads a payload; whether the targets are those of the signed
// list is asked of the proof. The error wraps ErrMessage.
func PayloadFromProto(p *meshv1.Payload) (Payload, error) {
	proof, err := RangeProofFromProto(p.GetProof())
	if err != nil {
		return Payload{}, err
	}
	out := Payload{Capsule: EnvelopeFromProto(p.GetCapsule()), Proof: proof, Targets: make([]job.Target, 0, len(p.GetTargets()))}
	for _, t := range p.GetTargets() {
		target, err := TargetFromProto(t)
		if err != nil {
			return Payload{}, fmt.Errorf("target %.80q: %w", t.GetHostId(), err)
		}
		out.Targets = append(out.Targets, target)
	}
	return out, nil
}

// ReleaseToProto is the wire form of one released target.
func ReleaseToProto(d job.Dispatch) *meshv1.Release {
	return &meshv1.Release{
		Ordinal: d.Ordinal, Attempt: d.Attempt,
		Stop: d.Want >= task.DesiredStop, Withdraw: d.Want == task.DesiredWithdraw,
	}
}

// ReleaseFromProto reads one released target; the error wraps ErrMessage.
func ReleaseFromProto(r *meshv1.Release) (job.Dispatch, error) {
	if r.GetAttempt() == 0 {
		return job.Dispatch{}, fmt.Errorf("%w: release of ordinal %d with attempt 0, attempts count from 1", ErrMessage, r.GetOrdinal())
	}
	return job.Dispatch{Ordinal: r.GetOrdinal(), Attempt: r.GetAttempt(), Want: wanted(r.GetStop(), r.GetWithdraw())}, nil
}

// wanted is the wish that rides with a release or a command.
func wanted(stop, withdraw bool) task.Desired {
	switch {
	case stop:
		return task.DesiredStop
	case withdraw:
		return task.DesiredWithdraw
	}
	return task.DesiredRun
}

// AddWish adds a wish to those of its job.
func AddWish(to *meshv1.Wishes, w job.Wish) {
	named := &meshv1.Release{Ordinal: w.Ordinal, Attempt: w.Attempt}
	if w.Want >= task.DesiredStop {
		to.Stop = append(to.Stop, named)
	} else {
		to.Withdraw = append(to.Withdraw, named)
	}
}

// WishesOf yields the wishes but for the Forgets.
func WishesOf(w *meshv1.Wishes) iter.Seq[job.Wish] {
	return func(yield func(job.Wish) bool) {
		for _, r := range w.GetStop() {
			if !yield(job.Wish{Ordinal: r.GetOrdinal(), Attempt: r.GetAttempt(), Want: task.DesiredStop}) {
				return
			}
		}
		for _, r := range w.GetWithdraw() {
			if !yield(job.Wish{Ordinal: r.GetOrdinal(), Attempt: r.GetAttempt(), Want: task.DesiredWithdraw}) {
				return
			}
		}
	}
}

// HostOrdinalToProto names a task of a job.
func HostOrdinalToProto(ordinal uint32, host fleet.HostID) *meshv1.HostOrdinal {
	return &meshv1.HostOrdinal{Ordinal: ordinal, HostId: string(host)}
}

// Attachment is a host that came or went.
type Attachment struct {
	Host        fleet.HostID
	Incarnation fleet.Incarnation
	Session     uint64
	Attached    bool
	Address     string            // that it dialled from
	Facts       map[string]string // only when it comes
	Since       time.Time         // by the aggregator's clock
}

// AttachmentToProto is the wire form of a host that came or went.
func AttachmentToProto(a Attachment) *meshv1.Attachment {
	return &meshv1.Attachment{
		HostId: string(a.Host), Incarnation: a.Incarnation[:], Session: a.Session, Attached: a.Attached,
		Address: a.Address, Facts: a.Facts, Since: TimeToProto(a.Since),
	}
}

// AttachmentFromProto reads a host that came or went; the error wraps
// ErrMessage.
func AttachmentFromProto(a *meshv1.Attachment) (Attachment, error) {
	inc, err := Incarnation(a.GetIncarnation())
	if err != nil {
		return Attachment{}, fmt.Errorf("host %.80q: %w", a.GetHostId(), err)
	}
	return Attachment{
		Host: fleet.HostID(a.GetHostId()), Incarnation: inc, Session: a.GetSession(), Attached: a.GetAttached(),
		Address: a.GetAddress(), Facts: a.GetFacts(), Since: TimeFromProto(a.GetSince()),
	}, nil
}

// HostReport is what one host says of one task of a job.
type HostReport struct {
	Host        fleet.HostID // from its certificate
	Ordinal     uint32       // as the host says
	Incarnation fleet.Incarnation
	Seen        task.Report
	Detail      job.Detail // Overdue included
	PastW       bool       // no outcome; Seen and Detail are then zero
	Forgotten   bool       // with PastW: it had an outcome, and an owner has let the host forget it
}

// PassReport is a host's report on its way up: what the host said goes on as it
// came, under the name of its certificate. It shares the result.
func PassReport(r *sessionv1.Report, host fleet.HostID, inc *fleet.Incarnation) *meshv1.HostReport {
	return &meshv1.HostReport{
		HostId: string(host), Ordinal: r.GetOrdinal(), Incarnation: inc[:],
		Result: r.GetResult(), PastW: r.GetPastW(), Forgotten: r.GetForgotten(), Overdue: r.GetOverdue(),
	}
}

// HostReportFromProto reads what a host says; the error wraps ErrMessage.
func HostReportFromProto(r *meshv1.HostReport) (HostReport, error) {
	inc, err := Incarnation(r.GetIncarnation())
	if err != nil {
		return HostReport{}, fmt.Errorf("host %.80q: %w", r.GetHostId(), err)
	}
	out := HostReport{Host: fleet.HostID(r.GetHostId()), Ordinal: r.GetOrdinal(), Incarnation: inc, PastW: r.GetPastW()}
	if out.PastW {
		out.Forgotten = r.GetForgotten()
		return out, nil
	}
	if out.Seen, out.Detail, err = ResultFromProto(r.GetResult()); err != nil {
		return HostReport{}, fmt.Errorf("host %.80q: %w", r.GetHostId(), err)
	}
	out.Detail.Overdue = r.GetOverdue()
	return out, nil
}
