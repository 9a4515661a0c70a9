package aggregator

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	sessionv1 "github.com/ccs-project/ccs/api/gen/ccs/session/v1"
	"github.com/ccs-project/ccs/pkg/core/task"
	"github.com/ccs-project/ccs/pkg/state/coord"
	"github.com/ccs-project/ccs/pkg/wire"
)

func TestAClassWhoseOwnerIsGoneStopsNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.classes("standard", "bulk")
		a, b := w.here("h1"), w.here("h2")
		s := w.owner("s1", 1) // of the pool standard; nobody owns bulk
		w.leaveRoom("bulk", 0)
		orphan := a.report(w.job("bulk", 0, "h1"), task.Succeeded)
		orphan.Pool = "bulk"
		a.say(orphan)
		for range 3 {
			j := w.job("standard", 0, "h2")
			s.dispatch(j, "h2")
			b.say(b.report(j, task.Succeeded))
			s.forget(j, "h2")
			b.say()
		}
		if s.credit("standard") != 3 || b.credit("standard") != 3 || a.credit("bulk") != 0 {
			t.Errorf("granted again: %d releases and %d reports of standard, want 3 and 3; %d reports of bulk, want 0",
				s.credit("standard"), b.credit("standard"), a.credit("bulk"))
		}
		for _, output := range []string{"one output", "the other"} {
			within(t, 0, "an upload of standard", func() {
				if err := b.put(bytes.Repeat([]byte(output), 1<<19)); err != nil {
					t.Error(err)
				}
			})
		}
		if err := a.putAs("bulk", []byte("of bulk")); status.Code(err) != codes.Unavailable {
			t.Errorf("an upload of bulk: %v", err)
		}
		within(t, 0, "the next one of the host that waited in vain", func() {
			if err := a.putAs("bulk", []byte("of bulk")); status.Code(err) != codes.Unavailable {
				t.Errorf("an upload of bulk: %v", err)
			}
			if err := a.put([]byte("of standard")); err != nil {
				t.Errorf("behind it, of standard: %v", err)
			}
		})
	})
}

func TestATableFullOfOneClassLeavesAnotherItsShare(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.classes("standard", "bulk")
		a := w.here("h1")
		s := w.owner("s1", 1)
		var bulk []*aJob
		for range 60 {
			bulk = append(bulk, w.job("bulk", 0, "h1"))
			a.say(a.report(bulk[len(bulk)-1], task.Running))
		}
		before := a.credit("bulk")
		if before == 0 || before >= 60 {
			t.Fatalf("%d of 60 of bulk were granted again", before)
		}
		j := w.job("standard", 0, "h1")
		s.dispatch(j, "h1")
		a.say(a.report(j, task.Running))
		a.say(a.report(w.job("standard", 0, "h1"), task.Running))
		if s.credit("standard") != 1 || a.credit("standard") != 2 {
			t.Errorf("granted again: %d releases and %d reports of standard, want 1 and 2", s.credit("standard"), a.credit("standard"))
		}
		for _, done := range bulk {
			s.forget(done, "h1")
		}
		a.say()
		if got := a.credit("bulk"); got != 60 {
			t.Errorf("with room again %d of 60 of bulk were granted", got)
		}
	}, func(c *Config) { c.MaxTasks = 48 })
}

func TestOneHostThatReportsNoneOfItsOutputsTakesLittle(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.here("h1")
		w.owner("s1", 1)
		for i := range 5 {
			if err := a.put(bytes.Repeat([]byte{byte(i)}, wire.MaxBlob)); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Millisecond)
		}
		if got := ask(w, func(h *hub) int64 { return h.blobs.held.total() }); got > mostHostBytes {
			t.Errorf("%d bytes are held for it", got)
		}
		newest := digestOf(bytes.Repeat([]byte{4}, wire.MaxBlob))
		if !ask(w, func(h *hub) bool { return h.blobs.by[newest] != nil }) {
			t.Error("it is not the oldest that went")
		}
		w.pass(keepUpload + w.cfg.HeartbeatInterval)
		w.empty()
	})
}

func TestTwoHostsThatHoldHalfOfTheirOutputsDoNotWaitForEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		hosts := []*agent{w.here("h1"), w.here("h2")}
		s := w.owner("s1", 1)
		w.leaveRoom("standard", 3*wire.MaxBlob)
		j := w.job("standard", 0, "h1", "h2")
		outputs := map[*agent][2][]byte{}
		for i, a := range hosts {
			outputs[a] = [2][]byte{bytes.Repeat([]byte{byte(i)}, wire.MaxBlob), bytes.Repeat([]byte{byte(i), 9}, wire.MaxBlob/2)}
			if err := a.put(outputs[a][0]); err != nil {
				t.Fatal(err)
			}
		}
		// The room for one more blob is for who completes a report, one after the other.
		if err := w.here("h3").put([]byte("a third first one")); status.Code(err) != codes.Unavailable {
			t.Errorf("the room for second ones is given away: %v", err)
		}
		done := make(chan *agent, len(hosts))
		for _, a := range hosts {
			go func() {
				if err := a.putInTheEnd("standard", outputs[a][1]); err != nil {
					t.Error(err)
				}
				done <- a
			}()
		}
		for range hosts {
			w.goOn(time.Second, hosts...)
			w.goOn(time.Second, hosts...)
			select {
			case a := <-done:
				a.say(a.finishedWith(j, outputs[a][0], outputs[a][1]))
				s.forget(j, a.name)
			default:
				t.Fatal("both wait")
			}
		}
		if got := len(s.reports()); got != 2 {
			t.Errorf("%d reports went up", got)
		}
	})
}

func TestNoClassCanUseUpTheShareOfAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(100, 10)
		for _, class := range []string{"critical", "standard", "bulk"} {
			b.open(class)
		}
		payers := []string{wire.EveryClass, "critical", "standard", "bulk"}
		used := map[string]int64{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := rapid.SampledFrom(payers).Draw(t, "payer")
			if n := rapid.Int64Range(-20, 40).Draw(t, "n"); n <= b.free(p) && used[p]+n >= 0 {
				b.charge(p, n)
				used[p] += n
			}
			if b.total() > b.limit {
				t.Fatalf("%d of %d are taken", b.total(), b.limit)
			}
			for _, p := range payers {
				if free := b.free(p); free < b.share-used[p] || free > b.limit-b.total() {
					t.Fatalf("%d are free for %s, which has %d of its share of %d; %d are taken in all", free, p, used[p], b.share, b.total())
				}
			}
		}
	})
}

func TestInventedClassesShareWhatIsForOthers(t *testing.T) {
	b := newBudget(100, 10)
	for i := range 3 * mostShares {
		b.open(hostName(i))
	}
	if len(b.used) != mostShares || b.payer(hostName(0)) != hostName(0) || b.payer("invented") != wire.EveryClass {
		t.Errorf("%d classes have a share; %q and %q pay", len(b.used), b.payer(hostName(0)), b.payer("invented"))
	}
}

// classes makes classes known, each with a pool of its own.
func (w *world) classes(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if err := coord.PutClass(w.t.Context(), w.coord, name, name); err != nil {
			w.t.Fatal(err)
		}
	}
	w.settle()
}

// leaveRoom lets others have taken all but this much of the room for outputs
// that a class may have.
func (w *world) leaveRoom(class string, size int64) {
	ask(w, func(h *hub) bool {
		held := &h.blobs.held
		held.charge(held.payer(class), held.free(held.payer(class))-size)
		return true
	})
}

// goOn lets time pass for hosts that stay.
func (w *world) goOn(d time.Duration, hosts ...*agent) {
	w.pass(d)
	for _, a := range hosts {
		a.beat(&sessionv1.Heartbeat{})
	}
	w.settle()
}
