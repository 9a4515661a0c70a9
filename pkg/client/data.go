package client

import "time"

// Job is a job as the servers know it. States and reasons are text, so that a
// later version of the servers may have more of them.
type Job struct {
	ID              string         // UUIDv7 in text form, lower case
	State           string         // RUNNING, PAUSED, STOPPING, DONE or QUARANTINED
	Pool            string         // of schedulers, that holds it
	Class           string         // of importance
	Account         string         // charged with it; may be empty
	Submitter       string         // the user by whose certificate it came
	Command         string         // in one line, for a person; at most 200 characters
	Settings        string         // how it is run, likewise: account, directory, names of the environment, limits; at most 1,000 characters; may be empty
	Selector        string         // as signed; may be empty
	Note            string         // as given; may be empty
	Targets         int            // hosts; 1 to 500,000
	InFlight        int            // tasks released and not settled
	Counts          map[string]int // tasks by state, such as SUCCEEDED; states without tasks are not there
	Revision        uint64         // grows with every durable change
	ControlRevision uint64         // grows when somebody controls the job, or it pauses by itself: see Cancel
	ParentID        string         // the job that it retries; empty if none
	Concurrency     Amount         // as requested
	CreatedAt       time.Time      // these times are the servers'
	StartBy         time.Time      // no first attempt starts later
	Deadline        time.Time
	DoneAt          time.Time // zero until then

	// Quarantine says why a job is QUARANTINED, for a person; at most 1 KiB. Else it
	// is empty.
	Quarantine string

	PauseCause          string    // why it is PAUSED: user, point (a pause point is reached) or budget (is spent); else empty
	PausedAt            time.Time // since when it is PAUSED; else zero
	Wish                string    // for what is released: run; withdraw (what has started goes on, the rest does not start); stop (what runs is killed)
	Released            int       // targets that have been released
	Batch               int       // in progress, from 1
	Batches             int       // at least 1
	NextPauseAfter      int       // it pauses when so many targets are released and settled; 0: at none
	NextPauseAfterBatch int       // it pauses when so many batches have settled; 0: at none
	MaxFailures         *Budget   // as requested; nil: there is no failure budget
	Bad                 int       // bad outcomes that count against the budget; 0 without one
	Tolerates           int       // bad outcomes that the budget tolerates; 0 without one

	// The rest of the rollout as requested; see Request.
	Order             Order
	BatchSizes        []Amount // Batches of the request
	PauseAfter        []uint32
	PauseAfterBatches []uint32
	WaitOffline       time.Duration
	OnFailure         FailureAction
	Tolerated         []string // such as START_FAILED
}

// Done reports whether every target is settled.
func (j Job) Done() bool { return j.State == "DONE" }

// Settled is the number of targets that are settled.
func (j Job) Settled() int { return j.Targets - j.InFlight - j.Counts["PENDING"] }

// Succeeded reports whether every target ended SUCCEEDED.
func (j Job) Succeeded() bool { return j.Counts["SUCCEEDED"] == j.Targets }

// Task is one target of a job: what is known of the command on one host. It can
// be kept, as JSON for instance, and verified later: see [Client.Verify].
type Task struct {
	Ordinal          int       // place in the job's list of targets, from 0
	Host             string    // id
	Room             string    // the host's when the list was frozen
	Incarnation      string    // of the host when the list was frozen; 32 hex digits
	State            string    // such as SUCCEEDED; docs/states.md has all
	Reason           string    // such as start_by_passed; empty if the state says it all
	Attempt          int       // number of the start that this is about, from 1; 1 too of what was never started
	ExitCode         int       // 0..255; meaningful in SUCCEEDED and FAILED
	Signal           int       // 1..64, that ended it; 0 if none did
	Message          string    // for a person; at most 1 KiB; not signed
	StartedAt        time.Time // of the user's process, by the host's clock; zero: it did not run, or is not known to
	EndedAt          time.Time // likewise
	Stdout           OutputRef
	Stderr           OutputRef
	Revision         uint64    // of the job when this was written; 0: not durable yet
	Unreachable      bool      // the host is away
	UnreachableSince time.Time // by the servers' clock
	Since            time.Time // it is in its state since then, while it is not settled; zero: not known
	Overdue          bool      // it runs past its timeout, which only reports
	Signature        []byte    // 64 bytes, of the host's key over the result; nil if no host gave it
}

// Settled reports whether the user may stop waiting for it.
func (t Task) Settled() bool {
	switch t.State {
	case "PENDING", "DISPATCHED", "ACCEPTED", "STARTING", "RUNNING":
		return false
	}
	return true
}

// OutputRef names kept output by its content; see [Client.Output]. Equal outputs
// have equal references. Of an output that was longer than its limit the
// beginning and the end are kept: the first Size−Tail bytes that were written,
// then Cut bytes that are not kept, then Tail bytes.
type OutputRef struct {
	Digest string // hex SHA-256 of the kept bytes; empty if nothing was written
	Size   uint64 // bytes kept, at most 16 MiB
	Cut    uint64 // bytes written beyond the limit, and not kept
	Tail   uint64 // of those kept, the bytes after the cut; 0: the cut is at the end
}

// Host is a host as the servers know it.
type Host struct {
	ID          string // unique; also its name
	Address     string // IP address that it was enrolled with or last seen at
	Room        string
	Labels      map[string]string // the operator's
	Facts       map[string]string // the host's own, such as os
	Incarnation string            // of its state directory, 32 hex digits; a host that was wiped has another
	KeyState    string            // ACCEPTED, PENDING or REVOKED
	Attached    bool              // it has a session now
	Since       time.Time         // attached or away since then
	Aggregator  string            // that it is attached to; empty if away
}

// Update is a change of a job.
type Update struct {
	Job      Job
	Tasks    []Task // those whose outcome is new; at most 500
	Revision uint64 // value to go on from; 0 in the middle of a large change
}
