package job

import "time"

// Spec is what a job is, but for its targets: the signed facts that the
// scheduler acts on and its control information. It never changes.
type Spec struct {
	ID        ID
	Pool      string // that holds it; stamped when it is accepted
	Class     string // of importance; signed
	Account   string // that it is charged to; signed
	Submitter string // the user
	Selector  string // as signed, at most 4 KiB; may be empty
	Note      string // why the user wants it, at most 1 KiB; may be empty
	Command   string // one line for a person; never acted on
	Settings  string // how it is run, likewise; may be empty
	Parent    ID     // job that this one retries; zero if none
	Ping      bool   // the command is a ping: no process, no record at the host

	NotBefore  time.Time // signed: nothing is released earlier; zero: at once
	StartBy    time.Time // signed not-after: no first attempt starts later, at most Deadline
	RerunUntil time.Time // signed: no later attempt starts later; zero: none

	Timeout           time.Duration // of one attempt; 0: none
	TimeoutReportOnly bool          // past its timeout a task is overdue, not killed
	Grace             time.Duration // between TERM and KILL; 0: DefaultGrace
	MaxAttempts       uint32        // of one task; 0 and 1: it is never started twice

	Created time.Time // when it was accepted, by the scheduler's clock
	Rollout Rollout
}

// Defaults and limits (architecture sections 3 and 4).
const (
	DefaultGrace = 10 * time.Second
	Slack        = 30 * time.Second    // for the way of an outcome that comes in time
	MaxIDSkew    = 24 * time.Hour      // between an id's time and the clock
	MaxLife      = 30 * 24 * time.Hour // from an id's time to the deadline
	MaxSelector  = 4 << 10             // bytes
	MaxNote      = 1 << 10             // bytes
)

// Bounds of a request id, in bytes.
const (
	minRequestID = 16
	maxRequestID = 64
)

// grace is the time between TERM and KILL.
func (s *Spec) grace() time.Duration {
	if s.Grace == 0 {
		return DefaultGrace
	}
	return s.Grace
}

// attempts is the greatest attempt that there may be.
func (s *Spec) attempts() uint32 { return max(s.MaxAttempts, 1) }

// startBy is the moment after which no host starts the attempt.
func (s *Spec) startBy(attempt uint32) time.Time {
	if attempt > 1 {
		return s.RerunUntil
	}
	return s.StartBy
}

// settleBy is the moment at which an attempt without an outcome becomes
// UNKNOWN: min(start-by + timeout, deadline) + grace + slack (architecture
// section 4). A timeout that only reports bounds nothing, so such a task has
// until the deadline like one without a timeout. It is one of two moments of
// the whole job, so no task needs a timer.
func (s *Spec) settleBy(attempt uint32) time.Time {
	end := s.Rollout.Deadline
	if by := s.startBy(attempt).Add(s.Timeout); s.Timeout > 0 && !s.TimeoutReportOnly && by.Before(end) {
		end = by
	}
	return end.Add(s.grace() + Slack)
}
