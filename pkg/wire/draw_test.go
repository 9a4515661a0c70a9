package wire

import (
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

// sent is a message as it arrives.
func sent[M proto.Message](t *rapid.T, m M) M {
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatalf("cannot send: %v", err)
	}
	out := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(raw, out); err != nil {
		t.Fatalf("cannot read: %v", err)
	}
	arrived, ok := out.(M)
	if !ok {
		t.Fatalf("it became a %T", out)
	}
	return arrived
}

func drawWish(t *rapid.T) task.Desired {
	return rapid.SampledFrom([]task.Desired{task.DesiredRun, task.DesiredWithdraw, task.DesiredStop}).Draw(t, "wish")
}

// comesBack checks that what is read is what was sent.
func comesBack[D any](t *rapid.T, got D, err error, want D) {
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("sent was %+v\nread was %+v, %v", want, got, err)
	}
}

// roundTrip runs a property.
func roundTrip(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	rapid.Check(t, property)
}

func drawBytes(t *rapid.T, name string, least, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, name)
}

func drawID(t *rapid.T) job.ID {
	random := [10]byte(drawBytes(t, "id", 10, 10))
	return job.NewID(time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "ms")), random)
}

func drawIncarnation(t *rapid.T) fleet.Incarnation {
	return fleet.Incarnation(drawBytes(t, "incarnation", 16, 16))
}

func drawHash(t *rapid.T) [32]byte {
	h := [32]byte(drawBytes(t, "hash", 32, 32))
	h[0] |= 1 // none is zero: that is "absent"
	return h
}

func drawHashes(t *rapid.T) []capsule.Hash {
	out := make([]capsule.Hash, rapid.IntRange(1, 4).Draw(t, "hashes"))
	for i := range out {
		out[i] = drawHash(t)
	}
	return out
}

func drawName(t *rapid.T, name string) string {
	return rapid.StringMatching(`[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?`).Draw(t, name)
}

// drawTime is zero now and then.
func drawTime(t *rapid.T, name string) time.Time {
	if rapid.IntRange(0, 4).Draw(t, name+" is there") == 0 {
		return time.Time{}
	}
	return time.Unix(0, rapid.Int64Min(0).Draw(t, name)).UTC()
}

func drawDuration(t *rapid.T, name string) time.Duration {
	return time.Duration(rapid.Int64().Draw(t, name))
}

// drawReport is one that can be said.
func drawReport(t *rapid.T) task.Report {
	r := task.Report{Attempt: rapid.Uint32Min(1).Draw(t, "attempt"), State: rapid.SampledFrom(task.States()).Draw(t, "state")}
	if !r.State.Settled() || r.State == task.Succeeded {
		return r
	}
	reasons := []task.Reason{task.NoReason}
	for _, reason := range task.Reasons() {
		if reason.Of() == r.State {
			reasons = append(reasons, reason)
		}
	}
	r.Exit = task.Exit{
		Reason: rapid.SampledFrom(reasons).Draw(t, "reason"),
		Code:   rapid.Int32Range(0, 255).Draw(t, "code"), Signal: rapid.Int32Range(0, 64).Draw(t, "signal"),
	}
	return r
}

func drawDetail(t *rapid.T) job.Detail {
	d := job.Detail{
		StartedAt: drawTime(t, "started"), EndedAt: drawTime(t, "ended"),
		Signature: drawBytes(t, "signature", 64, 64), Message: rapid.StringN(0, 100, MaxMessageText).Draw(t, "message"),
	}
	for _, stream := range []job.Stream{job.Stdout, job.Stderr} {
		if rapid.Bool().Draw(t, "stream") {
			d.Outputs = append(d.Outputs, job.OutputRef{Stream: stream, Digest: drawHash(t), Size: rapid.Uint64().Draw(t, "size"), Cut: rapid.Uint64().Draw(t, "cut")})
		}
	}
	return d
}

func drawTarget(t *rapid.T) job.Target {
	return job.Target{Host: fleet.HostID(drawName(t, "host")), Incarnation: drawIncarnation(t)}
}

func drawEnvelope(t *rapid.T) capsule.Envelope {
	e := capsule.Envelope{PayloadType: drawName(t, "type"), Payload: drawBytes(t, "payload", 1, 50)}
	for range rapid.IntRange(1, 3).Draw(t, "signatures") {
		e.Signatures = append(e.Signatures, capsule.Signature{KeyID: drawName(t, "key"), Sig: drawBytes(t, "sig", 64, 64)})
	}
	return e
}

func drawCredits(t *rapid.T) Credits {
	out := Credits{}
	for range rapid.IntRange(1, 3).Draw(t, "credits") {
		out[rapid.SampledFrom([]string{EveryClass, "standard", "critical", "bulk"}).Draw(t, "class")] = rapid.Uint32Min(1).Draw(t, "more")
	}
	return out
}

func drawAmount(t *rapid.T, name string) job.Amount {
	switch rapid.IntRange(0, 2).Draw(t, name+" kind") {
	case 1:
		return job.Amount{Count: rapid.Uint32Min(1).Draw(t, name)}
	case 2:
		return job.Amount{Percent: rapid.Uint32Range(1, 100).Draw(t, name)}
	}
	return job.Amount{}
}
