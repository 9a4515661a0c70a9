package mesh

import (
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	meshv1 "github.com/ccs-project/ccs/api/gen/ccs/mesh/v1"
	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/wire"
)

// testPayload is a job of a class on n hosts in each of the rooms a and b.
func testPayload(t *testing.T, number byte, class string, n int) *Payload {
	t.Helper()
	var b job.TargetsBuilder
	var leaves []capsule.Hash
	for _, room := range []fleet.Room{"a", "b"} {
		for i := range n {
			target := job.Target{Host: fleet.HostID(fmt.Sprintf("%s-%06d", room, i)), Incarnation: fleet.Incarnation{1}}
			if err := b.Add(room, target); err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, capsule.LeafHash(target.Host, target.Incarnation))
		}
	}
	targets, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := capsule.NewTree(leaves)
	if err != nil {
		t.Fatal(err)
	}
	id := job.NewID(time.Unix(1_800_000_000, 0), [10]byte{number})
	return &Payload{Job: id, Pool: "p", Class: class, Targets: targets, Tree: tree}
}

// testQueue is the queue of an aggregator of room b that takes any number of
// releases of class std, and so many of class bulk.
func testQueue(bulk uint32) *queue {
	return newQueue(room{version: wire.MeshVersions.Max, name: "b", credits: wire.Credits{"std": maxWindow, "bulk": bulk}})
}

func dispatches(ordinals ...uint32) job.Send {
	var s job.Send
	for _, o := range ordinals {
		s.Dispatch = append(s.Dispatch, job.Dispatch{Ordinal: o, Attempt: 1})
	}
	return s
}

// drain takes every message that can be sent.
func drain(t *testing.T, q *queue) (out []*meshv1.ConnectRequest) {
	t.Helper()
	for {
		msg, err := q.next()
		if err != nil {
			t.Fatal(err)
		}
		if msg == nil {
			return out
		}
		out = append(out, msg)
	}
}

func TestTheTargetsOfARoomAreSentOnceAJob(t *testing.T) {
	q, p := testQueue(0), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(4, 5))
	first := drain(t, q)[0].GetDispatch()
	checkPayload(t, p, first.GetPayload(), 4, 4)
	q.add(p, dispatches(6))
	if again := drain(t, q)[0].GetDispatch(); again.GetPayload() != nil {
		t.Error("the second dispatch carries the payload again")
	}
	q.sent.lost(p.Job)
	q.add(p, dispatches(7))
	if after := drain(t, q)[0].GetDispatch(); after.GetPayload().GetCapsule() == nil {
		t.Error("the dispatch after the aggregator lost the payload does not carry it")
	}
}

func TestAHostThatChangedItsRoomHasARangeOfOne(t *testing.T) {
	q, p := testQueue(0), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(2, 5))
	messages := drain(t, q)
	if len(messages) != 2 {
		t.Fatalf("%d messages, want one for the stranger and one for the room", len(messages))
	}
	checkPayload(t, p, messages[0].GetDispatch().GetPayload(), 2, 1)
	checkPayload(t, p, messages[1].GetDispatch().GetPayload(), 4, 4)
}

func TestALargeRoomIsSentInChunks(t *testing.T) {
	q, p := testQueue(0), testPayload(t, 1, "std", maxChunk+5)
	first := uint32(maxChunk + 5)
	q.add(p, dispatches(first+1, first+maxChunk+1))
	messages := drain(t, q)
	if len(messages) != 2 {
		t.Fatalf("%d messages, want 2", len(messages))
	}
	checkPayload(t, p, messages[0].GetDispatch().GetPayload(), first, maxChunk)
	checkPayload(t, p, messages[1].GetDispatch().GetPayload(), first+maxChunk, 5)
	if messages[0].GetDispatch().GetPayload().GetCapsule() == nil || messages[1].GetDispatch().GetPayload().GetCapsule() != nil {
		t.Error("the capsule is not sent once, with the first of them")
	}
}

func TestAnAggregatorOfTheVersionBeforeGetsTheCapsuleWithEveryRun(t *testing.T) {
	q := newQueue(room{version: wire.CapsuleOnce - 1, name: "b", credits: wire.Credits{"std": maxWindow}})
	p := testPayload(t, 1, "std", 4)
	for _, ordinal := range []uint32{4, 1, 2} { // the first is in the run of the room, the others are strangers
		q.add(p, dispatches(ordinal))
		if got := drain(t, q)[0].GetDispatch().GetPayload(); got.GetCapsule() == nil {
			t.Errorf("the run of ordinal %d comes without a capsule", ordinal)
		}
	}
	q.add(p, dispatches(5))
	if got := drain(t, q)[0].GetDispatch().GetPayload(); got != nil {
		t.Errorf("a run that was sent comes again: %v", got)
	}
}

func TestWhatCouldNotBeMadeDoesNotCountAsSent(t *testing.T) {
	q, bad := testQueue(0), testPayload(t, 1, "bulk", 3)
	q.grant(wire.Credits{"bulk": 1})
	good := *bad
	bad.Tree = testPayload(t, 3, "bulk", 1).Tree // of fewer targets than there are
	q.add(bad, dispatches(3))
	if msg, err := q.next(); err == nil {
		t.Fatalf("it was made: %v", msg)
	}
	q.add(&good, dispatches(3))
	messages := drain(t, q)
	if len(messages) != 1 {
		t.Fatalf("%d messages: what was not sent keeps its credit", len(messages))
	}
	if got := messages[0].GetDispatch().GetPayload(); got.GetCapsule() == nil {
		t.Errorf("the payload is %v, want the targets with the capsule", got)
	}
}

// checkPayload reports whether the payload is that run of the signed tree.
func checkPayload(t *testing.T, p *Payload, got *meshv1.Payload, first, count uint32) {
	t.Helper()
	proof, err := wire.RangeProofFromProto(got.GetProof())
	if err != nil || proof.First != uint64(first) || proof.Count != uint64(count) {
		t.Fatalf("payload is for %d..+%d (%v), want %d..+%d", proof.First, proof.Count, err, first, count)
	}
	var leaves []capsule.Hash
	for _, target := range got.GetTargets() {
		dom, err := wire.TargetFromProto(target)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, capsule.LeafHash(dom.Host, dom.Incarnation))
	}
	if err := capsule.VerifyRange(leaves, proof, p.Tree.Root()); err != nil {
		t.Error(err)
	}
}

func TestAClassWithoutCreditDoesNotHoldUpAnother(t *testing.T) {
	q := testQueue(2)
	bulk, std := testPayload(t, 1, "bulk", 4), testPayload(t, 2, "std", 4)
	q.add(bulk, dispatches(4, 5, 6, 7))
	q.add(std, dispatches(4))
	released := map[string]int{}
	for _, m := range drain(t, q) {
		released[m.GetDispatch().GetClass()] += len(m.GetDispatch().GetReleases())
	}
	if released["bulk"] != 2 || released["std"] != 1 {
		t.Fatalf("released %v, want 2 of bulk (its credit) and 1 of std", released)
	}
	q.add(bulk, job.Send{Wishes: []job.Wish{{Ordinal: 4, Attempt: 1, Want: task.DesiredStop}}})
	if w := drain(t, q); len(w) != 1 || len(w[0].GetWishes().GetStop()) != 1 {
		t.Fatalf("a stop waits for credit: %v", w)
	}
	q.grant(wire.Credits{"bulk": 9})
	if m := drain(t, q); len(m) != 1 || len(m[0].GetDispatch().GetReleases()) != 2 {
		t.Fatalf("after more credit: %v", m)
	}
}

func TestASmallJobDoesNotWaitForALargeOne(t *testing.T) {
	q := testQueue(0)
	large, small := testPayload(t, 1, "std", 3*maxReleases), testPayload(t, 2, "std", 1)
	for o := range uint32(3 * maxReleases) {
		q.add(large, dispatches(3*maxReleases+o))
	}
	q.add(small, dispatches(1))
	for i, m := range drain(t, q) {
		if string(m.GetDispatch().GetJobId()) == string(small.Job[:]) {
			if i > 1 {
				t.Errorf("the small job came as message %d", i)
			}
			return
		}
	}
	t.Error("the small job was not sent")
}

func TestAStopThatComesBeforeItsDispatchWasSentRidesWithIt(t *testing.T) {
	q, p := testQueue(0), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(4))
	q.add(p, job.Send{Wishes: []job.Wish{{Ordinal: 4, Attempt: 1, Want: task.DesiredStop}}})
	messages := drain(t, q)
	if len(messages) != 1 || !messages[0].GetDispatch().GetReleases()[0].GetStop() {
		t.Fatalf("messages %v, want one dispatch with stop", messages)
	}
}

func TestAReleaseWithoutCreditSaysSinceWhenAndHowManyWaitWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := testQueue(1)
		first, second := testPayload(t, 1, "bulk", 4), testPayload(t, 2, "bulk", 4)
		q.add(first, dispatches(4, 5, 6))
		if _, waits := q.waits(first.Job, 4); waits {
			t.Error("it waits before its credit is looked at")
		}
		drain(t, q)
		spent := time.Now()
		if _, waits := q.waits(first.Job, 4); waits {
			t.Error("what was sent waits")
		}
		if w, waits := q.waits(first.Job, 6); !waits || w != (Wait{Since: spent, Others: 1}) {
			t.Errorf("it waits: %t, %+v", waits, w)
		}
		time.Sleep(time.Minute)
		q.add(second, dispatches(4))
		drain(t, q)
		if w, waits := q.waits(second.Job, 4); !waits || w != (Wait{Since: time.Now(), Others: 2}) {
			t.Errorf("what came later waits: %t, %+v", waits, w)
		}
		if w, _ := q.waits(first.Job, 5); w != (Wait{Since: spent, Others: 2}) {
			t.Errorf("what came first waits: %+v", w)
		}
		q.grant(wire.Credits{"bulk": 9})
		drain(t, q)
		if _, waits := q.waits(first.Job, 6); waits {
			t.Error("it waits after there was credit")
		}
	})
}

// wishFor is a wish for the task with ordinal 4.
func wishFor(want task.Desired) job.Send {
	return job.Send{Wishes: []job.Wish{{Ordinal: 4, Attempt: 1, Want: want}}}
}

func TestAWithdrawalRidesWithItsDispatchOrGoesByItself(t *testing.T) {
	q, p := testQueue(0), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(4))
	q.add(p, wishFor(task.DesiredWithdraw))
	messages := drain(t, q)
	if len(messages) != 1 || !messages[0].GetDispatch().GetReleases()[0].GetWithdraw() || messages[0].GetDispatch().GetReleases()[0].GetStop() {
		t.Fatalf("messages %v, want one dispatch with the wish", messages)
	}
	q.add(p, wishFor(task.DesiredWithdraw))
	if m := drain(t, q); len(m) != 1 || len(m[0].GetWishes().GetWithdraw()) != 1 || len(m[0].GetWishes().GetStop()) != 0 {
		t.Fatalf("by itself it goes as %v", m)
	}
	q.add(p, wishFor(task.DesiredWithdraw))
	q.add(p, wishFor(task.DesiredStop))
	if m := drain(t, q); len(m) != 1 || len(m[0].GetWishes().GetStop()) != 1 || len(m[0].GetWishes().GetWithdraw()) != 0 {
		t.Fatalf("a stop after it goes as %v", m)
	}
}

// An aggregator of the version before would overlook the wish and let the task start.
func TestWhatIsWithdrawnDoesNotGoToAnAggregatorThatDoesNotKnowTheWish(t *testing.T) {
	q := newQueue(room{version: wire.MeshWithdraws - 1, name: "b", credits: wire.Credits{"std": maxWindow}})
	p := testPayload(t, 1, "std", 4)
	q.add(p, job.Send{Dispatch: []job.Dispatch{{Ordinal: 4, Attempt: 1, Want: task.DesiredWithdraw}, {Ordinal: 5, Attempt: 1, Want: task.DesiredRun}}})
	if m := drain(t, q); len(m) != 1 || len(m[0].GetDispatch().GetReleases()) != 1 || m[0].GetDispatch().GetReleases()[0].GetOrdinal() != 5 {
		t.Errorf("it is sent %v", m)
	}
	q.add(p, dispatches(4))
	q.add(p, wishFor(task.DesiredWithdraw))
	if m := drain(t, q); len(m) != 0 {
		t.Errorf("what was withdrawn while it waited is sent: %v", m)
	}
	q.add(p, wishFor(task.DesiredWithdraw))
	if m := drain(t, q); len(m) != 0 {
		t.Errorf("it is sent the wish by itself: %v", m)
	}
	q.add(p, dispatches(4))
	q.add(p, wishFor(task.DesiredStop))
	if m := drain(t, q); len(m) != 1 || !m[0].GetDispatch().GetReleases()[0].GetStop() {
		t.Errorf("a stop is sent as %v", m)
	}
}

func TestWhatIsForgottenIsNotSentAnyMore(t *testing.T) {
	q, p := testQueue(0), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(4))
	q.add(p, job.Send{Query: []uint32{4}})
	q.add(p, job.Send{Forget: []uint32{4}})
	messages := drain(t, q)
	if len(messages) != 1 || messages[0].GetWishes().GetForget()[0].GetHostId() != "b-000000" {
		t.Fatalf("messages %v, want one forget", messages)
	}
	if len(q.jobs) != 0 {
		t.Error("the queue keeps a job that is owed nothing")
	}
}

func TestAcknowledgementsComeBeforeReleases(t *testing.T) {
	q, p := testQueue(0), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(4))
	q.received("std", 7, 3)
	messages := drain(t, q)
	if len(messages) != 3 || messages[0].GetHave().GetNumber() != 7 || messages[1].GetCredits().GetCredits()[0].GetMore() != 3 {
		t.Fatalf("messages %v, want have, credits, dispatch", messages)
	}
}

func TestAClassThatTheAggregatorDoesNotNameBeginsWithTheWindowOfEveryClass(t *testing.T) {
	q, p := newQueue(room{name: "b", credits: wire.Credits{wire.EveryClass: 3, "bulk": 1}}), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(4, 5, 6, 7))
	if messages := drain(t, q); len(messages) != 1 || len(messages[0].GetDispatch().GetReleases()) != 3 {
		t.Fatalf("messages %v, want one with three releases", messages)
	}
	q.grant(wire.Credits{"std": 1})
	if messages := drain(t, q); len(messages) != 1 || len(messages[0].GetDispatch().GetReleases()) != 1 {
		t.Fatalf("messages %v, want one with the last release", messages)
	}
}

func TestADispatchThatCannotBeMadeDoesNotHoldUpTheNext(t *testing.T) {
	bad, good := testPayload(t, 1, "std", 3), testPayload(t, 2, "std", 3)
	bad.Tree = testPayload(t, 3, "std", 1).Tree // of fewer targets than there are
	l := newLink(&Mesh{deps: Deps{Log: slog.New(slog.DiscardHandler)}}, "a1", "b")
	l.queue = testQueue(0)
	l.queue.add(bad, dispatches(3))
	l.queue.add(good, dispatches(3))
	msg := l.next(t.Context())
	if got := msg.GetDispatch().GetJobId(); string(got) != string(good.Job[:]) {
		t.Errorf("the next message is %v, want the dispatch of the good job", msg)
	}
	if msg := l.next(t.Context()); msg != nil {
		t.Errorf("there is still %v", msg)
	}
}

func TestATracedReleaseCarriesItsSpan(t *testing.T) {
	q, p := testQueue(10), testPayload(t, 1, "std", 4)
	q.add(p, dispatches(1, 2, 3))
	q.trace(p, Traces{1: "parent-1", 2: "parent-2"})
	q.add(p, job.Send{Forget: []uint32{2}})
	traced := map[uint32]string{}
	for _, msg := range drain(t, q) {
		for _, r := range msg.GetDispatch().GetReleases() {
			traced[r.GetOrdinal()] = r.GetTraceParent()
		}
	}
	if want := map[uint32]string{1: "parent-1", 3: ""}; !maps.Equal(traced, want) {
		t.Errorf("the releases are below %v, want %v", traced, want)
	}
	if len(q.jobs) != 0 {
		t.Error("something is kept of the job")
	}
	q.trace(p, Traces{1: "late"}) // of a job to which nothing is owed
	if len(q.jobs) != 0 {
		t.Error("a trace alone is kept")
	}
}

func TestAQueueTakesWhatThePullSaysAgainOnlyUpToItsLimit(t *testing.T) {
	const each = 5_000
	q, p := testQueue(0), testPayload(t, 1, "bulk", each) // nothing of it can leave
	var all []uint32
	for o := range uint32(each) {
		all = append(all, each+o) // those of its room
	}
	for n := range 3 * maxOwed / each {
		of := *p
		of.Job = job.NewID(time.Unix(1_800_000_000, 0), [10]byte{9: byte(n), 8: byte(n >> 8), 7: 1})
		q.add(&of, dispatches(all...))
	}
	if q.waiting != maxOwed || len(q.jobs) != maxOwed/each {
		t.Errorf("%d of %d jobs wait, the limit is %d", q.waiting, len(q.jobs), maxOwed)
	}
	q.add(p, job.Send{Forget: []uint32{each}, Query: []uint32{each + 1}})
	out := drain(t, q)
	if len(out) != 1 || len(out[0].GetWishes().GetForget()) != 1 {
		t.Errorf("at the limit a Forget goes all the same, and alone; sent is %v", out)
	}
	q.grant(wire.Credits{"bulk": each})
	if n := len(drain(t, q)); n == 0 || q.waiting != maxOwed-each {
		t.Errorf("with credit for %d there are %d messages, and %d wait", each, n, q.waiting)
	}
	q.add(p, job.Send{Query: []uint32{each + 1}})
	if out := drain(t, q); len(out) != 1 || len(out[0].GetQuery().GetTasks()) != 1 {
		t.Errorf("with room again a question goes; sent is %v", out)
	}
}

func TestAcknowledgementsThatWaitAreOneAClass(t *testing.T) {
	q := testQueue(0)
	for n := range uint64(1000) {
		q.received("std", n+1, 2)
		q.received("bulk", n+1, 1)
	}
	out := drain(t, q)
	if len(out) != 3 || out[0].GetHave().GetNumber() != 1000 || out[1].GetHave().GetNumber() != 1000 {
		t.Fatalf("sent is %v", out)
	}
	if c := out[2].GetCredits().GetCredits(); len(c) != 2 || c[0].GetMore() != 2000 || c[1].GetMore() != 1000 {
		t.Errorf("given back is %v", c)
	}
}

func TestWhatWasSentIsRememberedUpToALimitAndTheYoungestLongest(t *testing.T) {
	sent := newSentPayloads()
	id := func(n int) job.ID {
		return job.NewID(time.Unix(1_800_000_000, 0), [10]byte{9: byte(n), 8: byte(n >> 8), 7: byte(n >> 16)})
	}
	const all = 2 * maxKnownPayload
	for n := range all {
		sent.add(id(n), 0)
		if held := len(sent.young) + len(sent.old); held > maxKnownPayload {
			t.Fatalf("after %d it holds %d", n+1, held)
		}
	}
	for n := all - maxKnownPayload/2; n < all; n++ {
		if !sent.has(id(n), 0) {
			t.Fatalf("number %d of %d is forgotten", n, all)
		}
	}
	if sent.has(id(0), 0) {
		t.Error("the first is still there")
	}
}
