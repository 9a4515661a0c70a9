package task

// State is how far an observer has seen a task go (architecture section 4).
// Values are 64 apart, so that a state can be inserted without renumbering the
// wire enum, and they are a logical clock: of two observations of one attempt
// the greater is right.
type State uint16

// The closed set of states.
const (
	Unspecified State = 0
	Pending     State = 64   // recorded, not released
	Dispatched  State = 128  // released; the scheduler's durable decision
	Accepted    State = 192  // on the executor's disk
	Starting    State = 256  // the attempt's record exists
	Running     State = 320  // the user's process runs
	Unknown     State = 448  // settled but not final: a real outcome outranks it
	Skipped     State = 512  // never released
	Expired     State = 576  // start-by passed; certainly not started
	Refused     State = 640  // the host would not
	Canceled    State = 704  // before start, or killed on request
	StartFailed State = 768  // could not be started
	Lost        State = 832  // may have started; its end cannot be known
	TimedOut    State = 896  // killed for its timeout; whole tree gone
	Failed      State = 960  // other exit status, or a signal not ours
	Succeeded   State = 1024 // exit status 0
)

// Settled reports whether a user may stop waiting.
func (s State) Settled() bool { return s >= Unknown }

// Final reports whether no later report of the same attempt can change it.
func (s State) Final() bool { return s >= Skipped }

// Reason is the closed set of codes that say why a task is what it is. The
// values are those of the wire enum ccs.types.v1.Reason.
type Reason uint16

// The closed set of reasons, grouped by the state that they explain.
const (
	NoReason Reason = 0

	Silent       Reason = 1 // Unknown
	StillRunning Reason = 2

	BadSignature Reason = 10 // Refused
	BadToken     Reason = 11
	BadTime      Reason = 12
	NotTarget    Reason = 13
	BadRole      Reason = 14
	Frozen       Reason = 15
	Malformed    Reason = 16
	BundleStale  Reason = 17
	ParentLives  Reason = 18

	BeforeStart Reason = 20 // Canceled
	Killed      Reason = 21

	NoAccount    Reason = 30 // StartFailed
	NoFile       Reason = 31
	NoPermission Reason = 32
	ForkFailed   Reason = 33
	NoResources  Reason = 34
	BadSpec      Reason = 35

	StartByPassed Reason = 40 // Expired

	Rebooted       Reason = 50 // Lost
	SupervisorLost Reason = 51
	StateWiped     Reason = 52
	Forgotten      Reason = 53

	Aborted        Reason = 60 // Skipped
	JobCanceled    Reason = 61
	DeadlinePassed Reason = 62
	NewIncarnation Reason = 63

	Timeout Reason = 70 // TimedOut

	Signaled Reason = 71 // Failed
)

// Exit is what explains a settled state.
type Exit struct {
	Reason Reason
	Code   int32 // exit status 0..255 of the leader; meaningful in Failed and Succeeded
	Signal int32 // signal that ended the leader, 0 if none
}

// Report is one observation of a task. Attempt outranks State: it is the
// fencing token of the rerun, raised by the scheduler alone.
type Report struct {
	Attempt uint32
	State   State
	Exit    Exit // zero unless State is settled
}
