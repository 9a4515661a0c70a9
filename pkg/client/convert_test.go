package client

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
)

func at(second int64) (time.Time, *timestamppb.Timestamp) {
	t := time.Unix(second, 0).UTC()
	return t, timestamppb.New(t)
}

func TestAJobIsReadAsItIs(t *testing.T) {
	created, createdAt := at(1)
	start, startBy := at(2)
	deadline, deadlineAt := at(3)
	done, doneAt := at(4)
	got := jobFrom(&typesv1.Job{
		Id: "j", Pool: "p", Class: "c", Account: "a", Submitter: "s", State: typesv1.JobState_JOB_STATE_DONE, Targets: 5,
		Counts:   []*typesv1.StateCount{{State: typesv1.TaskState_TASK_STATE_SUCCEEDED, Count: 2}, {State: typesv1.TaskState_TASK_STATE_PENDING, Count: 2}},
		Revision: 7, ControlRevision: 8, CreatedAt: createdAt, DoneAt: doneAt, StartBy: startBy, Command: "uptime", Selector: "x", Note: "n", InFlight: 1,
		Rollout: &typesv1.Rollout{
			Concurrency: &typesv1.Amount{Kind: &typesv1.Amount_Percent{Percent: 9}}, Deadline: deadlineAt,
			MaxFailures: &typesv1.Amount{Kind: &typesv1.Amount_Percent{Percent: 50}},
			Batches:     []*typesv1.Amount{{Kind: &typesv1.Amount_Count{Count: 1}}, {Kind: &typesv1.Amount_Percent{Percent: 25}}},
			PauseAfter:  []uint32{1, 4}, PauseAfterBatches: []uint32{2}, WaitOffline: durationpb.New(time.Minute),
			Order: typesv1.ReleaseOrder_RELEASE_ORDER_SPREAD_ROOMS, FailureAction: typesv1.FailureAction_FAILURE_ACTION_ABORT,
			Tolerated: []typesv1.TaskState{typesv1.TaskState_TASK_STATE_START_FAILED},
		},
		ParentId: "p", PauseCause: typesv1.PauseCause_PAUSE_CAUSE_BUDGET, Batch: 2, Batches: 3, Released: 3,
		NextPauseAfter: 4, NextPauseAfterBatch: 2, Bad: 3, Tolerates: 2,
	})
	want := Job{
		ID: "j", Pool: "p", Class: "c", Account: "a", Submitter: "s", State: "DONE", Targets: 5, Counts: map[string]int{"SUCCEEDED": 2, "PENDING": 2},
		Revision: 7, ControlRevision: 8, CreatedAt: created, DoneAt: done, StartBy: start, Deadline: deadline, Command: "uptime", Selector: "x", Note: "n", InFlight: 1,
		Concurrency: Amount{Percent: 9}, ParentID: "p", PauseCause: "budget", Batch: 2, Batches: 3, Released: 3,
		NextPauseAfter: 4, NextPauseAfterBatch: 2, MaxFailures: &Budget{Percent: 50}, Bad: 3, Tolerates: 2,
		Order: SpreadRooms, BatchSizes: []Amount{{Count: 1}, {Percent: 25}}, PauseAfter: []uint32{1, 4}, PauseAfterBatches: []uint32{2},
		WaitOffline: time.Minute, OnFailure: AbortOnFailure, Tolerated: []string{"START_FAILED"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !got.Done() || got.Settled() != 2 || got.Succeeded() {
		t.Errorf("done %t, settled %d, succeeded %t", got.Done(), got.Settled(), got.Succeeded())
	}
	if !reflect.DeepEqual(jobFrom(nil), Job{State: "UNSPECIFIED", Counts: map[string]int{}}) {
		t.Errorf("an answer without a job is %+v", jobFrom(nil))
	}
}

func TestATaskIsReadAsItIs(t *testing.T) {
	started, startedAt := at(1)
	ended, endedAt := at(2)
	away, awayAt := at(3)
	digest := make([]byte, 32)
	got := taskFrom(&typesv1.Task{
		Ordinal: 4, HostId: "h", Room: "r", Incarnation: []byte{1, 2}, Revision: 9, Unreachable: true, UnreachableSince: awayAt, Overdue: true, Since: startedAt,
		Result: &typesv1.TaskResult{
			Status:    &typesv1.TaskStatus{Attempt: 2, State: typesv1.TaskState_TASK_STATE_FAILED, Reason: typesv1.Reason_REASON_SIGNALED, ExitCode: 1, Signal: 9},
			Outputs:   []*typesv1.OutputRef{{Stream: typesv1.Stream_STREAM_STDERR, Digest: digest, Size: 3, Cut: 1}, {Stream: typesv1.Stream_STREAM_STDOUT}, {}},
			StartedAt: startedAt, EndedAt: endedAt, Signature: []byte("sig"), Message: "m",
		},
	})
	want := Task{
		Ordinal: 4, Host: "h", Room: "r", Incarnation: "0102", Revision: 9, Unreachable: true, UnreachableSince: away, Overdue: true, Since: started,
		State: "FAILED", Reason: "signaled", Attempt: 2, ExitCode: 1, Signal: 9, StartedAt: started, EndedAt: ended,
		Stderr: OutputRef{Digest: hex.EncodeToString(digest), Size: 3, Cut: 1}, Signature: []byte("sig"), Message: "m",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAHostIsReadAsItIs(t *testing.T) {
	since, sinceAt := at(1)
	got := hostFrom(&typesv1.Host{
		Id: "h", Address: "10.0.0.1", Room: "r", Labels: map[string]string{"a": "b"}, Facts: map[string]string{"os": "linux"},
		Incarnation: []byte{1, 2}, KeyState: typesv1.KeyState_KEY_STATE_REVOKED, Attached: true, Since: sinceAt, Aggregator: "g",
	})
	want := Host{
		ID: "h", Address: "10.0.0.1", Room: "r", Labels: map[string]string{"a": "b"}, Facts: map[string]string{"os": "linux"},
		Incarnation: "0102", KeyState: "REVOKED", Attached: true, Since: since, Aggregator: "g",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestATaskIsSettledInEveryStateButTheLiveOnes(t *testing.T) {
	for value, name := range typesv1.TaskState_name {
		if value == 0 {
			continue
		}
		task := Task{State: word(name, "TASK_STATE_")}
		if live := value < int32(typesv1.TaskState_TASK_STATE_UNKNOWN); task.Settled() == live {
			t.Errorf("%s settled: %t", task.State, task.Settled())
		}
	}
	if got := fmt.Sprint(word(typesv1.TaskState(4711).String(), "TASK_STATE_")); got != "4711" {
		t.Errorf("a state of a later version is %q", got)
	}
}
