package job

import "time"

// Rollout is the control information of a job. It is not signed.
type Rollout struct {
	Concurrency   Amount        // released and not settled at any time; zero: all
	Batches       []Amount      // sizes of the batches; the last repeats
	PauseAfter    []uint32      // pause points: after so many targets have settled
	MaxFailures   Amount        // failure budget; zero: no limit
	FailureAction FailureAction // when the budget is spent
	WaitOffline   time.Duration // how long a batch waits for hosts that are away; 0: 30 s
	Deadline      time.Time     // of the job; mandatory
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
