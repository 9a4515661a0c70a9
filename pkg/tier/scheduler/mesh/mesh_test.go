package mesh_test

import (
	"crypto/sha256"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	typesv1 "github.com/ccs-project/ccs/api/gen/ccs/types/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/tier/scheduler/mesh"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// kinds are the messages that an aggregator has heard by now, by kind.
func (a *aggregator) kinds() (owns []*meshv1.Owns, haves []*meshv1.HaveReports, credits []*typesv1.ClassCredit) {
	synctest.Wait()
	for len(a.heard) > 0 {
		msg := <-a.heard
		if o := msg.GetOwns(); o != nil {
			owns = append(owns, o)
		}
		if h := msg.GetHave(); h != nil {
			haves = append(haves, h)
		}
		credits = append(credits, msg.GetCredits().GetCredits()...)
	}
	return owns, haves, credits
}

func TestEveryAggregatorIsToldWhatIsOwned(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.mesh.SetOwns(map[uint32]job.Epoch{2: {Generation: 1, N: 7}})
		a, b := r.aggregator("a1"), r.aggregator("a2")
		for _, a := range []*aggregator{a, b} {
			if hello := <-a.hello; hello.GetScheduler() != "s1" || hello.GetPool() != "p" || hello.GetBootId() != "boot" {
				t.Errorf("hello is %v", hello)
			}
			owns, _, _ := a.kinds()
			if len(owns) != 1 || owns[0].GetShardCount() != 4 || owns[0].GetShards()[0].GetShard() != 2 || owns[0].GetShards()[0].GetEpoch().GetN() != 7 {
				t.Errorf("%s was told %v", a.name, owns)
			}
		}
		r.mesh.SetOwns(nil)
		if owns, _, _ := a.kinds(); len(owns) != 1 || len(owns[0].GetShards()) != 0 {
			t.Errorf("after the shard was given up: %v", owns)
		}
	})
}

func TestABrokenStreamIsOpenedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		a.breaks <- struct{}{}
		if via := <-r.sink.lost; via != "a1" {
			t.Errorf("lost sight of %s", via)
		}
		began := time.Now()
		<-a.hello
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("the second stream came after %s", waited)
		}
	})
}

func TestABatchIsAcknowledgedAndItsCreditGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		a.kinds()
		id := job.NewID(time.Now(), [10]byte{1})
		blob := []byte("hello\n")
		digest := sha256.Sum256(blob)
		result := wire.ResultToProto(task.Report{Attempt: 1, State: task.Succeeded},
			job.Detail{Outputs: []job.OutputRef{{Stream: job.Stdout, Digest: digest, Size: 6}}})
		incarnation := make([]byte, 16)
		incarnation[0] = 1
		a.say <- reports(&meshv1.Reports{
			Class: "std", Number: 1,
			Jobs: []*meshv1.JobReports{{JobId: id[:], Pool: "p", Items: []*meshv1.HostReport{
				{HostId: "h1", Ordinal: 3, Incarnation: incarnation, Result: result},
				{HostId: "h2", Ordinal: 4, Incarnation: incarnation, PastW: true},
				{HostId: "h3", Ordinal: 5, Incarnation: incarnation, PastW: true, Forgotten: true},
			}}},
			Blobs: []*typesv1.Blob{{Digest: digest[:], Content: blob}},
		})
		b := <-r.sink.reports
		if len(b.Reports) != 3 || b.Reports[0].Job != id || b.Reports[0].Report.State != task.Succeeded || !b.Reports[1].PastW || string(b.Blobs[digest]) != "hello\n" {
			t.Errorf("batch is %+v", b)
		}
		if past, gone := b.Reports[1], b.Reports[2]; past.Forgotten || !gone.PastW || !gone.Forgotten {
			t.Errorf("what is past W came as %+v, what was forgotten as %+v", past, gone)
		}
		_, haves, credits := a.kinds()
		if len(haves) != 1 || haves[0].GetNumber() != 1 || len(credits) != 1 || credits[0].GetMore() != 3 {
			t.Errorf("have %v, credits %v", haves, credits)
		}
	})
}

func TestABatchThatLeavesAGapEndsTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		a.say <- reports(&meshv1.Reports{Class: "std", Number: 5})
		<-r.sink.lost
		<-a.hello
		if len(r.sink.reports) != 0 {
			t.Error("the batch was passed on")
		}
	})
}

func TestAnUnreadableReportIsLeftOutAlone(t *testing.T) {
	id := job.NewID(time.Unix(1_800_000_000, 0), [10]byte{1})
	incarnation := make([]byte, 16)
	good := &meshv1.HostReport{HostId: "h1", Incarnation: incarnation, PastW: true}
	tests := map[string]*meshv1.Reports{
		"an incarnation that is none": {Jobs: []*meshv1.JobReports{{JobId: id[:], Items: []*meshv1.HostReport{{HostId: "h2"}, good}}}},
		"a result that says nothing":  {Jobs: []*meshv1.JobReports{{JobId: id[:], Items: []*meshv1.HostReport{{HostId: "h2", Incarnation: incarnation}, good}}}},
		"a job id that is none": {Jobs: []*meshv1.JobReports{
			{JobId: []byte("short"), Items: []*meshv1.HostReport{{}}},
			{JobId: id[:], Items: []*meshv1.HostReport{good}},
		}},
		"an output of other bytes": {
			Jobs:  []*meshv1.JobReports{{JobId: id[:], Items: []*meshv1.HostReport{good, good}}},
			Blobs: []*typesv1.Blob{{Digest: make([]byte, 32), Content: []byte("x")}},
		},
	}
	for name, batch := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				a := r.aggregator("a1")
				<-a.hello
				a.kinds()
				batch.Class, batch.Number = "std", 1
				a.say <- reports(batch)
				got := <-r.sink.reports
				if len(got.Reports) == 0 || got.Reports[0].Host != "h1" || len(got.Blobs) != 0 {
					t.Errorf("passed on: %+v", got)
				}
				if _, haves, credits := a.kinds(); len(haves) != 1 || len(credits) != 1 || credits[0].GetMore() != 2 {
					t.Errorf("have %v, credits %v: all of the batch has used credit", haves, credits)
				}
			})
		})
	}
}

func TestAnAggregatorOfAnotherVersionIsNotUsed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregatorOf("a1", wire.MeshVersions.Max+1)
		<-a.hello
		<-a.hello
		if len(r.sink.lost) != 0 {
			t.Error("a stream that never opened was said to be lost")
		}
	})
}

func TestTheCapsuleComesAsOftenAsTheVersionOfTheStreamWants(t *testing.T) {
	for version, want := range map[uint32]int{1: 2, 2: 1} {
		inBubble(t, func(t *testing.T, r *rig) {
			a := r.aggregatorOf("a1", version)
			<-a.hello
			synctest.Wait()
			p := strangers(t)
			for o := range uint32(2) { // each is a run of its own
				r.mesh.Send("a1", p, job.Send{Dispatch: []job.Dispatch{{Ordinal: o, Attempt: 1}}}, nil)
				synctest.Wait()
			}
			capsules := 0
			for len(a.heard) > 0 {
				if (<-a.heard).GetDispatch().GetPayload().GetCapsule() != nil {
					capsules++
				}
			}
			if capsules != want {
				t.Errorf("in version %d the capsule came %d times, want %d", version, capsules, want)
			}
		})
	}
}

// strangers is a job for two hosts of another room than the aggregator's.
func strangers(t *testing.T) *mesh.Payload {
	t.Helper()
	var list job.TargetsBuilder
	var leaves []capsule.Hash
	for _, host := range []fleet.HostID{"h1", "h2"} {
		if err := list.Add("a", job.Target{Host: host, Incarnation: fleet.Incarnation{1}}); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, capsule.LeafHash(host, fleet.Incarnation{1}))
	}
	targets, err := list.Build()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := capsule.NewTree(leaves)
	if err != nil {
		t.Fatal(err)
	}
	return &mesh.Payload{Job: job.ID{1}, Pool: "p", Class: "std", Targets: targets, Tree: tree}
}

func TestAnAggregatorThatDoesNotAnswerTheHelloIsDialedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregatorOf("a1", 0)
		<-a.hello
		began := time.Now()
		select {
		case <-a.hello:
		case <-time.After(time.Hour):
		}
		if waited := time.Since(began); waited > 15*time.Second {
			t.Errorf("it was dialed again after %s", waited)
		}
	})
}

func TestAHostThatComesAndGoesIsPassedOn(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		incarnation := make([]byte, 16)
		a.say <- &meshv1.ConnectResponse{Message: &meshv1.ConnectResponse_Attachments{Attachments: &meshv1.Attachments{
			SnapshotBegin: true, SnapshotEnd: true, Items: []*meshv1.Attachment{{HostId: "h1", Incarnation: incarnation, Session: 9, Attached: true}},
		}}}
		got := <-r.sink.attachments
		if got.Via != "a1" || !got.Begin || !got.End || got.Items[0].Host != "h1" || got.Items[0].Session != 9 || !got.Items[0].Attached {
			t.Errorf("attachments are %+v", got)
		}
	})
}

func TestALargeOutputIsFetchedAndChecked(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		a := r.aggregator("a1")
		<-a.hello
		synctest.Wait()
		content := make([]byte, 300_000)
		digest := sha256.Sum256(content)
		a.blobs[string(digest[:])] = content
		got, err := r.mesh.FetchBlob(t.Context(), "a1", digest, uint64(len(content)))
		if err != nil || len(got) != len(content) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		other := sha256.Sum256([]byte("other"))
		a.blobs[string(other[:])] = content
		if _, err := r.mesh.FetchBlob(t.Context(), "a1", other, uint64(len(content))); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("bytes of another digest: %v", err)
		}
		if _, err := r.mesh.FetchBlob(t.Context(), "a1", digest, 5); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("more bytes than said: %v", err)
		}
		if _, err := r.mesh.FetchBlob(t.Context(), "a2", digest, 5); !errors.Is(err, wire.ErrUnavailable) {
			t.Errorf("an aggregator without a stream: %v", err)
		}
	})
}

func TestTheStreamsThatAreOpenAreCounted(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		open := func() int64 { synctest.Wait(); return r.told.Value(obs.MeshStreams) }
		if n := open(); n != 0 {
			t.Errorf("at first there are %d streams", n)
		}
		a := r.aggregator("a1")
		r.aggregator("a2")
		if n := open(); n != 2 {
			t.Errorf("to two aggregators there are %d streams", n)
		}
		a.version = 0 // it does not answer the next hello
		a.breaks <- struct{}{}
		<-r.sink.lost
		if n := open(); n != 1 {
			t.Errorf("after one broke there are %d streams", n)
		}
	})
}
