package wire

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/link"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
)

func TestTimesAndDurationsComeBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		at := drawTime(t, "at")
		comesBack(t, TimeFromProto(TimeToProto(at)), nil, at)
		d := drawDuration(t, "d")
		comesBack(t, DurationFromProto(DurationToProto(d)), nil, d)
	})
}

func TestIDsComeBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		id, inc, hash := drawID(t), drawIncarnation(t), drawHash(t)
		gotID, err := JobID(id[:])
		comesBack(t, gotID, err, id)
		gotInc, err := Incarnation(inc[:])
		comesBack(t, gotInc, err, inc)
		gotHash, err := Digest(hash[:])
		comesBack(t, gotHash, err, hash)
		epoch := job.Epoch{Generation: rapid.Uint64().Draw(t, "generation"), N: rapid.Uint64().Draw(t, "n")}
		comesBack(t, EpochFromProto(sent(t, EpochToProto(epoch))), nil, epoch)
	})
}

func TestAResultComesBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		report, detail := drawReport(t), drawDetail(t)
		gotReport, gotDetail, err := ResultFromProto(sent(t, ResultToProto(report, detail)))
		comesBack(t, gotReport, err, report)
		comesBack(t, gotDetail, err, detail)
	})
}

func TestWordsThatCannotTravelDoNotCostTheResult(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		text := string(drawBytes(t, "text", 0, 2*MaxMessageText))
		_, detail, err := ResultFromProto(sent(t, ResultToProto(task.Report{Attempt: 1, State: task.Running}, job.Detail{Message: text})))
		if err != nil || len(detail.Message) > MaxMessageText {
			t.Fatalf("%d bytes became %d, %v", len(text), len(detail.Message), err)
		}
	})
	long := strings.Repeat("é", MaxMessageText)
	if got := messageText(long); got != long[:MaxMessageText] {
		t.Errorf("it was cut to %d bytes", len(got))
	}
}

func TestAnExecutorsWordComesBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		c := HostCommand{
			ID: drawName(t, "command"), Report: drawReport(t), Detail: drawDetail(t),
			RememberUntil: drawTime(t, "until"), Context: drawBytes(t, "context", 1, 20),
		}
		c.Detail.Signature, c.Detail.Overdue = nil, rapid.Bool().Draw(t, "overdue")
		got, err := CommandFromProto(sent(t, CommandToProto(c)))
		comesBack(t, got, err, c)
	})
}

func TestAHostComesBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		h := fleet.Host{
			ID: fleet.HostID(drawName(t, "id")), Address: drawName(t, "address"), Room: fleet.Room(drawName(t, "room")),
			Labels: map[string]string{drawName(t, "label"): "x"}, Facts: map[string]string{drawName(t, "fact"): "y"},
			Incarnation: drawIncarnation(t), PublicKey: drawHash(t),
			KeyState: rapid.SampledFrom([]fleet.KeyState{fleet.KeyAccepted, fleet.KeyPending, fleet.KeyRevoked}).Draw(t, "state"),
			Revision: rapid.Uint64().Draw(t, "revision"),
		}
		got, err := HostFromProto(sent(t, HostToProto(h)))
		comesBack(t, got, err, h)
	})
}

func TestARolloutComesBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		r := job.Rollout{
			Concurrency: drawAmount(t, "concurrency"), PauseAfter: rapid.SliceOfN(rapid.Uint32(), 1, 3).Draw(t, "pauses"),
			MaxFailures: drawBudget(t), PauseBatches: rapid.SliceOfN(rapid.Uint32(), 1, 3).Draw(t, "pauses after batches"),
			Order:     rapid.SampledFrom([]job.Order{job.AsListed, job.SpreadRooms}).Draw(t, "order"),
			Tolerated: []task.State{task.Failed, task.Unknown}, WaitOffline: drawDuration(t, "wait"), Deadline: drawTime(t, "deadline"),
			FailureAction: rapid.SampledFrom([]job.FailureAction{job.DefaultAction, job.PauseOnFailure, job.AbortOnFailure}).Draw(t, "action"),
			Batches:       []job.Amount{{Count: 1}, {Percent: 25}},
		}
		comesBack(t, RolloutFromProto(sent(t, RolloutToProto(r))), nil, r)
	})
}

func drawBudget(t *rapid.T) job.Budget {
	return rapid.SampledFrom([]job.Budget{{}, {Limited: true}, {Limited: true, Count: 7}, {Limited: true, Percent: 7}}).Draw(t, "budget")
}

func TestCapsulesAndProofsComeBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		e := drawEnvelope(t)
		comesBack(t, EnvelopeFromProto(sent(t, EnvelopeToProto(e))), nil, e)
		p := capsule.RangeProof{First: rapid.Uint64().Draw(t, "first"), Count: rapid.Uint64().Draw(t, "count"), Size: rapid.Uint64().Draw(t, "size"), Hashes: drawHashes(t)}
		got, err := RangeProofFromProto(sent(t, RangeProofToProto(p)))
		comesBack(t, got, err, p)
		i := capsule.InclusionProof{Index: rapid.Uint64().Draw(t, "index"), Size: rapid.Uint64().Draw(t, "size"), Hashes: drawHashes(t)}
		gotI, err := InclusionFromProto(sent(t, InclusionToProto(i)))
		comesBack(t, gotI, err, i)
	})
}

func TestASessionsWordsComeBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		h := Hello{
			Versions: link.VersionRange{Min: rapid.Uint32().Draw(t, "min"), Max: rapid.Uint32().Draw(t, "max")},
			Host:     fleet.HostID(drawName(t, "host")), Incarnation: drawIncarnation(t), Session: rapid.Uint64().Draw(t, "session"),
			Facts: map[string]string{"os": drawName(t, "os")}, Bundle: rapid.Uint64().Draw(t, "bundle"), BundleStale: rapid.Bool().Draw(t, "stale"),
			Spool: drawName(t, "spool"), Credits: drawCredits(t),
		}
		gotHello, err := HelloFromProto(sent(t, HelloToProto(h)))
		comesBack(t, gotHello, err, h)

		r := Report{
			Job: drawID(t), Pool: drawName(t, "pool"), Class: drawName(t, "class"), Ordinal: rapid.Uint32().Draw(t, "ordinal"),
			PastW: rapid.Bool().Draw(t, "past w"),
		}
		if r.PastW {
			r.Forgotten = rapid.Bool().Draw(t, "forgotten")
		} else {
			r.Seen, r.Detail, r.Inline = drawReport(t), drawDetail(t), [][]byte{drawBytes(t, "inline", 1, 30)}
			r.Detail.Overdue = rapid.Bool().Draw(t, "overdue")
		}
		gotReport, err := ReportFromProto(sent(t, ReportToProto(r)))
		comesBack(t, gotReport, err, r)

		d := Delivery{
			Job: drawID(t), Pool: r.Pool, Class: r.Class, Attempt: rapid.Uint32Min(1).Draw(t, "attempt"), Digest: drawHash(t),
			Proof: capsule.InclusionProof{Index: 1, Size: 2, Hashes: drawHashes(t)}, Want: drawWish(t),
		}
		var shared *typesv1.Envelope
		if rapid.Bool().Draw(t, "small") {
			e := drawEnvelope(t)
			d.Capsule, shared = &e, EnvelopeToProto(e)
		}
		gotDelivery, err := DeliveryFromProto(sent(t, DeliveryToProto(d, shared)))
		comesBack(t, gotDelivery, err, d)

		id, attempt, err := StopFromProto(sent(t, StopToProto(d.Job, d.Attempt)))
		comesBack(t, id, err, d.Job)
		comesBack(t, attempt, err, d.Attempt)
	})
}

func TestTheMeshesWordsComeBack(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		o := Owns{Count: rapid.Uint16Range(1, 300).Draw(t, "shards"), Epochs: map[uint16]job.Epoch{}}
		o.Epochs[rapid.Uint16Range(0, o.Count-1).Draw(t, "shard")] = job.Epoch{Generation: 1, N: rapid.Uint64().Draw(t, "n")}
		gotOwns, err := OwnsFromProto(sent(t, OwnsToProto(o)))
		comesBack(t, gotOwns, err, o)

		p := Payload{Capsule: drawEnvelope(t), Targets: []job.Target{drawTarget(t), drawTarget(t)}, Proof: capsule.RangeProof{Count: 2, Size: 9, Hashes: drawHashes(t)}}
		gotPayload, err := PayloadFromProto(sent(t, PayloadToProto(p)))
		comesBack(t, gotPayload, err, p)

		d := job.Dispatch{Ordinal: rapid.Uint32().Draw(t, "ordinal"), Attempt: rapid.Uint32Min(1).Draw(t, "attempt"), Want: drawWish(t)}
		gotDispatch, err := ReleaseFromProto(sent(t, ReleaseToProto(d)))
		comesBack(t, gotDispatch, err, d)

		wishes := []job.Wish{
			{Ordinal: d.Ordinal, Attempt: d.Attempt, Want: task.DesiredStop},
			{Ordinal: 1, Attempt: 2, Want: task.DesiredWithdraw},
			{Ordinal: 2, Attempt: 1, Want: task.DesiredWithdraw},
		}
		var asked meshv1.Wishes
		for _, w := range wishes {
			AddWish(&asked, w)
		}
		comesBack(t, slices.Collect(WishesOf(sent(t, &asked))), nil, wishes)

		a := Attachment{
			Host: fleet.HostID(drawName(t, "host")), Incarnation: drawIncarnation(t), Session: rapid.Uint64().Draw(t, "session"), Attached: true,
			Address: drawName(t, "address"), Facts: map[string]string{"os": "linux"}, Since: drawTime(t, "since"),
		}
		gotAttachment, err := AttachmentFromProto(sent(t, AttachmentToProto(a)))
		comesBack(t, gotAttachment, err, a)
	})
}

func TestAReportGoesUpAsItCame(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		host, inc := fleet.HostID(drawName(t, "host")), drawIncarnation(t)
		r := Report{Job: drawID(t), Ordinal: rapid.Uint32().Draw(t, "ordinal"), Seen: drawReport(t), Detail: drawDetail(t)}
		r.Detail.Overdue = rapid.Bool().Draw(t, "overdue")
		want := HostReport{Host: host, Ordinal: r.Ordinal, Incarnation: inc, Seen: r.Seen, Detail: r.Detail}
		got, err := HostReportFromProto(sent(t, PassReport(ReportToProto(r), host, &inc)))
		comesBack(t, got, err, want)
		forgotten := rapid.Bool().Draw(t, "forgotten")
		past, err := HostReportFromProto(sent(t, PassReport(ReportToProto(Report{Job: r.Job, PastW: true, Forgotten: forgotten}), host, &inc)))
		comesBack(t, past, err, HostReport{Host: host, Incarnation: inc, PastW: true, Forgotten: forgotten})
	})
}

func TestCreditsComeBackInAnOrderThatIsAlwaysTheSame(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		c := drawCredits(t)
		wired := CreditsToProto(c)
		comesBack(t, CreditsFromProto(wired), nil, c)
		if !slices.IsSortedFunc(wired, func(a, b *typesv1.ClassCredit) int { return strings.Compare(a.GetClass(), b.GetClass()) }) {
			t.Fatal("they are not ascending by class")
		}
	})
	if len(CreditsToProto(Credits{"standard": 0})) != 0 || CreditsFromProto(nil) != nil {
		t.Error("nothing became something")
	}
	c := Credits{EveryClass: 7, "critical": 9}
	if c.Initial("critical") != 9 || c.Initial("bulk") != 7 || (Credits{}).Initial("bulk") != 0 {
		t.Error("the initial window is another")
	}
}

func TestATargetListComesBackInPieces(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		var b job.TargetsBuilder
		hosts := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{1,8}`), 1, 40, rapid.ID).Draw(t, "hosts")
		slices.Sort(hosts)
		cut := rapid.IntRange(0, len(hosts)).Draw(t, "rooms")
		for i, h := range hosts {
			room := fleet.Room("bj01")
			if i >= cut {
				room = "sh01"
			}
			if err := b.Add(room, job.Target{Host: fleet.HostID(h), Incarnation: drawIncarnation(t)}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		var again job.TargetsBuilder
		size := rapid.IntRange(1, 10).Draw(t, "piece")
		for first := 0; first < list.Len(); first += size {
			for _, room := range TargetsToProto(list, first, min(size, list.Len()-first)) {
				if err := AddTargets(&again, []*typesv1.RoomTargets{sent(t, room)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err := again.Build()
		comesBack(t, got, err, list)
	})
}

func TestAJobAndItsTasksAreShownAsTheyAre(t *testing.T) {
	spec := job.Spec{
		ID: job.NewID(time.Unix(9, 0), [10]byte{1}), Parent: job.NewID(time.Unix(8, 0), [10]byte{2}), Pool: "p", Class: "c", Account: "a",
		Submitter: "s", Selector: "x", Note: "n", Command: "uptime", Created: time.Unix(1, 0), StartBy: time.Unix(2, 0),
		Rollout: job.Rollout{Deadline: time.Unix(3, 0)},
	}
	got := JobToProto(spec, 7, job.Row{State: job.Paused, Revision: 4, ControlRevision: 5, DoneAt: time.Unix(6, 0), PausedAt: time.Unix(7, 0)})
	if got.GetId() != spec.ID.String() || got.GetParentId() != spec.Parent.String() || got.GetPool() != "p" || got.GetClass() != "c" || got.GetAccount() != "a" ||
		got.GetSubmitter() != "s" || got.GetSelector() != "x" || got.GetNote() != "n" || got.GetCommand() != "uptime" || got.GetTargets() != 7 ||
		got.GetState() != typesv1.JobState_JOB_STATE_PAUSED || got.GetRevision() != 4 || got.GetControlRevision() != 5 ||
		got.GetCreatedAt().GetSeconds() != 1 || got.GetStartBy().GetSeconds() != 2 || got.GetRollout().GetDeadline().GetSeconds() != 3 || got.GetDoneAt().GetSeconds() != 6 || got.GetPausedAt().GetSeconds() != 7 {
		t.Errorf("the job is shown as %v", got)
	}
	if JobToProto(job.Spec{}, 0, job.Row{}).GetParentId() != "" {
		t.Error("a job without a parent has one")
	}
	list := twoTargets(t)
	shown := TaskToProto(list, 1, job.View{
		Report: task.Report{Attempt: 2, State: task.Running}, Revision: 3, Unreachable: true, UnreachableSince: time.Unix(4, 0), Overdue: true, Since: time.Unix(5, 0),
	}, job.Detail{Message: "m"})
	if shown.GetOrdinal() != 1 || shown.GetHostId() != "h2" || shown.GetRoom() != "sh01" || shown.GetRevision() != 3 || !shown.GetUnreachable() ||
		shown.GetUnreachableSince().GetSeconds() != 4 || shown.GetSince().GetSeconds() != 5 || !shown.GetOverdue() || shown.GetResult().GetMessage() != "m" ||
		shown.GetResult().GetStatus().GetState() != typesv1.TaskState_TASK_STATE_RUNNING || shown.GetResult().GetStatus().GetAttempt() != 2 {
		t.Errorf("the task is shown as %v", shown)
	}
}

func twoTargets(t *testing.T) *job.Targets {
	t.Helper()
	var b job.TargetsBuilder
	for i, h := range []fleet.HostID{"h1", "h2"} {
		if err := b.Add([]fleet.Room{"bj01", "sh01"}[i], job.Target{Host: h, Incarnation: fleet.Incarnation{1}}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestASetOfCommandsHasOneNameInWhateverOrder(t *testing.T) {
	roundTrip(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Custom(drawID), 1, 5).Draw(t, "ids")
		shuffled := rapid.Permutation(ids).Draw(t, "shuffled")
		if LiveDigest(slices.Clone(ids)) != LiveDigest(shuffled) {
			t.Fatal("the order counts")
		}
		if LiveDigest(ids[:len(ids)-1]) == LiveDigest(ids) {
			t.Fatal("two sets have one name")
		}
	})
}

func TestTheEnumsOfWireAndCoreHaveTheSameNumbers(t *testing.T) {
	for _, s := range task.States() {
		if name := typesv1.TaskState_name[int32(s)]; name != "TASK_STATE_"+s.String() {
			t.Errorf("state %s is %s on the wire", s, name)
		}
	}
	for _, r := range task.Reasons() {
		if name := typesv1.Reason_name[int32(r)]; name != "REASON_"+strings.ToUpper(r.String()) {
			t.Errorf("reason %s is %s on the wire", r, name)
		}
	}
	if len(typesv1.TaskState_name) != len(task.States())+1 || len(typesv1.Reason_name) != len(task.Reasons())+1 {
		t.Error("the wire has values that the core does not know")
	}
	for _, d := range []task.Desired{task.DesiredRun, task.DesiredWithdraw, task.DesiredStop} {
		if name := typesv1.Wish_name[int32(d)]; name != "WISH_"+strings.ToUpper(d.String()) {
			t.Errorf("the wish %s is %s on the wire", d, name)
		}
	}
	for state := job.Running; state <= job.Quarantined; state++ {
		if name := typesv1.JobState_name[int32(state)]; name != "JOB_STATE_"+strings.ToUpper(state.String()) {
			t.Errorf("job state %s is %s on the wire", state, name)
		}
	}
	if !reflect.DeepEqual([]typesv1.Stream{typesv1.Stream(job.Stdout), typesv1.Stream(job.Stderr)}, []typesv1.Stream{typesv1.Stream_STREAM_STDOUT, typesv1.Stream_STREAM_STDERR}) {
		t.Error("the streams have other numbers")
	}
}

func TestCreditsOfOneClassAddUpAndNeverOverflow(t *testing.T) {
	got := CreditsFromProto([]*typesv1.ClassCredit{
		{Class: "a", More: 1}, {Class: "a", More: 2}, {Class: "b", More: 1 << 31}, {Class: "b", More: 1<<32 - 1},
	})
	if !reflect.DeepEqual(got, Credits{"a": 3, "b": 1<<32 - 1}) {
		t.Errorf("they became %v", got)
	}
}
