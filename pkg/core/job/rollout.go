package job

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// Rollout is the control information of a job. It is not signed. What it means
// is architecture section 5, promise 3.
type Rollout struct {
	Concurrency   Amount        // released and not settled at any time; zero: all
	Order         Order         // in which targets are released
	Batches       []Amount      // sizes of the batches, at most MaxSteps; the last repeats; none: one batch of all
	PauseAfter    []uint32      // pause points: at most so many targets are released before each; ascending, at most MaxSteps
	PauseBatches  []uint32      // pause points: after these batches, from 1; ascending, at most MaxSteps
	MaxFailures   Budget        // failure budget
	FailureAction FailureAction // when the budget is spent
	Tolerated     []task.State  // outcomes that are not bad, besides those that never are
	WaitOffline   time.Duration // how long a batch waits for hosts that are away; 0: DefaultWaitOffline
	Deadline      time.Time     // of the job; mandatory
}

// Limits and defaults of a rollout.
const (
	MaxSteps           = 100 // batch sizes, and pause points of a kind
	DefaultWaitOffline = 30 * time.Second
)

// Order is the order in which targets are released. The values are those of the
// wire enum.
type Order uint8

// The orders.
const (
	AsListed    Order = 0 // by ordinal: room after room
	SpreadRooms Order = 1 // the first target of each room, then the second of each, and so on
)

// Budget is how many bad outcomes are tolerated before releasing stops. The zero
// value is no limit.
type Budget struct {
	Limited bool
	Count   uint32 // tolerated; 0 is a budget: one bad outcome stops the job
	Percent uint32 // 1..100 hundredths of the targets, rounded down: a budget is a promise; 0: Count counts
}

// Of is how many of a total are tolerated.
func (b Budget) Of(total int) int {
	if b.Percent > 0 {
		return total * int(b.Percent) / 100
	}
	return int(b.Count)
}

// FailureAction is what a job does when its failure budget is spent. The values
// are those of the wire enum.
type FailureAction uint8

// The actions.
const (
	DefaultAction  FailureAction = 0 // pause
	PauseOnFailure FailureAction = 1 // release nothing more until a user resumes
	AbortOnFailure FailureAction = 2 // skip what is not released
)

// Amount is a number of targets or a share of them; the zero value is neither.
type Amount struct {
	Count   uint32 // targets
	Percent uint32 // 1..100 hundredths of the targets
}

// IsZero reports whether no amount was given.
func (a Amount) IsZero() bool { return a == Amount{} }

// Valid reports whether the amount is given in exactly one of its two ways.
func (a Amount) Valid() bool {
	return a.Percent <= 100 && (a.Count == 0) != (a.Percent == 0)
}

// Of is the amount of a total, a share rounded up, and at least 1: a small
// share of a small job must not stop it for ever.
func (a Amount) Of(total int) int {
	if a.Percent > 0 {
		return max(1, (total*int(a.Percent)+99)/100)
	}
	return max(1, int(a.Count))
}
