package job

import "errors"

// What can be wrong with a submission. [Validate] wraps them with the field
// and what to do; the edge maps them to codes.
var (
	ErrIDClock         = errors.New("the job id was made more than 24 h off the scheduler's clock")
	ErrEmptyTargets    = errors.New("the job has no targets")
	ErrTooManyTargets  = errors.New("the job has more than 500,000 targets")
	ErrBadTarget       = errors.New("not a target: a host id with the incarnation of its state directory")
	ErrTargetOrder     = errors.New("targets are not strictly ascending by room and host id")
	ErrTargetTwice     = errors.New("the same host is a target twice")
	ErrNoDeadline      = errors.New("the job has no deadline")
	ErrDeadlinePassed  = errors.New("the deadline has passed")
	ErrDeadlineTooFar  = errors.New("the deadline is more than 30 days after the job id's time")
	ErrNoStartBy       = errors.New("the job has no start-by")
	ErrStartByPassed   = errors.New("the start-by has passed")
	ErrStartByTooLate  = errors.New("the start-by is after the deadline")
	ErrNotBeforeTooFar = errors.New("the not-before is after the start-by")
	ErrBadRerun        = errors.New("recovery by rerun is not bounded")
	ErrBadAmount       = errors.New("not an amount: a count from 1, or 1..100 percent")
	ErrBadDuration     = errors.New("a duration is negative")
	ErrTooLong         = errors.New("a text is too long")
	ErrBadRollout      = errors.New("the rollout contradicts itself")
)

// What can be wrong with an event. [Machine.Step] returns them bare, because
// one may come for every report; nothing has changed then.
var (
	// ErrUnknownHost: the host is not a target of the job.
	ErrUnknownHost = errors.New("the host is not a target of this job")
	// ErrOrdinal: an ordinal is past the end of the target list.
	ErrOrdinal = errors.New("no target has this ordinal")
	// ErrIncarnation: the speaker is not the state directory that is the target.
	ErrIncarnation = errors.New("the report comes from another incarnation than the target's")
	// ErrNotReleased: a host does not know what was never released to it.
	ErrNotReleased = errors.New("the task was never released to this host")
	// ErrForgotten: an owner lets a host forget only what is durable, and the store
	// is the one that it was then. Somebody has to find out why.
	ErrForgotten = errors.New("the host was let forget the task, and the store has no outcome of it")
	// ErrAttempt: an attempt that the job's recovery does not allow.
	ErrAttempt = errors.New("the job allows no such attempt")
	// ErrReport: not a report, or not one that a host may say.
	ErrReport = errors.New("not a report that a host may make")
	// ErrRequestID: a control request is not named, or not by a word.
	ErrRequestID = errors.New("a request id has 16 to 64 characters, and no control characters")
	// ErrRequestReused: the same request id came with another request.
	ErrRequestReused = errors.New("this request id was used for another request: make a new one")
	// ErrControlRevision: the job's control state is not what the client saw.
	ErrControlRevision = errors.New("the job's control state has changed since it was read: read the job again and decide anew")
	// ErrNotPaused: only a paused job can be resumed.
	ErrNotPaused = errors.New("the job is not paused: there is nothing to resume")
	// ErrResume: a resume that names no number, or one that does not fit.
	ErrResume = errors.New("a resume by a number needs a number of targets from 1, and any other none")
	// ErrTooManyControls: the record of control requests is full.
	ErrTooManyControls = errors.New("the job has had 10,000 control requests, and takes only a cancel now")
	// ErrQuarantined: the job is set aside and takes no events.
	ErrQuarantined = errors.New("the job is quarantined: it harmed its scheduler twice and is set aside, and nothing can be done with it until an operator has reinstated it")
	// ErrEvent: nil is not an event.
	ErrEvent = errors.New("not an event")
	// ErrRecord: what was stored does not fit the job.
	ErrRecord = errors.New("the stored record does not fit the job")
)
