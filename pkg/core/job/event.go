package job

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// Event is the closed set of what can happen to a job.
type Event interface{ isEvent() }

// Reached says that a target has a session: it came, moved to another
// aggregator, or opened a new session. It is said of every target that is
// attached when the job is made or restored, and only of the host's newest
// incarnation as the host table has it: another one than the target's settles
// the task for good.
type Reached struct {
	Host        fleet.HostID
	Incarnation fleet.Incarnation
}

// Gone says that a target has no session, or that none is known, since then. A
// host of which the time is not known is waited for by its batch.
type Gone struct {
	Host  fleet.HostID
	Since time.Time
}

// Reported is what a host says of its task.
type Reported struct {
	Host        fleet.HostID
	Incarnation fleet.Incarnation // that says it
	Report      task.Report
	Detail      Detail
}

// PastW is a host's answer to a release that it does not know and that ends
// before what it has purged: it was not started now, and whether it ever was
// only the store's generation tells. Or it knows no more of it than that it has
// ended there, and that an owner has let it forget the outcome.
type PastW struct {
	Host           fleet.HostID
	Incarnation    fleet.Incarnation // that says it
	SameGeneration bool              // the store's generation is still the one that released the task
	Forgotten      bool              // the host had it, and was let forget it
}

// NotKnown says that an aggregator knows nothing of tasks that were queried,
// although their hosts are attached to it.
type NotKnown struct{ Ordinals []uint32 }

// NotHere says that an aggregator could not pass something on, because the
// hosts have no session there.
type NotHere struct{ Ordinals []uint32 }

// Cancel ends a job: what was never released is skipped, the rest is wished to
// stop, or only not to start.
type Cancel struct {
	RequestID   string // made by the client, 16..64 bytes; the same request again has no second effect
	Expected    uint64 // control revision that the client saw; 0: any
	KeepRunning bool   // what has started goes on
}

// Pause stops releasing until a Resume. What is released goes on.
type Pause struct {
	RequestID string // as of Cancel
	Expected  uint64 // as of Cancel
}

// Resume lets a paused job go on. After a pause by the failure budget the bad
// outcomes so far count no more.
type Resume struct {
	RequestID string // as of Cancel
	Expected  uint64 // as of Cancel
	Until     Until
	Targets   uint32 // with UntilNumber: so many are released before the next pause, from 1
}

// Until is how far a resumed job goes.
type Until uint8

// The ways to resume.
const (
	UntilEnd    Until = 0 // past every pause point
	UntilNext   Until = 1 // to the next pause point
	UntilNumber Until = 2 // a number of targets
)

// Tick says that time has passed; see [Machine.Due].
type Tick struct{}

func (Reached) isEvent()  {}
func (Gone) isEvent()     {}
func (Reported) isEvent() {}
func (PastW) isEvent()    {}
func (NotKnown) isEvent() {}
func (NotHere) isEvent()  {}
func (Cancel) isEvent()   {}
func (Pause) isEvent()    {}
func (Resume) isEvent()   {}
func (Tick) isEvent()     {}

// Stream names one of a command's outputs. The values are those of the wire
// enum.
type Stream uint8

// The streams.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// OutputRef names kept output by its content.
type OutputRef struct {
	Stream Stream
	Digest [32]byte // SHA-256 of the kept bytes; zero if nothing was written
	Size   uint64   // bytes kept
	Cut    uint64   // bytes written beyond the limit and not kept
	Tail   uint64   // of those kept, the ones that were written after the cut; 0: it is at the end
}

// Detail is what a host says with an outcome. The machine carries it to the
// store untouched and keeps none of it; with a live report it looks at Overdue
// alone.
type Detail struct {
	Outputs   []OutputRef
	StartedAt time.Time // by the host's clock
	EndedAt   time.Time // by the host's clock
	Signature []byte    // of the host's key over the result
	Message   string    // for a person; never decides anything
	Overdue   bool      // it runs past a timeout that only reports
}
