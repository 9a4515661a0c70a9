package rollout

// The promises that a Ledger looks at, by the names that the simulator prints.
const (
	Concurrency   = "concurrency"    // released and not settled
	BatchBarrier  = "batch-barrier"  // a batch begins when the one before has settled
	PausePoint    = "pause-point"    // nothing is released beyond one, nor while the job is paused
	ResumeOnce    = "resume-once"    // the same request has one effect
	Budget        = "budget"         // bad and in flight never pass it, and when it is spent releasing stops
	ReleaseWindow = "release-window" // nothing is released before not-before, nor after the delivery TTL
	ReleasedOnce  = "released-once"  // a target is released once
	NoLateResume  = "no-late-resume" // only a user resumes
	SettleBy      = "settle-by"      // nobody gives up waiting before
	Final         = "final"          // what has settled stays so, and a host's outcome stands
	Counts        = "counts"         // the job's row says what its tasks are
	NotHeldBack   = "not-held-back"  // what may be released is, and what has to pause says so
)

// A Report says that a promise is broken.
type Report func(promise, format string, args ...any)
