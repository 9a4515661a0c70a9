package wire

import (
	"fmt"

	identityv1 "github.com/ccs-project/ccs/api/gen/ccs/identity/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// MaxCapsuleInline is how many bytes of payload ride with a command; a larger
// capsule is named by its digest and fetched.
const MaxCapsuleInline = 32 << 10

// maxFacts bounds the facts of a hello, names and values together, in bytes.
const maxFacts = 4 << 10

// Hello is how an agent opens a session.
type Hello struct {
	Versions    link.VersionRange
	Host        fleet.HostID
	Incarnation fleet.Incarnation
	Session     uint64 // number; grows with every session of the incarnation
	Facts       map[string]string
	Bundle      uint64 // version of the bundle that it holds; 0: none
	BundleStale bool
	Spool       string  // whose Have it still honours; empty: none
	Credits     Credits // commands that it takes before it has taken them over
}

// HelloToProto is the wire form of a hello.
func HelloToProto(h Hello) *sessionv1.Hello {
	return &sessionv1.Hello{
		Versions: VersionsToProto(h.Versions), HostId: string(h.Host), Incarnation: h.Incarnation[:], Session: h.Session,
		Facts: h.Facts, Bundle: &identityv1.BundleVersion{Version: h.Bundle, Stale: h.BundleStale},
		SpoolId: h.Spool, Credits: CreditsToProto(h.Credits),
	}
}

// HelloFromProto reads a hello; the error wraps ErrMessage.
func HelloFromProto(h *sessionv1.Hello) (Hello, error) {
	host, err := fleet.ParseHostID(h.GetHostId())
	if err != nil {
		return Hello{}, fmt.Errorf("%w: host %.80q: %w", ErrMessage, h.GetHostId(), err)
	}
	inc, err := Incarnation(h.GetIncarnation())
	if err != nil {
		return Hello{}, err
	}
	size := 0
	for key, value := range h.GetFacts() {
		size += len(key) + len(value)
	}
	if len(h.GetFacts()) > fleet.MaxLabels || size > maxFacts {
		return Hello{}, fmt.Errorf("%w: %d facts with %d bytes; at most %d with %d are taken", ErrMessage, len(h.GetFacts()), size, fleet.MaxLabels, maxFacts)
	}
	return Hello{
		Versions: VersionsFromProto(h.GetVersions()), Host: host, Incarnation: inc, Session: h.GetSession(),
		Facts: h.GetFacts(), Bundle: h.GetBundle().GetVersion(), BundleStale: h.GetBundle().GetStale(),
		Spool: h.GetSpoolId(), Credits: CreditsFromProto(h.GetCredits()),
	}, nil
}

// Report is what a host says of one task.
type Report struct {
	Job       job.ID
	Pool      string // as dispatched
	Class     string // as signed
	Ordinal   uint32 // as proven; 0 where the proof was unreadable
	Seen      task.Report
	Detail    job.Detail // Overdue included
	PastW     bool       // not known there, and not past W: no outcome. Seen and Detail are then zero
	Forgotten bool       // with PastW: it had an outcome, and an owner has let the host forget it
	Inline    [][]byte   // contents of small outputs, at most MaxInline bytes each
}

// ReportToProto is the wire form of a report.
func ReportToProto(r Report) *sessionv1.Report {
	out := &sessionv1.Report{JobId: r.Job[:], Pool: r.Pool, Class: r.Class, Ordinal: r.Ordinal, PastW: r.PastW, Overdue: r.Detail.Overdue}
	if r.PastW {
		out.Forgotten = r.Forgotten
	} else {
		out.Result = ResultToProto(r.Seen, r.Detail)
	}
	for _, content := range r.Inline {
		out.Blobs = append(out.Blobs, BlobToProto(content))
	}
	return out
}

// ReportFromProto reads a report and checks its small outputs; the error wraps
// ErrMessage.
func ReportFromProto(r *sessionv1.Report) (Report, error) {
	id, err := JobID(r.GetJobId())
	if err != nil {
		return Report{}, err
	}
	out := Report{Job: id, Pool: r.GetPool(), Class: r.GetClass(), Ordinal: r.GetOrdinal(), PastW: r.GetPastW()}
	if out.PastW {
		out.Forgotten = r.GetForgotten()
		return out, nil
	}
	if out.Seen, out.Detail, err = ResultFromProto(r.GetResult()); err != nil {
		return Report{}, fmt.Errorf("job %s: %w", id, err)
	}
	out.Detail.Overdue = r.GetOverdue()
	for _, b := range r.GetBlobs() {
		_, content, err := BlobFromProto(b)
		if err != nil {
			return Report{}, fmt.Errorf("job %s: %w", id, err)
		}
		out.Inline = append(out.Inline, content)
	}
	return out, nil
}

// Delivery is one task on its way to its host.
type Delivery struct {
	Job     job.ID
	Pool    string
	Class   string
	Attempt uint32 // from 1
	Digest  capsule.Hash
	Capsule *capsule.Envelope // nil: it is large, and fetched by its digest
	Proof   capsule.InclusionProof
	Want    task.Desired // the wish in force: run, withdraw or stop
}

// DeliveryToProto is the wire form of a delivery. The capsule is taken from
// shared, the wire form made once for all hosts; nil: it is to be fetched.
func DeliveryToProto(d Delivery, shared *typesv1.Envelope) *sessionv1.Command {
	return &sessionv1.Command{
		JobId: d.Job[:], Pool: d.Pool, Class: d.Class, Attempt: d.Attempt,
		Capsule: shared, CapsuleDigest: d.Digest[:], Proof: InclusionToProto(d.Proof),
		Stop: d.Want >= task.DesiredStop, Withdraw: d.Want == task.DesiredWithdraw,
	}
}

// DeliveryFromProto reads a delivery without judging its capsule. The bytes are
// shared. The error wraps ErrMessage.
func DeliveryFromProto(c *sessionv1.Command) (Delivery, error) {
	id, err := JobID(c.GetJobId())
	if err != nil {
		return Delivery{}, err
	}
	digest, err := Digest(c.GetCapsuleDigest())
	if err != nil {
		return Delivery{}, fmt.Errorf("job %s: %w", id, err)
	}
	proof, err := InclusionFromProto(c.GetProof())
	if err != nil {
		return Delivery{}, fmt.Errorf("job %s: %w", id, err)
	}
	if c.GetAttempt() == 0 {
		return Delivery{}, fmt.Errorf("%w: job %s: the attempt is 0, attempts count from 1", ErrMessage, id)
	}
	d := Delivery{Job: id, Pool: c.GetPool(), Class: c.GetClass(), Attempt: c.GetAttempt(), Digest: digest, Proof: proof, Want: wanted(c.GetStop(), c.GetWithdraw())}
	if c.GetCapsule() != nil {
		e := EnvelopeFromProto(c.GetCapsule())
		d.Capsule = &e
	}
	return d, nil
}

// StopToProto is the wire form of the wish that a task ends, or is withdrawn.
func StopToProto(id job.ID, attempt uint32) *sessionv1.Stop {
	return &sessionv1.Stop{JobId: id[:], Attempt: attempt}
}

// StopFromProto reads the wish that a task ends, or is withdrawn; the error wraps ErrMessage.
func StopFromProto(s *sessionv1.Stop) (id job.ID, attempt uint32, err error) {
	id, err = JobID(s.GetJobId())
	return id, s.GetAttempt(), err
}
