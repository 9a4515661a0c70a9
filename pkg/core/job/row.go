package job

import (
	"time"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// State is the state of a whole job. The values are those of the wire enum.
type State uint8

// The states.
const (
	Running     State = 1 // targets are being released or run
	Paused      State = 2 // nothing more is released until a user resumes
	Stopping    State = 3 // nothing more is released for good; not all released targets are settled
	Done        State = 4 // every target is settled
	Quarantined State = 5 // it crashed its shard twice and is set aside
)

// String names the state.
func (s State) String() string {
	switch s {
	case Running:
		return "RUNNING"
	case Paused:
		return "PAUSED"
	case Stopping:
		return "STOPPING"
	case Done:
		return "DONE"
	case Quarantined:
		return "QUARANTINED"
	}
	return "UNSPECIFIED"
}

// Row is the durable row of a job, but for what never changes (its Spec and
// Targets).
type Row struct {
	State           State
	Wish            task.Desired // of every task of the job: run, withdraw, or stop
	Counts          Counts       // tasks by state; a durable row has all that are released and live as DISPATCHED
	Released        uint32       // targets that were ever released
	Pause           PauseCause   // why it is Paused; 0 in every other state
	PausedAt        time.Time    // since when; zero in every other state
	Batch           uint32       // the batch in progress, from 0
	Gate            uint32       // targets that are released before the next pause point; 0: none is ahead
	BatchGate       uint32       // batches that are released before the next pause point; 0: none is ahead
	Forgiven        uint32       // bad outcomes that no longer count: there were so many when a user resumed a spent budget
	Revision        uint64       // from 1; grows by one with every Ready that has something to persist
	ControlRevision uint64       // from 1; grows with control state only
	Conflicts       uint32       // tasks of which two different outcomes of one attempt were heard
	DoneAt          time.Time    // when the last target settled; zero until then
	Trial           Trial        `json:",omitzero"` // what it has done to its owners
}

// PauseCause is why a job is paused. The values are those of the wire enum.
type PauseCause uint8

// The causes.
const (
	NotPaused      PauseCause = 0
	PausedByUser   PauseCause = 1
	PausedAtPoint  PauseCause = 2 // a pause point is reached
	PausedByBudget PauseCause = 3 // the failure budget is spent
)

// InFlight is the number of targets that are released and not settled.
func (r Row) InFlight() int { return r.Counts.unsettled() - r.Counts.Of(task.Pending) }

// TaskRow is the durable row of one task: its outcome, or its second or later
// attempt. It replaces the row before it.
type TaskRow struct {
	Ordinal  uint32
	Report   task.Report
	Revision uint64 // of the job when this was written

	// Detail is zero unless the outcome is what the host said last; only
	// Message is set where a task falls back to the LOST of an attempt before.
	Detail Detail
	// Lost is why the attempt before was LOST, as long as this one has no final
	// outcome. None: there was none before, or that is not known.
	Lost task.Reason
	// Concluded: the outcome is the scheduler's conclusion. No host has said it.
	Concluded bool
}

// ControlRow records a control request in the transaction of its effect, so
// that the same request again has no second one.
type ControlRow struct {
	RequestID       string // made by the client, 16..64 bytes
	ControlRevision uint64 // after it
	Kind            ControlKind
	KeepRunning     bool   // of a cancel: what has started goes on
	Until           Until  // of a resume
	Targets         uint32 // of a resume by a number
	At              time.Time
}

// ControlKind is what a control request asks for.
type ControlKind uint8

// The kinds.
const (
	CancelRequest ControlKind = 0
	PauseRequest  ControlKind = 1
	ResumeRequest ControlKind = 2
)

// Record is everything that is durable of a job besides its Spec and Targets.
type Record struct {
	Row      Row
	Released []uint32 // ordinals, in any order
	Tasks    []TaskRow
	Controls []ControlRow
}
