package wire

import (
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	executorv1 "github.com/ccs-project/ccs/api/gen/ccs/executor/v1"
	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
)

// good is such as every reader takes; each test spoils a part of it.
func goodStatus() *typesv1.TaskStatus {
	return &typesv1.TaskStatus{Attempt: 1, State: typesv1.TaskState_TASK_STATE_FAILED, ExitCode: 1}
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func idBytes() []byte {
	id := job.NewID(timestamppb.Now().AsTime(), [10]byte{})
	return id[:]
}

func TestAStatusThatCannotBeIsRefused(t *testing.T) {
	for name, change := range map[string]func(*typesv1.TaskStatus){
		"no attempt":                 func(s *typesv1.TaskStatus) { s.Attempt = 0 },
		"no state":                   func(s *typesv1.TaskStatus) { s.State = 0 },
		"a negative state":           func(s *typesv1.TaskStatus) { s.State = -64 },
		"a state between two":        func(s *typesv1.TaskStatus) { s.State = 65 },
		"a state that would alias":   func(s *typesv1.TaskStatus) { s.State = 1<<16 + 960 },
		"the greatest state":         func(s *typesv1.TaskStatus) { s.State = math.MaxInt32 },
		"a negative reason":          func(s *typesv1.TaskStatus) { s.Reason = -1 },
		"a reason that would alias":  func(s *typesv1.TaskStatus) { s.Reason = 1<<16 + 71 },
		"a reason of another state":  func(s *typesv1.TaskStatus) { s.Reason = typesv1.Reason_REASON_TIMEOUT },
		"a reason that is not there": func(s *typesv1.TaskStatus) { s.Reason = 999 },
		"a great exit code":          func(s *typesv1.TaskStatus) { s.ExitCode = 256 },
		"a negative exit code":       func(s *typesv1.TaskStatus) { s.ExitCode = -1 },
		"a signal that is none":      func(s *typesv1.TaskStatus) { s.Signal = 65 },
		"an exit while it runs":      func(s *typesv1.TaskStatus) { s.State = typesv1.TaskState_TASK_STATE_RUNNING },
	} {
		s := goodStatus()
		change(s)
		if got, err := StatusFromProto(s); !errors.Is(err, ErrMessage) {
			t.Errorf("%s was taken as %+v, %v", name, got, err)
		}
	}
	if _, err := StatusFromProto(goodStatus()); err != nil {
		t.Error(err)
	}
	if _, err := StatusFromProto(nil); !errors.Is(err, ErrMessage) {
		t.Error("a result without a status was taken")
	}
}

// TestNoNumberOfAnEnumPassesForAnother tries numbers that agree with a known one
// in their low bits.
func TestNoNumberOfAnEnumPassesForAnother(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		n := rapid.Int32().Filter(func(n int32) bool { return n < 0 || n > math.MaxUint8 }).Draw(t, "n")
		if got := RolloutFromProto(&typesv1.Rollout{FailureAction: typesv1.FailureAction(n)}).FailureAction; got <= job.AbortOnFailure {
			t.Fatalf("action %d became %d", n, got)
		}
		if got := RolloutFromProto(&typesv1.Rollout{Order: typesv1.ReleaseOrder(n)}).Order; got <= job.SpreadRooms {
			t.Fatalf("order %d became %d", n, got)
		}
		if got := ResumeFromProto(typesv1.ResumeUntil(n)); got <= job.UntilNumber {
			t.Fatalf("until %d became %d", n, got)
		}
		h, err := HostFromProto(&typesv1.Host{Id: "h", Incarnation: bytesOf(16), PublicKey: bytesOf(32), KeyState: typesv1.KeyState(n)})
		if err != nil || h.KeyState != fleet.KeyUnspecified {
			t.Fatalf("key state %d became %d, %v", n, h.KeyState, err)
		}
		if got := JobStateFromProto(typesv1.JobState(n)); got <= job.Quarantined {
			t.Fatalf("job state %d became %d", n, got)
		}
		for _, low := range task.States() {
			alias := typesv1.TaskState(int32(low) + rapid.Int32Range(1, math.MaxInt32>>16-1).Draw(t, "high")<<16)
			if got := TaskStatesFromProto([]typesv1.TaskState{alias, -alias}); got[0].Means() != "" || got[1].Means() != "" {
				t.Fatalf("task state %d became %v", alias, got)
			}
		}
	})
	if got := TaskStatesFromProto([]typesv1.TaskState{0, typesv1.TaskState_TASK_STATE_LOST}); got[0].Means() != "" || got[1] != task.Lost {
		t.Errorf("a filter became %v", got)
	}
	for n := typesv1.FailureAction(0); n <= 2; n++ {
		if got := RolloutFromProto(&typesv1.Rollout{FailureAction: n}).FailureAction; int32(got) != int32(n) {
			t.Errorf("action %d became %d", n, got)
		}
	}
}

func TestAnAmountOfNothingIsNotNoLimit(t *testing.T) {
	for _, a := range []*typesv1.Amount{{Kind: &typesv1.Amount_Count{}}, {Kind: &typesv1.Amount_Percent{}}} {
		if got := RolloutFromProto(&typesv1.Rollout{Concurrency: a}).Concurrency; got.IsZero() || got.Valid() {
			t.Errorf("it became %+v", got)
		}
	}
	if got := RolloutFromProto(&typesv1.Rollout{Concurrency: &typesv1.Amount{}}).Concurrency; !got.IsZero() {
		t.Errorf("an amount that was not given became %+v", got)
	}
}

func TestBytesOfAnotherLengthAreRefused(t *testing.T) {
	for _, n := range []int{0, 1, 15, 17, 31, 33, 1 << 16} {
		_, err1 := JobID(bytesOf(n))
		_, err2 := Incarnation(bytesOf(n))
		_, err3 := Digest(bytesOf(n))
		if !errors.Is(err1, ErrMessage) || !errors.Is(err2, ErrMessage) || !errors.Is(err3, ErrMessage) {
			t.Errorf("%d bytes: %v, %v, %v", n, err1, err2, err3)
		}
	}
	if _, err := JobID(bytesOf(16)); !errors.Is(err, ErrMessage) {
		t.Error("16 bytes that are no UUIDv7 were taken")
	}
	if epoch := EpochFromProto(nil); epoch != (job.Epoch{}) {
		t.Errorf("no epoch became %v", epoch)
	}
}

func TestTimesThatCannotBeAreNone(t *testing.T) {
	for _, at := range []*timestamppb.Timestamp{nil, {Seconds: math.MaxInt64}, {Seconds: math.MinInt64}, {Nanos: -1}, {Nanos: 2e9}} {
		if got := TimeFromProto(at); !got.IsZero() {
			t.Errorf("%v became %s", at, got)
		}
	}
	for _, d := range []*durationpb.Duration{nil, {Seconds: math.MaxInt64}, {Seconds: 1, Nanos: -1}} {
		if got := DurationFromProto(d); got != 0 {
			t.Errorf("%v became %s", d, got)
		}
	}
}

func TestOutputsThatCannotBeAreRefused(t *testing.T) {
	for name, refs := range map[string][]*typesv1.OutputRef{
		"no stream":      {{Digest: bytesOf(32)}},
		"a third stream": {{Stream: 3}},
		"an alias":       {{Stream: 257}},
		"negative":       {{Stream: -1}},
		"one twice":      {{Stream: 1}, {Stream: 1}},
		"a short digest": {{Stream: 1, Digest: bytesOf(31)}},
		"nil":            {nil},
	} {
		if got, err := OutputsFromProto(refs); !errors.Is(err, ErrMessage) {
			t.Errorf("%s was taken as %v, %v", name, got, err)
		}
	}
	_, _, err := ResultFromProto(&typesv1.TaskResult{Status: goodStatus(), Message: strings.Repeat("x", MaxMessageText+1)})
	if !errors.Is(err, ErrMessage) {
		t.Errorf("a long message was taken: %v", err)
	}
}

func TestBlobsThatAreNotWhatTheirNameSaysAreRefused(t *testing.T) {
	good := BlobToProto([]byte("hello"))
	if _, content, err := BlobFromProto(good); err != nil || string(content) != "hello" {
		t.Errorf("read was %q, %v", content, err)
	}
	for name, b := range map[string]*typesv1.Blob{
		"forged":    {Digest: good.GetDigest(), Content: []byte("hallo")},
		"no name":   {Content: []byte("hello")},
		"too large": BlobToProto(bytesOf(MaxInline + 1)),
		"nil":       nil,
	} {
		if _, _, err := BlobFromProto(b); !errors.Is(err, ErrMessage) {
			t.Errorf("%s was taken: %v", name, err)
		}
	}
}

func TestMessagesWithABrokenPartAreRefused(t *testing.T) {
	inc, id := bytesOf(16), idBytes()
	proof := &typesv1.InclusionProof{Hashes: [][]byte{bytesOf(31)}}
	var errs []error
	collect := func(err error) { errs = append(errs, err) }
	hello := func(h *sessionv1.Hello) { _, err := HelloFromProto(h); collect(err) }
	hello(nil)
	hello(&sessionv1.Hello{HostId: "../h1", Incarnation: inc})
	hello(&sessionv1.Hello{HostId: "h1", Incarnation: inc[:3]})
	hello(&sessionv1.Hello{HostId: "h1", Incarnation: inc, Facts: map[string]string{"a": strings.Repeat("x", maxFacts)}})
	report := func(r *sessionv1.Report) { _, err := ReportFromProto(r); collect(err) }
	report(nil)
	report(&sessionv1.Report{JobId: id[:15]})
	report(&sessionv1.Report{JobId: id})
	report(&sessionv1.Report{JobId: id, Result: &typesv1.TaskResult{Status: goodStatus()}, Blobs: []*typesv1.Blob{{}}})
	delivery := func(c *sessionv1.Command) { _, err := DeliveryFromProto(c); collect(err) }
	delivery(nil)
	delivery(&sessionv1.Command{JobId: id, CapsuleDigest: bytesOf(32)})
	delivery(&sessionv1.Command{JobId: id, CapsuleDigest: bytesOf(3), Attempt: 1})
	delivery(&sessionv1.Command{JobId: id, CapsuleDigest: bytesOf(32), Attempt: 1, Proof: proof})
	_, _, err := StopFromProto(nil)
	collect(err)
	for _, o := range []*meshv1.Owns{nil, {ShardCount: 1 << 16}, {ShardCount: 4, Shards: []*meshv1.ShardEpoch{{Shard: 4}}}, {ShardCount: 4, Shards: []*meshv1.ShardEpoch{{Shard: 1 << 16}}}} {
		_, err := OwnsFromProto(o)
		collect(err)
	}
	for _, p := range []*meshv1.Payload{{Proof: &typesv1.RangeProof{Hashes: [][]byte{nil}}}, {Targets: []*typesv1.Target{{HostId: "h1"}}}, {Targets: []*typesv1.Target{nil}}} {
		_, err := PayloadFromProto(p)
		collect(err)
	}
	_, err = ReleaseFromProto(&meshv1.Release{})
	collect(err)
	_, err = AttachmentFromProto(&meshv1.Attachment{HostId: "h1"})
	collect(err)
	for _, r := range []*meshv1.HostReport{nil, {Incarnation: inc}, {Incarnation: inc, Result: &typesv1.TaskResult{}}} {
		_, err := HostReportFromProto(r)
		collect(err)
	}
	for _, h := range []*typesv1.Host{nil, {Incarnation: inc}, {PublicKey: bytesOf(32)}} {
		_, err := HostFromProto(h)
		collect(err)
	}
	_, err = CommandFromProto(&executorv1.Command{Status: goodStatus(), Outputs: []*typesv1.OutputRef{{}}})
	collect(err)
	_, err = CommandFromProto(nil)
	collect(err)
	collect(AddTargets(&job.TargetsBuilder{}, []*typesv1.RoomTargets{{Room: "r", Targets: []*typesv1.Target{{HostId: "h"}}}}))
	for i, err := range errs {
		if !errors.Is(err, ErrMessage) {
			t.Errorf("number %d was taken, or is somebody else's fault: %v", i, err)
		}
	}
}

// TestNoBytesMakeAReaderPanic feeds arbitrary bytes to the readers that face
// hosts and users.
func TestNoBytesMakeAReaderPanic(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		raw := drawBytes(t, "raw", 0, 200)
		for _, read := range []func(){
			func() { readAs(raw, &sessionv1.Hello{}, func(m *sessionv1.Hello) { _, _ = HelloFromProto(m) }) },
			func() { readAs(raw, &sessionv1.Report{}, func(m *sessionv1.Report) { _, _ = ReportFromProto(m) }) },
			func() { readAs(raw, &sessionv1.Command{}, func(m *sessionv1.Command) { _, _ = DeliveryFromProto(m) }) },
			func() { readAs(raw, &meshv1.Payload{}, func(m *meshv1.Payload) { _, _ = PayloadFromProto(m) }) },
			func() { readAs(raw, &meshv1.Owns{}, func(m *meshv1.Owns) { _, _ = OwnsFromProto(m) }) },
			func() {
				readAs(raw, &meshv1.HostReport{}, func(m *meshv1.HostReport) { _, _ = HostReportFromProto(m) })
			},
			func() { readAs(raw, &typesv1.Rollout{}, func(m *typesv1.Rollout) { _ = RolloutFromProto(m) }) },
			func() { readAs(raw, &typesv1.Host{}, func(m *typesv1.Host) { _, _ = HostFromProto(m) }) },
			func() {
				readAs(raw, &executorv1.StartRequest{}, func(m *executorv1.StartRequest) { _, _ = StartFromProto(m) })
			},
		} {
			read()
		}
	})
}

func readAs[M proto.Message](raw []byte, m M, read func(M)) {
	if proto.Unmarshal(raw, m) == nil {
		read(m)
	}
}
