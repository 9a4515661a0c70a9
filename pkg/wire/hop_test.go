package wire_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

var (
	noon    = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)
	aJob    = job.NewID(noon, [10]byte{1})
	anInc   = fleet.Incarnation{7}
	aDigest = capsule.Hash{9}
)

// overTheWire is what a peer gets of a message.
func overTheWire[M proto.Message](t *testing.T, m M) M {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out, ok := m.ProtoReflect().New().Interface().(M)
	if !ok {
		t.Fatal("not the same message")
	}
	if err := proto.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, got, want any, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("came back as\n%+v, want\n%+v", got, want)
	}
}

func TestAHelloComesBack(t *testing.T) {
	want := wire.Hello{
		Versions: link.VersionRange{Min: 1, Max: 3}, Host: "web1.bj01", Incarnation: anInc, Session: 12,
		Facts: map[string]string{"os": "linux"}, Bundle: 4, BundleStale: true, Spool: "abc", Credits: wire.Credits{wire.EveryClass: 5, "bulk": 2},
	}
	got, err := wire.HelloFromProto(overTheWire(t, wire.HelloToProto(want)))
	same(t, got, want, err)
}

func TestAHelloThatCannotBeIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*sessionv1.Hello){
		"no host":         func(h *sessionv1.Hello) { h.HostId = "" },
		"a bad host":      func(h *sessionv1.Hello) { h.HostId = "../etc" },
		"no incarnation":  func(h *sessionv1.Hello) { h.Incarnation = nil },
		"too large facts": func(h *sessionv1.Hello) { h.Facts = map[string]string{"a": strings.Repeat("x", 5000)} },
		"too many facts": func(h *sessionv1.Hello) {
			h.Facts = map[string]string{}
			for i := range 65 {
				h.Facts[string(rune('a'+i%26))+string(rune('a'+i/26))] = ""
			}
		},
	} {
		h := wire.HelloToProto(wire.Hello{Host: "h1", Incarnation: anInc})
		spoil(h)
		if _, err := wire.HelloFromProto(h); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func aReport() wire.Report {
	output := []byte("hello\n")
	return wire.Report{
		Job: aJob, Pool: "standard", Class: "bulk", Ordinal: 7,
		Seen: task.Report{Attempt: 2, State: task.Failed, Exit: task.Exit{Code: 3}},
		Detail: job.Detail{
			Outputs:   []job.OutputRef{{Stream: job.Stdout, Digest: [32]byte(wire.BlobToProto(output).GetDigest()), Size: 6, Cut: 9}},
			StartedAt: noon, EndedAt: noon.Add(time.Second), Signature: []byte{1, 2}, Message: "no", Overdue: true,
		},
		Inline: [][]byte{output},
	}
}

func TestAReportComesBack(t *testing.T) {
	for _, want := range []wire.Report{
		aReport(),
		{Job: aJob, Pool: "p", Class: "c", PastW: true},
		{Job: aJob, Pool: "p", Class: "c", PastW: true, Forgotten: true},
		{Job: aJob, Seen: task.Report{Attempt: 1, State: task.Running}},
	} {
		got, err := wire.ReportFromProto(overTheWire(t, wire.ReportToProto(want)))
		same(t, got, want, err)
	}
}

func TestAReportGoesOnAsItCame(t *testing.T) {
	said := overTheWire(t, wire.ReportToProto(aReport()))
	got, err := wire.HostReportFromProto(overTheWire(t, wire.PassReport(said, "h1", &anInc)))
	r := aReport()
	same(t, got, wire.HostReport{Host: "h1", Ordinal: 7, Incarnation: anInc, Seen: r.Seen, Detail: r.Detail}, err)

	past := wire.ReportToProto(wire.Report{Job: aJob, PastW: true, Ordinal: 3})
	got, err = wire.HostReportFromProto(overTheWire(t, wire.PassReport(past, "h1", &anInc)))
	same(t, got, wire.HostReport{Host: "h1", Ordinal: 3, Incarnation: anInc, PastW: true}, err)
}

func TestAReportThatCannotBeIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*sessionv1.Report){
		"no job":            func(r *sessionv1.Report) { r.JobId = nil },
		"no result":         func(r *sessionv1.Report) { r.Result = nil },
		"an invented state": func(r *sessionv1.Report) { r.Result.Status.State = 7 },
		"a forged output":   func(r *sessionv1.Report) { r.Blobs[0].Content = []byte("evil") },
		"a nameless output": func(r *sessionv1.Report) { r.Blobs[0].Digest = nil },
		"a large output":    func(r *sessionv1.Report) { r.Blobs = []*typesv1.Blob{wire.BlobToProto(make([]byte, wire.MaxInline+1))} },
		"an endless word":   func(r *sessionv1.Report) { r.Result.Message = strings.Repeat("x", wire.MaxMessageText+1) },
	} {
		r := wire.ReportToProto(aReport())
		spoil(r)
		if _, err := wire.ReportFromProto(r); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADeliveryComesBackAndSharesItsCapsule(t *testing.T) {
	e := capsule.Envelope{PayloadType: capsule.PayloadType, Payload: []byte("p"), Signatures: []capsule.Signature{{KeyID: "k", Sig: []byte{1}}}}
	shared := wire.EnvelopeToProto(e)
	want := wire.Delivery{
		Job: aJob, Pool: "standard", Class: "bulk", Attempt: 2, Digest: aDigest, Capsule: &e, Want: task.DesiredStop,
		Proof: capsule.InclusionProof{Index: 1, Size: 3, Hashes: []capsule.Hash{{1}, {2}}},
	}
	sent := wire.DeliveryToProto(want, shared)
	if sent.GetCapsule() != shared {
		t.Error("the capsule was copied")
	}
	got, err := wire.DeliveryFromProto(overTheWire(t, sent))
	same(t, got, want, err)

	want.Capsule = nil
	got, err = wire.DeliveryFromProto(overTheWire(t, wire.DeliveryToProto(want, nil)))
	same(t, got, want, err)
}

func TestADeliveryThatCannotBeIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*sessionv1.Command){
		"no job":      func(c *sessionv1.Command) { c.JobId = nil },
		"no digest":   func(c *sessionv1.Command) { c.CapsuleDigest = nil },
		"no attempt":  func(c *sessionv1.Command) { c.Attempt = 0 },
		"a bad proof": func(c *sessionv1.Command) { c.Proof.Hashes = [][]byte{{1}} },
	} {
		c := wire.DeliveryToProto(wire.Delivery{Job: aJob, Attempt: 1}, nil)
		spoil(c)
		if _, err := wire.DeliveryFromProto(c); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAStopComesBack(t *testing.T) {
	id, attempt, err := wire.StopFromProto(overTheWire(t, wire.StopToProto(aJob, 3)))
	if err != nil || id != aJob || attempt != 3 {
		t.Errorf("came back as %s, %d, %v", id, attempt, err)
	}
	if _, _, err := wire.StopFromProto(&sessionv1.Stop{}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("a stop of nothing: %v", err)
	}
}

func TestWhatASchedulerOwnsComesBack(t *testing.T) {
	want := wire.Owns{Count: 64, Epochs: map[uint16]job.Epoch{0: {Generation: 1, N: 2}, 63: {N: 1}}}
	got, err := wire.OwnsFromProto(overTheWire(t, wire.OwnsToProto(want)))
	same(t, got, want, err)
	for _, bad := range []*meshv1.Owns{{}, {ShardCount: math.MaxUint32}, {ShardCount: 2, Shards: []*meshv1.ShardEpoch{{Shard: 2}}}} {
		if _, err := wire.OwnsFromProto(bad); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestAPayloadAndItsReleasesComeBack(t *testing.T) {
	want := wire.Payload{
		Capsule: capsule.Envelope{PayloadType: "t", Payload: []byte("p"), Signatures: []capsule.Signature{{KeyID: "k", Sig: []byte{1}}}},
		Targets: []job.Target{{Host: "h1", Incarnation: anInc}, {Host: "h2", Incarnation: anInc}},
		Proof:   capsule.RangeProof{First: 3, Count: 2, Size: 9, Hashes: []capsule.Hash{{4}}},
	}
	got, err := wire.PayloadFromProto(overTheWire(t, wire.PayloadToProto(want)))
	same(t, got, want, err)
	for _, bad := range []*meshv1.Payload{
		{Targets: []*typesv1.Target{{HostId: "h1"}}},
		{Proof: &typesv1.RangeProof{Hashes: [][]byte{{1}}}},
	} {
		if _, err := wire.PayloadFromProto(bad); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	release := job.Dispatch{Ordinal: 4, Attempt: 2, Want: task.DesiredStop}
	back, err := wire.ReleaseFromProto(overTheWire(t, wire.ReleaseToProto(release)))
	same(t, back, release, err)
	if _, err := wire.ReleaseFromProto(&meshv1.Release{}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("a release without attempt: %v", err)
	}
}

func TestAnAttachmentComesBack(t *testing.T) {
	want := wire.Attachment{Host: "h1", Incarnation: anInc, Session: 4, Attached: true, Address: "10.0.0.1", Facts: map[string]string{"os": "linux"}, Since: noon}
	got, err := wire.AttachmentFromProto(overTheWire(t, wire.AttachmentToProto(want)))
	same(t, got, want, err)
	if _, err := wire.AttachmentFromProto(&meshv1.Attachment{HostId: "h1"}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("an attachment without incarnation: %v", err)
	}
	if got := wire.HostOrdinalToProto(3, "h1"); got.GetOrdinal() != 3 || got.GetHostId() != "h1" {
		t.Errorf("a task is named %v", got)
	}
	if _, err := wire.HostReportFromProto(&meshv1.HostReport{}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("a report of nobody: %v", err)
	}
	if _, err := wire.HostReportFromProto(&meshv1.HostReport{Incarnation: anInc[:]}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("a report of nothing: %v", err)
	}
}

func TestCreditsAddUpAndKnowWhatAClassBeginsWith(t *testing.T) {
	want := wire.Credits{wire.EveryClass: 5, "bulk": 2}
	got := wire.CreditsFromProto(wire.CreditsToProto(wire.Credits{wire.EveryClass: 5, "bulk": 2, "none": 0}))
	same(t, got, want, nil)
	if got.Initial("bulk") != 2 || got.Initial("other") != 5 || wire.Credits(nil).Initial("any") != 0 {
		t.Errorf("classes begin with %d, %d", got.Initial("bulk"), got.Initial("other"))
	}
	twice := wire.CreditsFromProto([]*typesv1.ClassCredit{{Class: "bulk", More: 3}, {Class: "bulk", More: 4}, {Class: "much", More: math.MaxUint32}, {Class: "much", More: 1}})
	same(t, twice, wire.Credits{"bulk": 7, "much": math.MaxUint32}, nil)
	if wire.CreditsFromProto(nil) != nil {
		t.Error("no credits are some")
	}
	versions := link.VersionRange{Min: 1, Max: 2}
	same(t, wire.VersionsFromProto(wire.VersionsToProto(versions)), versions, nil)
}

func TestALiveDigestNamesASet(t *testing.T) {
	a, b := job.ID{1}, job.ID{2}
	if wire.LiveDigest([]job.ID{a, b}) != wire.LiveDigest([]job.ID{b, a}) {
		t.Error("the order matters")
	}
	if wire.LiveDigest([]job.ID{a}) == wire.LiveDigest([]job.ID{b}) || wire.LiveDigest(nil) == wire.LiveDigest([]job.ID{a}) {
		t.Error("two sets have one name")
	}
}

func TestASmallOutputIsCheckedAgainstItsName(t *testing.T) {
	content := []byte("output")
	digest, got, err := wire.BlobFromProto(wire.BlobToProto(content))
	if err != nil || !bytes.Equal(got, content) || digest != [32]byte(wire.BlobToProto(content).GetDigest()) {
		t.Errorf("came back as %x %q, %v", digest, got, err)
	}
}
