package job

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

// judgeChain is what must hold of any chain, whatever has happened.
func judgeChain(t *rapid.T, m *Machine, o uint32, causes []Cause) {
	v := m.Task(o)
	if len(causes) == 0 || len(causes) > maxCauses {
		t.Fatalf("%s gives %d causes", say(v.Report), len(causes))
	}
	seen := map[CauseCode]bool{}
	for _, c := range causes {
		if c.Code.Means() == "" || seen[c.Code] {
			t.Fatalf("%s gives %s", say(v.Report), chain(causes))
		}
		seen[c.Code] = true
		if v.Report.State.Settled() && !c.Until.IsZero() {
			t.Fatalf("%s still ends: %s", say(v.Report), chain(causes))
		}
		if !v.Report.State.Settled() && c.Code != CauseQuarantined && c.Until.IsZero() {
			t.Fatalf("%s never ends: %s", say(v.Report), chain(causes))
		}
	}
	first := map[task.State]CauseCode{
		task.Unknown: CauseAwaitsLateOutcome, task.Dispatched: CauseNotConfirmed, task.Accepted: CauseExecutorBusy,
		task.Starting: CauseRunning, task.Running: CauseRunning,
	}[v.Report.State]
	if v.Overdue && v.Report.State == task.Running {
		first = CauseOverdue
	}
	if wish := m.Row().Wish; v.Released && v.Report.State.Live() &&
		(wish == task.DesiredStop || wish == task.DesiredWithdraw && v.Report.State < task.Starting) {
		first = CauseStopping
	}
	switch {
	case v.Report.State.Final() && (len(causes) > 1 || !seen[CauseSettled]):
		t.Fatalf("%s says %s", say(v.Report), chain(causes))
	case !v.Report.State.Final() && seen[CauseSettled]:
		t.Fatalf("%s says that it is settled", say(v.Report))
	case first != NoCause && (!v.Overdue || first == CauseStopping) && causes[0].Code != first:
		t.Fatalf("%s says first %s", say(v.Report), chain(causes))
	case !v.Report.State.Final() && v.Unreachable != seen[CauseHostAway]:
		t.Fatalf("unreachable is %v: %s", v.Unreachable, chain(causes))
	}
	if v.Released && !v.Report.State.Final() && seen[CauseStopping] != (m.Row().Wish >= task.DesiredWithdraw) {
		t.Fatalf("the wish is %v: %s", m.Row().Wish, chain(causes))
	}
}

// explainAll explains every task, twice, and proves that nothing came of it.
func explainAll(t *rapid.T, m *Machine) (all [][]Cause) {
	before := fmt.Sprintf("%+v", *m)
	for o := range uint32(m.Targets().Len()) {
		causes := m.Explain(o)
		judgeChain(t, m, o, causes)
		if again := m.Explain(o); !reflect.DeepEqual(again, causes) {
			t.Fatalf("one time %s, another %s", chain(causes), chain(again))
		}
		all = append(all, causes)
	}
	if after := fmt.Sprintf("%+v", *m); after != before {
		t.Fatalf("to explain has changed\n%s into\n%s", before, after)
	}
	return all
}

// nearest are the ordinals that say that nothing blocks them.
func nearest(m *Machine, all [][]Cause) (next []uint32) {
	for o, causes := range all {
		blocked := slices.ContainsFunc(causes, Cause.Blocks)
		if m.Task(uint32(o)).Report.State == task.Pending && !blocked {
			next = append(next, uint32(o))
		}
	}
	return next
}

// TestWhatIsNextAndWhatIsBlockedIsWhatTheReleaseDecides takes the release as the
// oracle: before it those, and only those, that it takes say that nothing holds
// them; after it nobody says so. Whatever may be said has been said before.
//
// Rules: explain
func TestWhatIsNextAndWhatIsBlockedIsWhatTheReleaseDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets := targetsOf(t, "r1: a b c d", "r2: e f g")
		m := New(drawSpec(t), targets)
		disk := newDisk(t, m)
		disk.anything = true
		now := dawn()
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 3, 10, 45}).Draw(t, "seconds")) * time.Second)
			for range rapid.IntRange(1, 4).Draw(t, "events") {
				_ = m.Step(now, drawEvent(t, targets)) // what it refuses has no effect
			}
			if err := m.Step(now, Tick{}); err != nil { // so that the Ready finds nothing else to do
				t.Fatal(err)
			}
			m.steer() // as it does first
			waiting := map[uint32]bool{}
			for o := range uint32(targets.Len()) {
				waiting[o] = m.Task(o).Report.State == task.Pending
			}
			next := nearest(m, explainAll(t, m))
			rd := m.Ready()
			disk.take(rd)
			taken := slices.DeleteFunc(slices.Clone(rd.Persist.Released), func(o uint32) bool { return !waiting[o] }) // not what a host has proved
			if !slices.Equal(taken, next) {
				t.Fatalf("released are %v, and %v said that they are next", taken, next)
			}
			if left := nearest(m, explainAll(t, m)); len(left) > 0 {
				t.Fatalf("%v say that nothing holds them, and were not released", left)
			}
			judgeNumbers(t, m)
		}
	})
}

// judgeNumbers counts by loops what the causes count by sets.
func judgeNumbers(t *rapid.T, m *Machine) {
	inFlight, ready := 0, 0
	for o := range uint32(m.Targets().Len()) {
		if v := m.Task(o); v.Released && !v.Report.State.Settled() {
			inFlight++
		}
	}
	for pos := range uint32(m.Targets().Len()) {
		o := m.plan.ordinal(pos)
		v, said := m.Task(o), false
		for _, c := range m.Explain(o) {
			said = said || c.Code == CauseConcurrency
			if c.Code == CauseConcurrency && (c.InFlight != inFlight || c.Limit != m.limit || inFlight < m.limit) {
				t.Fatalf("%d are in flight, and it says %+v", inFlight, c)
			}
			if c.Code == CauseOrder && c.Ahead != ready {
				t.Fatalf("%d stand before ordinal %d, and it says %+v", ready, o, c)
			}
		}
		if full := v.Report.State == task.Pending && inFlight >= m.limit; said != full {
			t.Fatalf("%d of %d are in flight, and ordinal %d says %s", inFlight, m.limit, o, chain(m.Explain(o)))
		}
		if v.Report.State == task.Pending && !v.Unreachable {
			ready++
		}
	}
}

// In the world of hosts that do not lie, with take-overs, restores of the store
// and a network that loses, every task has its reasons at every moment, before
// and after the take-over, and those of a take-over are the same but for times.
//
// Rules: explain take-over
func TestEveryTaskHasItsReasonsWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.restores = rapid.Bool().Draw(t, "restores")
		for range rapid.IntRange(0, 80).Draw(t, "acts") {
			w.act()
			explainAll(t, w.m)
		}
		w.calm()
		for o, causes := range explainAll(t, w.m) {
			if h := w.hosts[o]; !h.dead && causes[0].Code != CauseSettled {
				t.Fatalf("%s could be heard, and says %s", h.id, chain(causes))
			}
		}
		again := New(w.spec, w.m.targets)
		if err := again.Restore(w.disk.record()); err != nil {
			t.Fatal(err)
		}
		for o := range uint32(w.m.targets.Len()) {
			for i, c := range again.Explain(o) {
				if before := w.m.Explain(o)[i]; before.Code != c.Code || before.Seen != c.Seen || before.Concluded != c.Concluded {
					t.Fatalf("%+v after a restart, and before %+v", c, before)
				}
			}
		}
	})
}

func TestHowManyComeBeforeIsCountedRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 400).Draw(t, "size")
		set, want := ordinals{size: size}, make([]bool, size)
		for _, o := range rapid.SliceOf(rapid.Uint32Range(0, uint32(size-1))).Draw(t, "members") {
			set.add(o)
			want[o] = true
		}
		sum := 0
		for o := range size {
			if got := set.below(uint32(o)); got != sum {
				t.Fatalf("%d below %d, want %d", got, o, sum)
			}
			if want[o] {
				sum++
			}
		}
	})
}

// The names and numbers are those of the wire contract, which this package must
// not import.
func TestCodesAreNamedAndNumberedAsOnTheWire(t *testing.T) {
	text, err := os.ReadFile("../../../api/proto/ccs/types/v1/types.proto")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^\s+CAUSE_CODE_([A-Z_]+) = (\d+);`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 || n == 17 { // what an operator holds: kept free, and no code of any cause
			continue
		}
		if found++; CauseCode(n).String() != strings.ToLower(m[1]) {
			t.Errorf("code %d is %q here and %q on the wire", n, CauseCode(n), m[1])
		}
	}
	if found != len(CauseCodes()) {
		t.Errorf("%d codes here, %d on the wire", len(CauseCodes()), found)
	}
}
