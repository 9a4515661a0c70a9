package wire

import (
	"errors"
	"reflect"
	"testing"
	"time"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/host/spool"
)

func TestAnOrderToAnExecutorIsReadAsItWasSent(t *testing.T) {
	sent := StartOrder{
		Attempt: 2, Script: []byte("echo"), Stdin: []byte("in"),
		Spec: spool.Spec{
			ID: "c", SlotGroup: "g", StartBy: time.Unix(1, 0).UTC(), RememberUntil: time.Unix(2, 5).UTC(), Context: []byte("x"),
			Run: spool.Run{
				Interpreter: []string{"sh", "-e"}, Env: []string{"A=1"}, Dir: "/tmp", Account: "nobody", Keep: 7,
				Timeout: time.Minute, Grace: time.Second, ReportOnly: true,
				Script: spool.Attach([]byte("echo")), Stdin: spool.Attach([]byte("in")),
			},
		},
	}
	got, err := StartFromProto(StartToProto(sent))
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("it was read as %+v, %v, want %+v", got, err, sent)
	}
}

func TestAnOrderGetsItsDefaults(t *testing.T) {
	got, err := StartFromProto(&executorv1.StartRequest{
		CommandId: "c", Attempt: 1, RememberUntil: TimeToProto(time.Unix(2, 0)),
		Spec: &executorv1.Spec{Argv: []string{"true"}},
	})
	if err != nil || got.Spec.Run.Keep != spool.DefaultKept || got.Spec.Run.Grace != spool.DefaultGrace || got.Script != nil || got.Stdin != nil {
		t.Errorf("it was read as %+v, %v", got, err)
	}
	if _, err := StartFromProto(&executorv1.StartRequest{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an empty order: %v", err)
	}
}

func TestWhatAnExecutorKnowsIsReadAsItWasSent(t *testing.T) {
	sent := HostCommand{
		ID: "c", Report: task.Report{Attempt: 3, State: task.Failed, Exit: task.Exit{Code: 9}},
		Detail: job.Detail{
			Outputs:   []job.OutputRef{{Stream: job.Stdout, Digest: [32]byte{1}, Size: 5, Cut: 6}, {Stream: job.Stderr}},
			StartedAt: time.Unix(1, 0).UTC(), EndedAt: time.Unix(2, 0).UTC(), Message: "m", Overdue: true,
		},
		RememberUntil: time.Unix(3, 0).UTC(), Context: []byte("x"),
	}
	got, err := CommandFromProto(CommandToProto(sent))
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("it was read as %+v, %v, want %+v", got, err, sent)
	}
}

func TestAStatusThatNoHostCanSayIsRefused(t *testing.T) {
	for name, s := range map[string]*typesv1.TaskStatus{
		"none":                  nil,
		"no attempt":            {State: typesv1.TaskState_TASK_STATE_RUNNING},
		"no state":              {Attempt: 1},
		"an unknown state":      {Attempt: 1, State: 7},
		"a state that is huge":  {Attempt: 1, State: 1<<16 + 1024},
		"a negative state":      {Attempt: 1, State: -64},
		"another's reason":      {Attempt: 1, State: typesv1.TaskState_TASK_STATE_FAILED, Reason: typesv1.Reason_REASON_NO_FILE},
		"an exit while it runs": {Attempt: 1, State: typesv1.TaskState_TASK_STATE_RUNNING, ExitCode: 1},
	} {
		if r, err := StatusFromProto(s); !errors.Is(err, ErrMessage) {
			t.Errorf("%s was read as %+v, %v", name, r, err)
		}
	}
}

func TestOutputReferencesAreCheckedForForm(t *testing.T) {
	for name, refs := range map[string][]*typesv1.OutputRef{
		"no stream":      {{}},
		"a stream twice": {{Stream: typesv1.Stream_STREAM_STDOUT}, {Stream: typesv1.Stream_STREAM_STDOUT}},
		"a short digest": {{Stream: typesv1.Stream_STREAM_STDOUT, Digest: []byte{1}}},
	} {
		if got, err := OutputsFromProto(refs); !errors.Is(err, ErrMessage) {
			t.Errorf("%s was read as %+v, %v", name, got, err)
		}
	}
}
