package job

import (
	"strconv"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// CauseCode is the closed set of answers to why a task is where it is. The
// values are those of the wire enum ccs.types.v1.CauseCode.
type CauseCode uint8

// The codes. 17 is kept free: it is for what an operator holds, and nothing can be
// held yet.
const (
	NoCause                CauseCode = 0
	CauseSettled           CauseCode = 1  // its state and reason say how
	CauseAwaitsLateOutcome CauseCode = 2  // settled as UNKNOWN: a real outcome replaces it
	CauseQuarantined       CauseCode = 3  // the job is quarantined
	CauseStopping          CauseCode = 4  // the job is to end: what runs is ended, or only what has not started is not
	CauseConcurrency       CauseCode = 5  // as many are in flight as the concurrency allows
	CauseOrder             CauseCode = 6  // targets before it in the list come first
	CauseBatch             CauseCode = 7  // the batch before its own has not settled
	CausePausePoint        CauseCode = 8  // a pause point is reached
	CausePaused            CauseCode = 9  // by a user, or by the failure budget
	CauseFailureBudget     CauseCode = 10 // the failure budget allows no release for now
	CauseHostAway          CauseCode = 11 // its host has no session
	CauseNotConfirmed      CauseCode = 12 // released; the host has not said that it has it
	CauseExecutorBusy      CauseCode = 13 // on the host's disk: the executor has no free slot
	CauseRunning           CauseCode = 14 // or is being started
	CauseOverdue           CauseCode = 15 // it runs past a timeout that only reports
	CauseClassQueue        CauseCode = 16 // released; its aggregator takes no more of its class for now. The machine does not know it
	CauseNotBefore         CauseCode = 18 // the job was signed to begin later
)

// maxCauses bounds a chain; it is part of the wire contract.
const maxCauses = 16

// causeTable is every code but NoCause, ascending, with its name as users see it
// (that of the wire enum in lower case) and what it means to a person.
var causeTable = [...]struct {
	code        CauseCode
	text, means string
}{
	{CauseSettled, "settled", "it is settled"},
	{CauseAwaitsLateOutcome, "awaits_late_outcome", "it is settled as UNKNOWN, and a real outcome that comes later replaces it"},
	{CauseQuarantined, "quarantined", "the job harmed its scheduler twice and is set aside"},
	{CauseStopping, "stopping", "the job is canceled or past its deadline, and what is released is told to end, or not to start"},
	{CauseConcurrency, "concurrency", "as many targets are released and not settled as the concurrency allows"},
	{CauseOrder, "order", "targets before it in the list are released first"},
	{CauseBatch, "batch", "the batch before its own has not settled"},
	{CausePausePoint, "pause_point", "a pause point is reached, and a user must resume"},
	{CausePaused, "paused", "the job is paused"},
	{CauseFailureBudget, "failure_budget", "the failure budget allows no further release for now"},
	{CauseHostAway, "host_away", "its host is away"},
	{CauseNotConfirmed, "not_confirmed", "it is released, and the host has not said that it has it"},
	{CauseExecutorBusy, "executor_busy", "it is on the host's disk, and the executor has no free slot yet"},
	{CauseRunning, "running", "the command runs"},
	{CauseOverdue, "overdue", "the command runs past its timeout, which only reports"},
	{CauseClassQueue, "class_queue", "it is released and waits at its scheduler, because its aggregator takes no more of its class for now"},
	{CauseNotBefore, "not_before", "its job was signed to begin later"},
}

// String is the code's name as users see it, such as "host_away"; empty for
// NoCause.
func (c CauseCode) String() string {
	for _, row := range causeTable {
		if row.code == c {
			return row.text
		}
	}
	if c == NoCause {
		return ""
	}
	return "cause_" + strconv.Itoa(int(c))
}

// Means says in a few words what the code means; empty if it is not one.
func (c CauseCode) Means() string {
	for _, row := range causeTable {
		if row.code == c {
			return row.means
		}
	}
	return ""
}

// CauseCodes returns every code but NoCause, ascending; the slice is the
// caller's.
func CauseCodes() []CauseCode {
	all := make([]CauseCode, 0, len(causeTable))
	for _, row := range causeTable {
		all = append(all, row.code)
	}
	return all
}

// Cause is one link in the chain of reasons why a task is where it is, with the
// numbers that a sentence about it needs. What does not go with a code is zero.
type Cause struct {
	Code  CauseCode
	Since time.Time  // since when it holds; zero: this owner does not know
	Until time.Time  // it ends then at the latest, whatever else happens; zero: by nothing but itself
	Then  task.State // what the task becomes at Until; Unspecified: that is not decided by it

	Seen      task.Report // the task as it was last seen; of all codes but those of a PENDING one
	Concluded bool        // CauseSettled: by the scheduler's own word; what its host says after all replaces it
	TakenOver bool        // CauseNotConfirmed: released by an owner before this one, and not heard of since

	Want task.Desired // what is wished of the task; of what is released and not final

	// Limit and Done are for what the rollout counts: CauseBatch the batch of the
	// task and the one in progress, from 1; CausePausePoint the targets, or
	// OfBatches the batches, before the point and those that are released;
	// CauseFailureBudget the bad outcomes tolerated and those there are;
	// CauseConcurrency the targets that may be in flight.
	Limit, Done int
	OfBatches   bool
	InFlight    int // targets that are released and not settled; of causes of the rollout
	Ahead       int // CauseOrder: targets before it that may be released too; CauseClassQueue: releases that wait with it
	Free        int // CauseOrder: targets that may be released now; more than Ahead: it is the next

	StartBy     time.Time     // CauseExecutorBusy: the host starts it no later
	Timeout     time.Duration // CauseRunning, CauseOverdue: of the attempt; 0: none
	OnlyReports bool          // CauseRunning, CauseOverdue: past it the command is not killed
	Via         fleet.Via     // CauseHostAway: the aggregator that had it last; empty: not known. CauseClassQueue: that takes no more. The machine does not know it
	Class       string        // CauseClassQueue: of the job
	Why         string        // CauseQuarantined: Trial.Why of the job
}

// Blocks reports whether the cause keeps a task from being released. Only the
// one that says that the task is the next does not.
func (c Cause) Blocks() bool { return c.Code != CauseOrder || c.Ahead >= c.Free }
