package agent

import (
	"context"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/wire"
)

// Executor is the host's layer that runs commands and remembers them. All
// methods are safe for concurrent use and may be repeated.
//
// Errors wrap wire.ErrUnavailable (it cannot be reached; nothing is known of
// what became of the call), wire.ErrTooMuch (a limit of the host, such as a full
// disk), wire.ErrInvalid (the same call can never work) or wire.ErrNotFound.
type Executor interface {
	// Info describes the executor, and tells it the time heard from above: zero
	// if there is none.
	Info(ctx context.Context, heard time.Time) (Info, error)
	// ReserveSessions hands out session numbers [first, first+count) that were
	// never handed out before; count is 1..10000.
	ReserveSessions(ctx context.Context, count uint32) (first uint64, err error)
	// Start hands an attempt over. It answers when the attempt is on disk.
	Start(ctx context.Context, o wire.StartOrder) (Answer, error)
	// Decline records that an attempt will never be started, with report, which
	// is REFUSED, EXPIRED, or CANCELED before the start: it is withdrawn. What has
	// started goes on. An executor of the version before does not know the last
	// one: wire.ErrInvalid, and nothing was done.
	Decline(ctx context.Context, n Named, report task.Report) (Answer, error)
	// Signal asks to stop. What is not known is recorded as canceled.
	Signal(ctx context.Context, n Named) (Answer, error)
	// Watch calls each with all commands, and then with every change, until each
	// fails or ctx ends; each is never called by two goroutines.
	Watch(ctx context.Context, each func(News) error) error
	// FetchOutput calls each with the kept bytes of an output, in order; each may
	// keep the slice.
	FetchOutput(ctx context.Context, id string, attempt uint32, stream job.Stream, each func([]byte) error) error
	// FollowOutput calls each with an output from v.Offset on: what there is now,
	// or until the attempt has ended. What is not there any more is passed over;
	// the last piece is the end. Each may keep a piece; v.ID and v.Job are not used.
	// It wraps wire.ErrInvalid where the executor is of a version that cannot.
	FollowOutput(ctx context.Context, id string, v wire.View, each func(wire.OutputPiece) error) error
	// Release allows an ended command to be forgotten; false: it is not known, or
	// has not ended.
	Release(ctx context.Context, id string, heard time.Time) (bool, error)
}

// Info is what an executor says of itself.
type Info struct {
	Incarnation fleet.Incarnation
	Version     string
	PurgedUntil time.Time // W; zero: nothing was purged

	Cgroup       string   // that commands are in: v1, v2 or none; empty: it does not say
	CgroupLimits []string // of a whole tree that it holds: memory, cpu, pids
}

// Named is an attempt of a command that is not to be started.
type Named struct {
	ID            string
	Attempt       uint32
	RememberUntil time.Time // E, used if the command is not known
	Context       []byte    // used if the command is not known; at most 4 KiB
}

// Acceptance is what became of a request.
type Acceptance uint8

// The closed set of answers; the values are those of the wire enum.
const (
	Recorded Acceptance = 1 // it is on disk
	PastW    Acceptance = 2 // it may have been known and forgotten; nothing was done
	Released Acceptance = 3 // it was known, has ended, and was released
	Busy     Acceptance = 4 // no room for the record; nothing was done
)

// Answer is the answer to Start, Decline and Signal.
type Answer struct {
	Acceptance Acceptance
	Command    wire.HostCommand // as known; only if Recorded
}

// News is a change, or a piece of the snapshot, of what an executor knows.
type News struct {
	Commands []wire.HostCommand
	Complete bool // the snapshot is complete with it
}
