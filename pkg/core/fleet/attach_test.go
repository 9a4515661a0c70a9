package fleet

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	t0  = time.Unix(1_700_000_000, 0)
	one = Incarnation{1}
	two = Incarnation{2}
)

// at returns a moment, in seconds.
func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

func wantKind(t *testing.T, got Change, want ChangeKind) {
	t.Helper()
	if got.Kind != want {
		t.Fatalf("%s %s, want %s", got.Host, got.Kind, want)
	}
}

func wantHere(t *testing.T, a *Attachments, host HostID, want Via) {
	t.Helper()
	if got, here := a.Via(host); got != want || here != (want != "") {
		t.Fatalf("%s is at %q, want %q", host, got, want)
	}
}

func wantSince(t *testing.T, a *Attachments, host HostID, want Presence, since time.Time) {
	t.Helper()
	if got, when := a.Since(host); got != want || !when.Equal(since) {
		t.Fatalf("%s is %s since %v, want %s since %v", host, got, when, want, since)
	}
}

func TestAHostComesAndGoes(t *testing.T) {
	a := NewAttachments()
	wantSince(t, a, "h", NeverSeen, time.Time{})
	wantHere(t, a, "h", "")

	wantKind(t, a.Attach("A", "h", one, 1, at(1)), Came)
	wantHere(t, a, "h", "A")
	wantSince(t, a, "h", Here, at(1))
	wantKind(t, a.Attach("A", "h", one, 1, at(2)), NoChange)
	wantSince(t, a, "h", Here, at(1))

	wantKind(t, a.Detach("A", "h", one, 1, at(3)), Gone)
	wantHere(t, a, "h", "")
	wantSince(t, a, "h", Away, at(3))
	wantKind(t, a.Detach("A", "h", one, 1, at(4)), NoChange)
	wantSince(t, a, "h", Away, at(3))

	wantKind(t, a.Attach("A", "h", one, 2, at(5)), Came)
	wantSince(t, a, "h", Here, at(5))
}

func TestTheAggregatorThatSpokeLastOfAHostIsRemembered(t *testing.T) {
	a := NewAttachments()
	last := func(want Via) {
		t.Helper()
		if got, known := a.LastVia("h"); got != want || known != (want != "") {
			t.Errorf("last at %q, want %q", got, want)
		}
	}
	last("")
	a.Attach("A", "h", one, 1, at(1))
	a.Attach("B", "h", one, 2, at(2))
	last("B")
	a.Attach("A", "h", one, 1, at(3)) // stale
	a.Detach("B", "h", one, 2, at(4))
	last("B")
	a.LostVia("B", at(5))
	last("B")
	a.Attach("A", "h", one, 3, at(6))
	last("A")
}

func TestTheNewestSessionWins(t *testing.T) {
	a := NewAttachments()
	a.Attach("A", "h", one, 1, at(1))
	wantKind(t, a.Attach("B", "h", one, 2, at(2)), Moved)
	wantHere(t, a, "h", "B")
	wantKind(t, a.Attach("A", "h", one, 1, at(3)), Stale)
	wantKind(t, a.Detach("A", "h", one, 1, at(4)), Stale)
	wantHere(t, a, "h", "B")
	if a.Count("A") != 0 || a.Count("B") != 1 {
		t.Errorf("A has %d, B has %d hosts", a.Count("A"), a.Count("B"))
	}
}

func TestASessionThatEndedDoesNotComeBack(t *testing.T) {
	a := NewAttachments()
	a.Attach("A", "h", one, 1, at(1))
	wantKind(t, a.Detach("B", "h", one, 2, at(2)), Gone)
	wantKind(t, a.Attach("B", "h", one, 2, at(2)), Stale)
	wantKind(t, a.Attach("A", "h", one, 1, at(2)), Stale)
	wantSince(t, a, "h", Away, at(2))
}

func TestTheEndOfASessionOfNobodyKnownIsNothing(t *testing.T) {
	a := NewAttachments()
	wantKind(t, a.Detach("A", "h", one, 1, at(1)), NoChange)
	wantSince(t, a, "h", NeverSeen, time.Time{})
}

func TestANewIncarnationReplacesTheOld(t *testing.T) {
	a := NewAttachments()
	a.Attach("A", "h", one, 9, at(1))
	wantKind(t, a.Attach("B", "h", two, 1, at(2)), Reincarnated)
	if a.Incarnation("h") != two {
		t.Error("the old incarnation is still the right one")
	}
	wantHere(t, a, "h", "B")
	wantKind(t, a.Attach("A", "h", one, 10, at(3)), Stale)
	wantKind(t, a.Detach("A", "h", one, 10, at(3)), Stale)
	a.Detach("B", "h", two, 1, at(4))
	wantKind(t, a.Attach("A", "h", one, 11, at(5)), Stale)
	wantSince(t, a, "h", Away, at(4))
}

func TestASessionNotYetMissedDoesNotPassForANewIncarnation(t *testing.T) {
	a := NewAttachments() // as after a restart: the aggregators are heard in any order
	wantKind(t, a.Attach("B", "h", two, 1, at(10)), Came)
	wantKind(t, a.Attach("A", "h", one, 9, at(1)), Stale)
	wantKind(t, a.Detach("A", "h", one, 9, at(11)), Stale)
	wantHere(t, a, "h", "B")
	if a.Incarnation("h") != two {
		t.Error("the older incarnation won")
	}
}

func TestManyIncarnationsAreRemembered(t *testing.T) {
	a := NewAttachments()
	for i := range superseded + 1 {
		a.Attach("A", "h", Incarnation{byte(i + 1)}, 1, at(i))
	}
	for i := range superseded {
		wantKind(t, a.Attach("A", "h", Incarnation{byte(i + 1)}, 9, at(99)), Stale)
	}
}

func TestABrokenStreamLeavesItsHostsUnsure(t *testing.T) {
	a := NewAttachments()
	a.Attach("A", "h2", one, 1, at(1))
	a.Attach("A", "h1", one, 1, at(1))
	a.Attach("B", "h3", one, 1, at(1))
	a.Attach("A", "moved", one, 1, at(1))
	a.Attach("B", "moved", one, 2, at(2))

	lost := a.LostVia("A", at(5))
	if len(lost) != 2 || lost[0].Host != "h1" || lost[1].Host != "h2" || lost[0].Kind != LostSight {
		t.Fatalf("got %+v", lost)
	}
	wantSince(t, a, "h1", Unsure, at(5))
	wantHere(t, a, "h1", "")
	wantHere(t, a, "h3", "B")
	wantHere(t, a, "moved", "B")
	if again := a.LostVia("A", at(6)); len(again) != 0 {
		t.Errorf("lost twice: %+v", again)
	}

	wantKind(t, a.Attach("A", "h1", one, 1, at(1)), Came) // the stream is back, the session never ended
	wantHere(t, a, "h1", "A")
	wantKind(t, a.Attach("B", "h2", one, 2, at(7)), Came)
	wantHere(t, a, "h2", "B")
}

func TestWhoIsNotInASnapshotIsGone(t *testing.T) {
	a := NewAttachments()
	for _, h := range []HostID{"stays", "left", "left-too", "elsewhere"} {
		a.Attach("A", h, one, 1, at(1))
	}
	a.LostVia("A", at(2))
	a.Attach("B", "elsewhere", one, 2, at(3))

	a.BeginSnapshot("A")
	if a.Complete("A") {
		t.Error("complete before its end")
	}
	wantKind(t, a.Attach("A", "stays", one, 1, at(1)), Came)
	gone := a.EndSnapshot("A", at(9))
	if len(gone) != 2 || gone[0].Host != "left" || gone[1].Host != "left-too" || gone[0].Kind != Gone {
		t.Fatalf("got %+v", gone)
	}
	wantSince(t, a, "left", Away, at(2)) // since sight was lost, not since it was asked
	wantHere(t, a, "stays", "A")
	wantHere(t, a, "elsewhere", "B")
	if !a.Complete("A") || a.Complete("B") || a.Complete("C") {
		t.Error("only A has sent a snapshot")
	}

	wantKind(t, a.Attach("A", "left", one, 1, at(1)), Came) // opened while the snapshot was taken
	a.LostVia("A", at(20))
	if a.Complete("A") {
		t.Error("complete without a stream")
	}
}

func TestASnapshotOnAnOpenStreamNamesWhoLeftInBetween(t *testing.T) {
	a := NewAttachments()
	a.Attach("A", "h", one, 1, at(1))
	a.BeginSnapshot("A")
	gone := a.EndSnapshot("A", at(4))
	if len(gone) != 1 || gone[0].Kind != Gone {
		t.Fatalf("got %+v", gone)
	}
	wantSince(t, a, "h", Away, at(4))
}

func TestEveryPresenceAndChangeHasAName(t *testing.T) {
	seen := map[string]bool{}
	for p := NeverSeen; p <= Unsure+1; p++ {
		seen[p.String()] = true
	}
	for k := NoChange; k <= Stale+1; k++ {
		seen[k.String()] = true
	}
	if len(seen) != 4+7+2 {
		t.Errorf("names: %v", seen)
	}
}

// said is one message of an aggregator.
type said struct {
	via     Via
	session uint64
	attach  bool
}

func (s said) tell(a *Attachments) {
	if s.attach {
		a.Attach(s.via, "h", one, s.session, at(int(s.session)))
	} else {
		a.Detach(s.via, "h", one, s.session, at(int(s.session)))
	}
}

func TestInWhateverOrderAggregatorsAreHeardTheNewestSessionDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		streams := map[Via][]said{}
		newest := said{}
		for session := range rapid.IntRange(1, 6).Draw(t, "sessions") {
			s := said{via: Via(rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "via")), session: uint64(session + 1), attach: true}
			streams[s.via] = append(streams[s.via], s)
			if newest = s; rapid.Bool().Draw(t, "ends") {
				newest.attach = false
				streams[s.via] = append(streams[s.via], newest)
			}
		}
		a := NewAttachments()
		for len(streams) > 0 { // each stream keeps its order, and may say a thing twice
			vias := []Via{}
			for v := range streams {
				vias = append(vias, v)
			}
			slices.Sort(vias)
			v := rapid.SampledFrom(vias).Draw(t, "next")
			streams[v][0].tell(a)
			if rapid.Bool().Draw(t, "once") {
				if streams[v] = streams[v][1:]; len(streams[v]) == 0 {
					delete(streams, v)
				}
			}
		}
		want := Via("")
		if newest.attach {
			want = newest.via
		}
		if got, _ := a.Via("h"); got != want {
			t.Fatalf("at %q, want %q", got, want)
		}
	})
}

// The oracle of bookkeeping: rings and counts against a plain list, and the
// changes against what they claim.
func TestAnyHistoryKeepsTheBooksRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := NewAttachments()
		retired := map[HostID]map[Incarnation]bool{}
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			v := Via(rapid.SampledFrom([]string{"A", "B"}).Draw(t, "via"))
			h := HostID(rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "host"))
			inc := Incarnation{byte(rapid.IntRange(1, superseded+1).Draw(t, "inc"))}
			session := uint64(rapid.IntRange(1, 4).Draw(t, "session"))
			before, beforeInc := state(a, h), a.Incarnation(h)
			var changes []Change
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0, 1, 2:
				changes = []Change{a.Attach(v, h, inc, session, at(step))}
			case 3:
				changes = []Change{a.Detach(v, h, inc, session, at(step))}
			case 4:
				changes = a.LostVia(v, at(step))
			case 5:
				a.BeginSnapshot(v)
				changes = a.EndSnapshot(v, at(step))
			}
			for _, c := range changes {
				if c.Host == h {
					checkChange(t, a, c, before, beforeInc)
				}
				if c.Kind == Reincarnated {
					if retired[h] == nil {
						retired[h] = map[Incarnation]bool{}
					}
					retired[h][beforeInc] = true
				}
			}
			for _, host := range []HostID{"x", "y", "z"} {
				if retired[host][a.Incarnation(host)] {
					t.Fatalf("%s is a superseded incarnation again", host)
				}
			}
			checkBooks(t, a)
		}
	})
}

func state(a *Attachments, h HostID) Presence {
	p, _ := a.Since(h)
	return p
}

func checkChange(t *rapid.T, a *Attachments, c Change, before Presence, inc Incarnation) {
	after := state(a, c.Host)
	want := map[ChangeKind]bool{
		NoChange:     before == after,
		Stale:        before == after && a.Incarnation(c.Host) == inc,
		Came:         before != Here && after == Here,
		Moved:        before == Here && after == Here,
		Gone:         (before == Here || before == Unsure) && after == Away,
		LostSight:    before == Here && after == Unsure,
		Reincarnated: before != NeverSeen && after == Here && a.Incarnation(c.Host) != inc,
	}
	if !want[c.Kind] {
		t.Fatalf("%s %s: was %s, is %s", c.Host, c.Kind, before, after)
	}
}

func checkBooks(t *rapid.T, a *Attachments) {
	ringed, all := 0, 0
	for name, v := range a.vias {
		here := 0
		for p := v.ring.next; p != &v.ring; p = p.next {
			if p.at != v || p.next.prev != p || a.hosts[p.host] != p {
				t.Fatalf("%s is in the wrong ring", p.host)
			}
			if ringed++; p.state == Here {
				here++
			}
		}
		if here != a.Count(name) {
			t.Fatalf("%s counts %d, has %d", name, a.Count(name), here)
		}
		all += here
	}
	if a.Here() != all {
		t.Fatalf("%d hosts are here, %d are counted", all, a.Here())
	}
	if ringed != len(a.hosts) {
		t.Fatalf("%d hosts in rings, %d known", ringed, len(a.hosts))
	}
}

func TestAnAttachmentCostsAtMost300Bytes(t *testing.T) {
	a := NewAttachments()
	got := bytesPer(50_000, func(i int) {
		a.Attach(Via(fmt.Sprintf("agg-%d", i%20)), HostID(fmt.Sprintf("web-%05d.bj01", i)), one, 1, t0)
	})
	t.Logf("%.0f bytes a host", got)
	if got > 300 {
		t.Errorf("%.0f bytes a host, want at most 300", got)
	}
	runtime.KeepAlive(a)
}
