package storetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/store"
)

// ID returns a job id; ids of greater n are later.
func ID(n int) job.ID {
	var random [10]byte
	binary.BigEndian.PutUint32(random[6:], uint32(n))
	return job.NewID(noon.Add(time.Duration(n)*time.Second), random)
}

// Targets returns n targets, a thousand to a room.
func Targets(n int) *job.Targets {
	var b job.TargetsBuilder
	for i := range n {
		t := job.Target{Host: fleet.HostID(fmt.Sprintf("host-%06d", i))}
		binary.BigEndian.PutUint64(t.Incarnation[:], uint64(i+1))
		if err := b.Add(fleet.Room(fmt.Sprintf("room-%03d", i/1000)), t); err != nil {
			panic(err) // the fixture is wrong, not the store
		}
	}
	list, err := b.Build()
	if err != nil {
		panic(err) // the fixture is wrong, not the store
	}
	return list
}

// NewJob is the first batch of a job of n targets, with every field of its spec
// set.
func NewJob(id job.ID, pool string, n int) store.JobBatch {
	return store.JobBatch{
		ID: id,
		Create: &store.Create{
			Digest: sha256.Sum256(id[:]),
			Spec: job.Spec{
				ID: id, Pool: pool, Class: "standard", Account: "ops", Submitter: "ann",
				Selector: "room=bj01", Note: "CHG-1 \"quoted\" 维护", Command: "uptime", Parent: job.NewID(noon, [10]byte{1}),
				NotBefore: noon, StartBy: noon.Add(time.Hour), RerunUntil: later, Timeout: time.Minute,
				TimeoutReportOnly: true, Grace: time.Second, MaxAttempts: 3, Created: noon,
				Rollout: job.Rollout{
					Concurrency: job.Amount{Count: 10}, Batches: []job.Amount{{Count: 1}, {Percent: 25}}, PauseAfter: []uint32{1, 50},
					PauseBatches: []uint32{2}, Order: job.SpreadRooms, Tolerated: []task.State{task.Failed, task.Unknown},
					MaxFailures: job.Budget{Limited: true, Percent: 1}, FailureAction: job.AbortOnFailure, WaitOffline: time.Second, Deadline: later,
				},
			},
			Capsule:   []byte("capsule of " + id.String()),
			Targets:   Targets(n),
			KeepUntil: later,
		},
		Persist: job.Persist{Row: Row(job.Running, 1, n)},
	}
}

// Row is the row of a job of which all n targets are pending.
func Row(state job.State, revision uint64, n int) *job.Row {
	return &job.Row{
		State: state, Wish: task.DesiredRun, Revision: revision, ControlRevision: 1,
		Counts: job.CountsOf(func(yield func(task.State, int) bool) { yield(task.Pending, n) }),
	}
}

// Outcome is the row of a task, with every field set.
func Outcome(ordinal uint32, state task.State, revision uint64) job.TaskRow {
	exit := task.Exit{}
	if state == task.Failed {
		exit = task.Exit{Reason: task.Signaled, Code: 137, Signal: 9}
	}
	digest := sha256.Sum256([]byte("hello\n"))
	return job.TaskRow{
		Ordinal: ordinal, Revision: revision, Report: task.Report{Attempt: 2, State: state, Exit: exit},
		Detail: job.Detail{
			Outputs: []job.OutputRef{
				{Stream: job.Stdout, Digest: digest, Size: 6, Cut: 1 << 40},
				{Stream: job.Stderr},
			},
			StartedAt: noon, EndedAt: later, Signature: []byte("signature of the host, 64 bytes in life"), Message: "a \x00 word", Overdue: true,
		},
		Concluded: state == task.Expired,
	}
}

// Again is the row of a task whose first attempt was LOST.
func Again(ordinal uint32, revision uint64) job.TaskRow {
	return job.TaskRow{Ordinal: ordinal, Revision: revision, Report: task.Report{Attempt: 2, State: task.Dispatched}, Lost: task.Rebooted}
}
