package mesh

import (
	"context"
	"crypto/sha256"
	"fmt"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	corelink "github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/wire"
)

// receive passes on what comes up until the stream breaks. A message that is
// not of its form ends the stream: the two sides do not speak the same language.
func (l *link) receive(ctx context.Context, s stream) error {
	cursors := map[string]*corelink.Cursor{} // by class
	for {
		msg, err := s.Recv()
		if err != nil {
			return err
		}
		if err := l.take(ctx, msg, cursors); err != nil {
			return err
		}
	}
}

func (l *link) take(ctx context.Context, msg *meshv1.ConnectResponse, cursors map[string]*corelink.Cursor) error {
	switch m := msg.GetMessage().(type) {
	case *meshv1.ConnectResponse_Reports:
		return l.takeReports(ctx, m.Reports, cursors)
	case *meshv1.ConnectResponse_Attachments:
		a, err := attachmentsFrom(l.via, m.Attachments)
		if err != nil {
			return err
		}
		l.mesh.sink.Attachments(ctx, a)
	case *meshv1.ConnectResponse_Returns:
		return l.takeReturns(ctx, m.Returns)
	case *meshv1.ConnectResponse_Credits:
		l.with(func(q *queue) { q.grant(wire.CreditsFromProto(m.Credits.GetCredits())) })
	default:
		return fmt.Errorf("%w: the aggregator sent what this scheduler does not know", wire.ErrMessage)
	}
	return nil
}

func (l *link) takeReports(ctx context.Context, r *meshv1.Reports, cursors map[string]*corelink.Cursor) error {
	cursor := cursors[r.GetClass()]
	if cursor == nil {
		if len(cursors) >= maxClasses {
			return fmt.Errorf("%w: reports of more than %d classes", wire.ErrMessage, maxClasses)
		}
		cursor = &corelink.Cursor{}
		cursors[r.GetClass()] = cursor
	}
	if got := cursor.Observe(r.GetNumber()); got == corelink.Gap {
		return fmt.Errorf("%w: batch %d of class %q leaves a gap", wire.ErrMessage, r.GetNumber(), r.GetClass())
	}
	batch, faults := batchFrom(l.via, r)
	for _, fault := range faults { // one host must not cut off its room
		l.mesh.deps.Log.ErrorContext(ctx, "part of a batch of reports is unreadable; it is left out", "aggregator", l.via, "error", fault)
	}
	l.mesh.sink.Reports(ctx, batch)
	l.with(func(q *queue) { q.received(r.GetClass(), r.GetNumber(), itemsOf(r)) })
	return nil
}

// itemsOf is how much credit a batch has used.
func itemsOf(r *meshv1.Reports) (n int) {
	for _, j := range r.GetJobs() {
		n += len(j.GetItems())
	}
	return n
}

func (l *link) takeReturns(ctx context.Context, r *meshv1.Returns) error {
	id, err := wire.JobID(r.GetJobId())
	if err != nil {
		return err
	}
	if r.GetNeedPayload() {
		l.with(func(q *queue) { q.sent.lost(id) })
	}
	l.mesh.sink.Returns(ctx, Returns{
		Via: l.via, Job: id, NeedPayload: r.GetNeedPayload(),
		NotHere: ordinals(r.GetNotHere()), NotKnown: ordinals(r.GetNotKnown()),
	})
	return nil
}

func ordinals(hosts []*meshv1.HostOrdinal) []uint32 {
	out := make([]uint32, len(hosts))
	for i, h := range hosts {
		out[i] = h.GetOrdinal()
	}
	return out
}

// batchFrom reads what is readable, and says what is not.
func batchFrom(via fleet.Via, r *meshv1.Reports) (Batch, []error) {
	out := Batch{Via: via, Class: r.GetClass()}
	var faults []error
	for _, j := range r.GetJobs() {
		id, err := wire.JobID(j.GetJobId())
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, item := range j.GetItems() {
			report, err := reportFrom(id, j.GetPool(), item)
			if err != nil {
				faults = append(faults, fmt.Errorf("job %s, host %.140q: %w", id, item.GetHostId(), err))
				continue
			}
			out.Reports = append(out.Reports, report)
		}
	}
	out.Blobs = make(map[[32]byte][]byte, len(r.GetBlobs()))
	for _, b := range r.GetBlobs() {
		digest, err := blobFrom(b)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		out.Blobs[digest] = b.GetContent()
	}
	return out, faults
}

func reportFrom(id job.ID, pool string, item *meshv1.HostReport) (Report, error) {
	incarnation, err := wire.Incarnation(item.GetIncarnation())
	if err != nil {
		return Report{}, err
	}
	out := Report{
		Job: id, Pool: pool, Host: fleet.HostID(item.GetHostId()), Ordinal: item.GetOrdinal(),
		Incarnation: incarnation, PastW: item.GetPastW(),
	}
	if out.PastW {
		out.Forgotten = item.GetForgotten()
		return out, nil
	}
	out.Report, out.Detail, err = wire.ResultFromProto(item.GetResult())
	out.Detail.Overdue = item.GetOverdue()
	return out, err
}

// blobFrom is the digest of an output whose content has it.
func blobFrom(b *typesv1.Blob) ([32]byte, error) {
	digest, err := wire.Digest(b.GetDigest())
	if err == nil && sha256.Sum256(b.GetContent()) != digest {
		err = fmt.Errorf("%w: an output is not what its digest says", wire.ErrMessage)
	}
	return digest, err
}

func attachmentsFrom(via fleet.Via, a *meshv1.Attachments) (Attachments, error) {
	out := Attachments{Via: via, Begin: a.GetSnapshotBegin(), End: a.GetSnapshotEnd()}
	for _, item := range a.GetItems() {
		incarnation, err := wire.Incarnation(item.GetIncarnation())
		if err != nil {
			return Attachments{}, fmt.Errorf("host %q: %w", item.GetHostId(), err)
		}
		out.Items = append(out.Items, Attachment{
			Host: fleet.HostID(item.GetHostId()), Incarnation: incarnation, Session: item.GetSession(),
			Attached: item.GetAttached(), Address: item.GetAddress(), Facts: item.GetFacts(), Since: wire.TimeFromProto(item.GetSince()),
		})
	}
	return out, nil
}
