package scale

import (
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Options say which fleet is run.
type Options struct {
	Seed  uint64
	Hosts int  // a multiple of Rooms
	Rooms int  // with two aggregators each
	Jobs  int  // small ones, of 1..50 targets
	Fleet bool // besides them, one job on all hosts
	Away  int  // hosts of a thousand that go away for a while, or for good
	Calm  bool // no command fails, and no shard is taken over

	Gathered func() // called when all hosts are here, before anything is asked; may be nil
}

// What there is in every world.
const (
	pool       = "standard"
	class      = "standard"
	shards     = 64
	perRoom    = 2  // aggregators
	processes  = 2  // of the scheduler
	mostSmall  = 50 // targets of a small job
	mostTime   = 3 * time.Hour
	smallEvery = time.Millisecond // architecture section 10: 1,000 small jobs a second
)

// Result is what came of a run.
type Result struct {
	Broken   []string // promises that were not kept, the first of them
	Lasted   time.Duration
	Events   uint64 // that were simulated
	Steps    uint64 // of machines
	Commits  uint64
	Messages uint64 // on the mesh and on sessions, without heartbeats of hosts that have nothing to say
	Tasks    int
	Started  int
	Outcomes map[task.State]int
	Pauses   int
	Resumes  int
	Fenced   int    // writes of an owner that was none any more
	Trace    uint64 // of everything that was committed, in its order

	Shards      []ShardLoad
	Aggregators []AggregatorLoad
	Traffic     [2]Traffic // of the small jobs, and of the one on all hosts

	sizes sizes
}

// ShardLoad is what one shard has carried.
type ShardLoad struct {
	Fleet                 bool // the job on all hosts is one of its
	Jobs, Targets         int
	MostJobs, MostTargets int // live at once
	Steps, Commits, Rows  uint64
}

// AggregatorLoad is what one aggregator has carried. Bytes are those of the
// protobuf messages alone.
type AggregatorLoad struct {
	Sessions               int // at most
	MostRecords            int // tasks held at once
	Releases, Reports      uint64
	MeshDown, MeshUp       uint64 // messages
	SessionDown, SessionUp uint64 // messages
	BytesDown, BytesUp     uint64 // on the mesh
	BytesToHost, BytesFrom uint64 // on sessions
}

// Traffic is the bytes on the mesh for some tasks, in protobuf messages.
type Traffic struct {
	Tasks    int
	Reports  uint64
	Capsules uint64 // bytes; once for each job and aggregator
	Proofs   uint64 // bytes; once for each job and aggregator
	Asked    uint64 // bytes: the pull, both ways
	Down, Up uint64 // bytes of all else
}

func (r *Result) violate(promise, format string, args ...any) {
	if len(r.Broken) < 10 {
		r.Broken = append(r.Broken, promise+": "+fmt.Sprintf(format, args...))
	}
}
