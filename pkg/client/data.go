package client

import "time"

// Job is a job as the servers know it.
type Job struct {
	ID              string
	State           string // RUNNING, PAUSED, STOPPING, DONE or QUARANTINED
	Pool            string
	Class           string
	Account         string
	Submitter       string
	Command         string // in one line, for a person
	Selector        string
	Note            string
	Targets         int
	InFlight        int            // released and not settled
	Counts          map[string]int // tasks by state, such as SUCCEEDED
	Revision        uint64
	ControlRevision uint64
	Concurrency     Amount
	CreatedAt       time.Time
	StartBy         time.Time
	Deadline        time.Time
	DoneAt          time.Time // zero until then
}

// Done reports whether every target is settled.
func (j Job) Done() bool { return j.State == "DONE" }

// Settled is the number of targets that are settled.
func (j Job) Settled() int { return j.Targets - j.InFlight - j.Counts["PENDING"] }

// Succeeded reports whether every target ended SUCCEEDED.
func (j Job) Succeeded() bool { return j.Counts["SUCCEEDED"] == j.Targets }

// Task is one target of a job.
type Task struct {
	Ordinal          int
	Host             string
	Room             string
	State            string // such as SUCCEEDED
	Reason           string // such as start_by_passed; empty if the state says it all
	Attempt          int
	ExitCode         int // meaningful in SUCCEEDED and FAILED
	Signal           int // that ended it; 0 if none did
	Message          string
	StartedAt        time.Time // by the host's clock
	EndedAt          time.Time
	Stdout           OutputRef
	Stderr           OutputRef
	Revision         uint64
	Unreachable      bool
	UnreachableSince time.Time
	Overdue          bool
	Signature        []byte // of the host's key over the result
}

// Settled reports whether the user may stop waiting for it.
func (t Task) Settled() bool {
	switch t.State {
	case "PENDING", "DISPATCHED", "ACCEPTED", "STARTING", "RUNNING":
		return false
	}
	return true
}

// OutputRef names kept output by its content.
type OutputRef struct {
	Digest string // hex SHA-256; empty if nothing was written
	Size   uint64 // bytes kept
	Cut    uint64 // bytes written beyond the limit, and not kept
}

// Host is a host as the servers know it.
type Host struct {
	ID          string
	Address     string
	Room        string
	Labels      map[string]string
	Facts       map[string]string
	Incarnation string // hex
	KeyState    string // ACCEPTED, PENDING or REVOKED
	Attached    bool
	Since       time.Time // attached or away since then
	Aggregator  string
}

// Update is a change of a job.
type Update struct {
	Job      Job
	Tasks    []Task // those whose outcome is new
	Revision uint64 // value to go on from; 0 in the middle of a large change
}
