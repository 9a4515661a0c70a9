package agent

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/trust/capsule"
	"github.com/ccs-project/ccs/pkg/trust/policy"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAReplyIsAcknowledgedWhenAllBeforeItAreTakenOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var k taken
		left := map[uint64]int{} // the dumb version
		last := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"a reply comes": func(t *rapid.T) {
				last++
				left[last] = rapid.IntRange(0, 3).Draw(t, "commands")
				k.arrived(last, left[last])
			},
			"one is done": func(t *rapid.T) {
				if last > 0 {
					n := rapid.Uint64Range(1, last).Draw(t, "reply")
					left[n] = max(0, left[n]-1)
					k.done(n)
				}
			},
			"": func(t *rapid.T) {
				want := uint64(0)
				for want < last && left[want+1] == 0 {
					want++
				}
				if got := k.have(); got != want {
					t.Fatalf("have %d, want %d", got, want)
				}
			},
		})
	})
}

func TestATicketComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := ticket{rapid.StringN(0, 60, 255).Draw(t, "pool"), rapid.StringN(0, 60, 255).Draw(t, "class"), rapid.Uint32().Draw(t, "ordinal")}
		text := want.encode()
		if got, err := parseTicket(text); err != nil || got != want {
			t.Fatalf("got %+v, %v", got, err)
		}
		cut := rapid.IntRange(0, len(text)-1).Draw(t, "cut")
		if _, err := parseTicket(text[:cut]); err == nil {
			t.Fatalf("%d of %d bytes are read", cut, len(text))
		}
	})
	long := ticket{pool: strings.Repeat("p", 1000)}
	if got, err := parseTicket(long.encode()); err != nil || len(got.pool) != maxRouteName {
		t.Errorf("a long pool: %d bytes, %v", len(got.pool), err)
	}
}

func TestNamesThatAreTooLongForATicketAreCutBetweenCharacters(t *testing.T) {
	long := strings.Repeat("x", maxRouteName-1) + "é"
	got := ticketFor(long, long, 7)
	if want := (ticket{long[:maxRouteName-1], long[:maxRouteName-1], 7}); got != want {
		t.Errorf("the ticket is %+v", got)
	}
	if back, err := parseTicket(ticket{pool: long, class: long, ordinal: 7}.encode()); err != nil || back != got {
		t.Errorf("it comes back as %+v, %v", back, err)
	}
}

func TestSessionNumbersComeBackAsTheyWere(t *testing.T) {
	want := numbers{incarnation: fleet.Incarnation{1, 2, 3}, next: 7, end: 100}
	got, err := parseNumbers(want.String())
	if err != nil || got != want || !got.left(want.incarnation) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got.left(fleet.Incarnation{9}) {
		t.Error("numbers of one incarnation are good for another")
	}
	for _, text := range []string{"", "1 2", "zz 1 2", "0102 1 2", want.String() + "x", "01020300000000000000000000000000 x 2"} {
		if n, err := parseNumbers(text); err == nil {
			t.Errorf("%q is read as %+v", text, n)
		}
	}
}

func TestTheDialerGoesRound(t *testing.T) {
	d := newDialer([]string{"a", "b", "c"})
	now := time.Now()
	var tried []string
	for range 6 {
		if !d.ready(now) {
			t.Fatal("it is not ready")
		}
		tried = append(tried, d.take())
		if d.ready(now) {
			t.Fatal("two tries at a time")
		}
		d.failed(now, 0, 0.5)
		if d.ready(now) || d.at.Sub(now) > dialRetry.Max {
			t.Fatalf("the next try is in %s", d.at.Sub(now))
		}
		now = d.at
	}
	slices.Sort(tried[:3])
	if !slices.Equal(tried[:3], []string{"a", "b", "c"}) || tried[3] == tried[4] || tried[4] == tried[5] {
		t.Errorf("it tried %v", tried)
	}
	for range 3 { // all of them
		d.take()
		d.failed(now, time.Minute, 1)
	}
	if wait := d.at.Sub(now); wait < time.Minute || wait > 75*time.Second {
		t.Errorf("asked to wait a minute it waits %s", wait)
	}
}

func TestHeldBackReportsAreFoundAgain(t *testing.T) {
	h := newHeldBack()
	ids := []job.ID{{1}, {2}, {3}, {4}}
	h.gather(ids[0])
	h.starve("bulk", ids[1])
	h.starve("bulk", ids[2])
	h.starve("critical", ids[3])
	if got := slices.Collect(h.all()); len(got) != 4 || h.empty() || !h.gathers(ids[0]) || h.gathers(ids[1]) {
		t.Errorf("all are %v", got)
	}
	if got := h.feed("bulk", 1); len(got) != 1 {
		t.Errorf("credit for one lets %d go", len(got))
	}
	if got := h.feed("bulk", 10); len(got) != 1 || len(h.feed("bulk", 10)) != 0 || len(h.feed("none", 1)) != 0 {
		t.Errorf("then %d", len(got))
	}
	h.forget(ids[3])
	h.forget(ids[0])
	if !h.empty() {
		t.Error("something is left")
	}
	for range h.all() {
		t.Error("something is left")
	}
}

// What an agent does next is task.Next's, for every state and wish.
func TestWhatToDoNextFollowsFromWhatIsSeenAndWanted(t *testing.T) {
	refusal := task.Report{Attempt: 1, State: task.Refused}
	for _, c := range []struct {
		name string
		e    entry
		want act
	}{
		{"nothing is known", entry{want: task.DesiredRun}, actNothing},
		{"its capsule is not here", entry{want: task.DesiredRun, handover: handover{asked: &wire.Delivery{Attempt: 1}}}, actFetch},
		{"the capsule of its next attempt is not here", entry{seen: at(task.Lost), want: task.DesiredRun, handover: handover{asked: &wire.Delivery{Attempt: 2}}}, actFetch},
		{"it is not in the cache", entry{want: task.DesiredRun, handover: handover{asked: &wire.Delivery{Capsule: &capsule.Envelope{}}}}, actCopy},
		{"released", entry{seen: at(task.Dispatched), want: task.DesiredRun}, actStart},
		{"refused", entry{seen: at(task.Dispatched), want: task.DesiredRun, handover: handover{refusal: refusal}}, actDecline},
		{"refused and unwanted", entry{seen: at(task.Dispatched), want: task.DesiredStop, handover: handover{refusal: refusal}}, actDecline},
		{"unwanted before it came", entry{seen: at(task.Dispatched), want: task.DesiredStop}, actSignal},
		{"accepted", entry{seen: at(task.Accepted), want: task.DesiredRun}, actNothing},
		{"running", entry{seen: at(task.Running), want: task.DesiredRun}, actNothing},
		{"running and unwanted", entry{seen: at(task.Running), want: task.DesiredStop}, actSignal},
		{"running, and was told", entry{seen: at(task.Running), want: task.DesiredStop, told: task.DesiredStop}, actNothing},
		{"withdrawn before it came", entry{seen: at(task.Dispatched), want: task.DesiredWithdraw}, actWithdraw},
		{"refused and withdrawn", entry{seen: at(task.Dispatched), want: task.DesiredWithdraw, handover: handover{refusal: refusal}}, actDecline},
		{"accepted and withdrawn", entry{seen: at(task.Accepted), want: task.DesiredWithdraw}, actWithdraw},
		{"accepted, and was told", entry{seen: at(task.Accepted), want: task.DesiredWithdraw, told: task.DesiredWithdraw}, actNothing},
		{"running and withdrawn", entry{seen: at(task.Running), want: task.DesiredWithdraw}, actNothing},
		{"running, unwanted, and told only to withdraw", entry{seen: at(task.Running), want: task.DesiredStop, told: task.DesiredWithdraw}, actSignal},
		{"running and forgotten", entry{seen: at(task.Running), want: task.DesiredGone}, actSignal},
		{"ended", entry{seen: at(task.Failed), want: task.DesiredStop}, actNothing},
		{"ended and forgotten", entry{seen: at(task.Failed), want: task.DesiredGone}, actRelease},
		{"past W", entry{seen: at(task.Dispatched), want: task.DesiredRun, pastW: true}, actNothing},
		{"past W and forgotten", entry{seen: at(task.Dispatched), want: task.DesiredGone, pastW: true}, actDrop},
		{"an answered ping", entry{seen: at(task.Succeeded), want: task.DesiredRun, memory: true}, actNothing},
		{"a forgotten ping", entry{seen: at(task.Succeeded), want: task.DesiredGone, memory: true}, actDrop},
	} {
		if got := c.e.action(); got != c.want {
			t.Errorf("%s: action %d, want %d", c.name, got, c.want)
		}
	}
}

func TestACommandWithoutItsCapsuleIsNotKept(t *testing.T) {
	if content, err := encodeCopy(wire.Delivery{Attempt: 1}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("%d bytes are kept, %v", len(content), err)
	}
}

func at(s task.State) task.Report { return task.Report{Attempt: 1, State: s} }

// Of all deliveries that anybody can make of one signed capsule, a host takes
// that which the user signed, and no other.
func TestNoChangedBitIsTaken(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	bundle, err := policy.New(1, now.Add(time.Hour), []policy.User{{Name: "demo", Key: key.Public().(ed25519.PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	j := judge{host: "web1", incarnation: fleet.Incarnation{1}, bundle: bundle}
	leaves := []capsule.Hash{capsule.LeafHash("web0", fleet.Incarnation{2}), capsule.LeafHash(j.host, j.incarnation)}
	payload := capsule.Payload{
		JobID: job.NewID(now, [10]byte{}), Class: "bulk", Root: capsule.Root(leaves), Count: 2, NotBefore: now, NotAfter: now.Add(time.Minute),
		Command: capsule.Command{Kind: capsule.Argv, Argv: []string{"true"}, TimeoutAction: capsule.TimeoutKill, Recovery: capsule.RecoveryReport, MaxAttempts: 1},
	}
	signed, err := capsule.Sign(payload, key)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() wire.Delivery {
		e := signed
		e.Payload, e.Signatures = slices.Clone(e.Payload), slices.Clone(e.Signatures)
		e.Signatures[0].Sig = slices.Clone(e.Signatures[0].Sig)
		return wire.Delivery{
			Job: payload.JobID, Pool: "p", Class: "bulk", Attempt: 1, Digest: e.Digest(), Capsule: &e,
			Proof: capsule.InclusionProof{Index: 1, Size: 2, Hashes: []capsule.Hash{leaves[0]}},
		}
	}
	if v := j.verify(now, fresh()); !v.taken() || v.ticket != (ticket{"p", "bulk", 1}) || !v.remember.Equal(payload.NotAfter) {
		t.Fatalf("as it was signed: %+v", v)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := fresh()
		bytes := [][]byte{d.Capsule.Payload, d.Capsule.Signatures[0].Sig, d.Digest[:], d.Proof.Hashes[0][:], d.Job[:]}
		in := rapid.IntRange(0, len(bytes)-1).Draw(t, "in")
		bit := rapid.IntRange(0, 8*len(bytes[in])-1).Draw(t, "bit")
		bytes[in][bit/8] ^= 1 << (bit % 8)
		if rapid.Bool().Draw(t, "digest follows") && in < 2 {
			d.Digest = d.Capsule.Digest()
		}
		v := j.verify(now, d)
		if v.taken() || v.refusal.State != task.Refused || v.remember.Before(now) || v.remember.After(now.Add(longestE)) {
			t.Fatalf("%+v", v)
		}
	})
}
