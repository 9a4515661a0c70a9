package mesh

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/identity"
)

// Sink takes what comes up. Its methods are called from one goroutine for each
// aggregator, in the order of its stream; a slow one slows that aggregator.
type Sink interface {
	// Reports takes a batch. When it returns the batch counts as received, and
	// the aggregator stops sending it again to this process.
	Reports(ctx context.Context, b Batch)
	// Attachments takes hosts that came and went.
	Attachments(ctx context.Context, a Attachments)
	// Returns takes what could not be done.
	Returns(ctx context.Context, r Returns)
	// Lost says that the stream to an aggregator is broken: where its hosts are
	// is not known until the next snapshot.
	Lost(ctx context.Context, via fleet.Via, at time.Time)
}

// Batch is reports of one class from one aggregator.
type Batch struct {
	Via     fleet.Via
	Class   string
	Reports []Report
	Blobs   map[[32]byte][]byte // contents of small outputs, checked against their digests
}

// Report is what one host says of one task, checked for form only.
type Report struct {
	Job         job.ID
	Pool        string
	Host        fleet.HostID
	Ordinal     uint32 // as the host says
	Incarnation fleet.Incarnation
	PastW       bool // no outcome; Report and Detail are zero
	Forgotten   bool // with PastW: it had one, and an owner has let the host forget it
	Report      task.Report
	Detail      job.Detail
}

// Attachments is a piece of a snapshot, or changes.
type Attachments struct {
	Via        fleet.Via
	Begin, End bool // of a snapshot
	Items      []Attachment
}

// Attachment is a host that came or went.
type Attachment struct {
	Host        fleet.HostID
	Incarnation fleet.Incarnation
	Session     uint64
	Attached    bool
	Address     string
	Facts       map[string]string
	Since       time.Time
}

// Returns is what an aggregator could not do for one job.
type Returns struct {
	Via         fleet.Via
	Job         job.ID
	NotHere     []uint32
	NotKnown    []uint32
	NeedPayload bool // what was dispatched is needed again: query the job's tasks there
}

// Payload is what all dispatches of a job have in common. It is immutable, and
// shared by all streams.
type Payload struct {
	Job     job.ID
	Pool    string
	Class   string
	Epoch   job.Epoch // of the shard's owner
	Capsule capsule.Envelope
	Targets *job.Targets
	Tree    *capsule.RangeTree // over all targets
}

// Traces is the W3C traceparents of those releases that are traced, by ordinal;
// nil: none is.
type Traces map[uint32]string

// Deps is what the mesh is given.
type Deps struct {
	Log      *slog.Logger
	Identity *identity.Source
	Coord    coord.Client
	Dial     func(ctx context.Context, addr string) (net.Conn, error) // nil: TCP
	// Telemetry is told how many streams are open.
	Telemetry obs.Telemetry
}
