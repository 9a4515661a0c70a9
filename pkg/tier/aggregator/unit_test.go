package aggregator

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestTheDefaultsAreGoodButForWhatOnlyAnOperatorKnows(t *testing.T) {
	c := DefaultConfig()
	err := c.Validate()
	for _, key := range []string{"name", "room", "advertise"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named in %v", key, err)
		}
	}
	c.Name, c.Room, c.Advertise = "agg-1", "bj01", "127.0.0.1:7420"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestEveryFaultOfAConfigIsNamed(t *testing.T) {
	err := Config{Room: "Not A Room"}.Validate()
	if err == nil {
		t.Fatal("the empty config is taken")
	}
	for _, key := range []string{
		"name", "room", "advertise", "heartbeat_interval", "missed_heartbeats", "max_sessions", "admit_per_second",
		"max_tasks", "blob_bytes", "report_window", "release_window", "send_timeout", "lease_ttl", "drain_budget",
	} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named in: %v", key, err)
		}
	}
}

func TestAHerdIsSpreadOverTheTimeThatItNeeds(t *testing.T) {
	const rate, herd = 100, 1000
	a, now := newAdmission(rate), time.Unix(1000, 0)
	admitted, latest := 0, time.Duration(0)
	for range herd {
		wait := a.admit(now)
		if wait == 0 {
			admitted++
		}
		latest = max(latest, wait)
	}
	if admitted != rate {
		t.Errorf("%d were admitted at once, want %d", admitted, rate)
	}
	if latest < 4*time.Second || latest > 10*time.Second {
		t.Errorf("the last one is told %s, and there is work for 9 s", latest)
	}
}

func TestWhoIsSentAwayIsSpreadOverTheTimeThatTheNextOneNeeds(t *testing.T) {
	const rate, herd = 100, 1000
	a := newAdmission(rate)
	var perSecond [herd/rate + 1]int
	for range herd {
		perSecond[a.move(herd)/time.Second]++
	}
	for second, n := range perSecond {
		if n > 3*rate/2 {
			t.Errorf("%d of %d are told second %d, and %d can be let in", n, herd, second, rate)
		}
	}
	if wait := a.move(1); wait < leastMove || wait > leastMove+time.Second/rate {
		t.Errorf("one alone is told %s", wait)
	}
}

func TestAdmissionNeverPassesItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 50).Draw(t, "rate")
		a, start := newAdmission(rate), time.Unix(1000, 0)
		now, admitted := start, 0
		for _, ms := range rapid.SliceOfN(rapid.IntRange(0, 400), 1, 200).Draw(t, "gaps") {
			now = now.Add(time.Duration(ms) * time.Millisecond)
			wait := a.admit(now)
			if wait == 0 {
				admitted++
			}
			if wait < 0 || wait > mostRetry {
				t.Fatalf("told to wait %s", wait)
			}
		}
		if most := rate*(int(now.Sub(start)/time.Second)+2) + 1; admitted > most {
			t.Fatalf("%d admitted in %s at %d a second", admitted, now.Sub(start), rate)
		}
	})
}

func TestForgetsAreOwedUntilTheyAreHad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f forgets
		owed, sentIn := map[job.ID]bool{}, map[job.ID]uint64{}
		reply, next := uint64(0), byte(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				next++
				f.add(job.ID{next})
				owed[job.ID{next}] = true
			case 1:
				reply++
				for _, id := range f.take(reply, rapid.IntRange(0, 5).Draw(t, "limit")) {
					if !owed[id] || sentIn[id] != 0 {
						t.Fatalf("%x was sent and not owed, or twice", id)
					}
					sentIn[id] = reply
				}
			case 2:
				have := uint64(rapid.IntRange(0, int(reply)).Draw(t, "have"))
				f.have(have)
				for id, n := range sentIn {
					if n <= have {
						delete(owed, id)
						delete(sentIn, id)
					}
				}
			case 3:
				f.reopen()
				clear(sentIn)
				reply = 0
			}
			if f.size() != len(owed) {
				t.Fatalf("%d are held, %d are owed", f.size(), len(owed))
			}
		}
	})
}

func TestBlobsAreCountedExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBlobs(100 + wire.MaxBlob)
		mine := payer{&host{}, "standard"}
		refs, aside := map[byte]int{}, int64(0)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			which := byte(rapid.IntRange(1, 5).Draw(t, "blob"))
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				b.put([32]byte{which}, make([]byte, which), mine)
				refs[which]++
			case 1:
				b.unref([32]byte{which})
				refs[which] = max(refs[which]-1, 0)
			case 2:
				ok, freed := b.setAside(mine, int64(which), false)
				if ok {
					aside += int64(which)
				}
				if ok == (freed != nil) {
					t.Fatal("neither room nor something to wait for, or both")
				}
			case 3:
				b.giveBack(mine, aside)
				aside = 0
			}
			want := aside
			for size, n := range refs {
				if n > 0 {
					want += int64(size)
				}
				if known := b.by[[32]byte{size}]; (known != nil) != (n > 0) || known != nil && known.refs != n {
					t.Fatalf("blob %d is held %+v, want %d references", size, known, n)
				}
			}
			if b.held.total() != want || mine.host.bytes["standard"] != want {
				t.Fatalf("%d bytes are counted, %d of the host, want %d", b.held.total(), mine.host.bytes["standard"], want)
			}
		}
	})
}

func TestAWindowBeginsWithItsFirstCreditOnce(t *testing.T) {
	w := newWindow(wire.Credits{wire.EveryClass: 2, "bulk": 5})
	w.grant(wire.Credits{"other": 1})
	for class, want := range map[string]uint32{"bulk": 5, "other": 3, "new": 2} {
		if got := w.free(class); got != want {
			t.Errorf("class %s begins with %d, want %d", class, got, want)
		}
	}
	if got := w.take("new", 10); got != 2 || w.free("new") != 0 {
		t.Errorf("took %d of 2, %d are left", got, w.free("new"))
	}
	for i := range 2 * mostClasses {
		w.open(hostName(i))
	}
	if len(w.opened) > mostClasses || w.free("one too many") != 0 {
		t.Errorf("%d classes have a window", len(w.opened))
	}
}

func TestAHostThatInventsClassesShutsOutNobody(t *testing.T) {
	h := newHub(DefaultConfig(), nil, obs.Telemetry{})
	st := &stream{hub: h, window: newWindow(wire.Credits{wire.EveryClass: 10})}
	for i := range 3 * mostClasses {
		st.upward(hostName(i))
	}
	if len(st.classes) > mostClasses {
		t.Fatalf("%d classes", len(st.classes))
	}
	for _, c := range st.classes {
		if st.window.free(c.class) == 0 {
			t.Errorf("class %q has no window", c.class)
		}
	}
}

func TestWhatIsRememberedOfHostsIsBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxSessions = 2
	h := newHub(cfg, nil, obs.Telemetry{})
	for i := range 100 {
		h.host(fleet.HostID(hostName(i)))
	}
	if len(h.hosts) > rememberHosts*cfg.MaxSessions {
		t.Errorf("%d hosts are remembered", len(h.hosts))
	}
	for i := range 100 {
		h.host("h").setNumber(incarnationOf(hostName(i)), uint64(i))
	}
	if n := len(h.hosts["h"].numbers); n != rememberNumbers {
		t.Errorf("%d session numbers of one host are remembered", n)
	}
	if h.hosts["h"].lastNumber(incarnationOf(hostName(99))) != 99 || h.hosts["h"].lastNumber(incarnationOf(hostName(1))) != 0 {
		t.Error("it is not the newest that are remembered")
	}
}

func TestAQueueOfAHostWithoutCreditStaysInProportionToItsReleases(t *testing.T) {
	h := newHub(DefaultConfig(), nil, obs.Telemetry{})
	ho := h.host("h1")
	first := ho.hold(h.job(job.ID{1}), incarnationOf("h1"), "standard")
	first.send()
	for i := range 10_000 {
		r := ho.hold(h.job(job.ID{2, byte(i >> 8), byte(i)}), incarnationOf("h1"), "standard")
		r.send()
		r.forget()
	}
	if n := len(ho.classes[0].dirty); n > 4*mostLeftOver {
		t.Errorf("%d entries for one release", n)
	}
	if ho.classes[0].head() != first || ho.queued != 1 || h.tasks.total() != 1 {
		t.Errorf("%d queued, %d tasks", ho.queued, h.tasks.total())
	}
}
