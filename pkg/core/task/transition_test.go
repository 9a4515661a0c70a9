package task

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type edge struct{ from, to State }

// shared is every edge with more than one owner, and why that is safe.
var shared = map[edge]string{
	{Starting, Lost}:        "the host says it of its own disk, the scheduler of a host whose disk is gone",
	{Running, Lost}:         "as above",
	{Dispatched, Expired}:   "the agent says it; PAST_W proves it to the scheduler when the agent has nothing to say",
	{Dispatched, Canceled}:  "the executor records it; a ping has no record, so the agent answers",
	{Accepted, Canceled}:    "whoever creates the attempt's record first has decided",
	{Accepted, Expired}:     "whoever creates the attempt's record first has decided",
	{Accepted, StartFailed}: "whoever creates the attempt's record first has decided",
	{Running, Canceled}:     "the executor takes over only from a dead end-process",
	{Running, TimedOut}:     "the executor takes over only from a dead end-process",
	{Running, Failed}:       "the executor takes over only from a dead end-process",
	{Running, Succeeded}:    "the executor takes over only from a dead end-process",
}

func TestTransitionsOnlyGoForward(t *testing.T) {
	for e := range Transitions() {
		if e.To <= e.From {
			t.Errorf("%v %v -> %v goes backwards", e.By, e.From, e.To)
		}
		if e.From.Final() {
			t.Errorf("%v %v -> %v leaves a final state", e.By, e.From, e.To)
		}
		if e.When == "" {
			t.Errorf("%v %v -> %v does not say when", e.By, e.From, e.To)
		}
	}
}

func TestEveryEdgeHasOneOwnerUnlessItIsDocumented(t *testing.T) {
	owners := map[edge][]Actor{}
	for e := range Transitions() {
		k := edge{e.From, e.To}
		if slices.Contains(owners[k], e.By) {
			t.Errorf("%v %v -> %v is in the table twice", e.By, e.From, e.To)
		}
		owners[k] = append(owners[k], e.By)
	}
	for k, by := range owners {
		if _, ok := shared[k]; ok != (len(by) > 1) {
			t.Errorf("%v -> %v is owned by %v; documented as shared: %v", k.from, k.to, by, ok)
		}
	}
	for k := range shared {
		if owners[k] == nil {
			t.Errorf("%v -> %v is documented and not in the table", k.from, k.to)
		}
	}
}

func TestTheTableIsGroupedByActorAndOrderedAsATaskGoes(t *testing.T) {
	seen := map[Actor]bool{}
	var last Actor
	for e := range Transitions() {
		if e.By != last && seen[e.By] {
			t.Errorf("%v has two groups", e.By)
		}
		seen[e.By], last = true, e.By
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, []Actor{Scheduler, Agent, Executor, EndProcess}) {
		t.Errorf("groups are %v", got)
	}
}

func TestEveryLiveStateHasAWayOut(t *testing.T) {
	for _, s := range States() {
		host, scheduler := false, false
		for e := range Transitions() {
			if e.From == s && e.To.Settled() {
				host = host || e.By != Scheduler
				scheduler = scheduler || e.By == Scheduler
			}
		}
		if s.Live() && !scheduler {
			t.Errorf("the scheduler can never settle %v by itself", s)
		}
		if s.Live() && s != Pending && !host {
			t.Errorf("a host can never settle %v", s)
		}
	}
}

func TestEveryStateCanBeReached(t *testing.T) {
	reached := map[State]bool{Unspecified: true}
	for range States() {
		for e := range Transitions() {
			if reached[e.From] {
				reached[e.To] = true
			}
		}
	}
	for _, s := range States() {
		if !reached[s] {
			t.Errorf("%v cannot be reached", s)
		}
	}
}

// TestWhoMaySayAnOutcome is the column "who may say so" of architecture
// section 4, written down a second time.
func TestWhoMaySayAnOutcome(t *testing.T) {
	host := []Actor{Agent, Executor, EndProcess}
	for _, s := range States() {
		if !s.Settled() {
			continue
		}
		byHost, byScheduler := false, false
		for e := range Transitions() {
			if e.To == s {
				byHost = byHost || slices.Contains(host, e.By)
				byScheduler = byScheduler || e.By == Scheduler
			}
		}
		wantScheduler := slices.Contains([]State{Unknown, Skipped, Expired, Canceled, Lost}, s)
		wantHost := s != Unknown && s != Skipped
		if byHost != wantHost || byScheduler != wantScheduler {
			t.Errorf("%v: host may %v, scheduler may %v", s, byHost, byScheduler)
		}
	}
}

func TestNobodyButThoseNamedMay(t *testing.T) {
	for _, c := range []struct {
		sentence string
		by       Actor
		from, to State
		want     bool
	}{
		{"a release is the scheduler's", Scheduler, Pending, Dispatched, true},
		{"a host does not release", Agent, Pending, Dispatched, false},
		{"what was never released is skipped", Scheduler, Pending, Skipped, true},
		{"what was released is never skipped", Scheduler, Dispatched, Skipped, false},
		{"what was released is canceled by its host alone", Scheduler, Dispatched, Canceled, false},
		{"PAST_W expires what was only dispatched", Scheduler, Dispatched, Expired, true},
		{"nothing expires once the host has it on disk, but on the host", Scheduler, Accepted, Expired, false},
		{"the agent answers a ping without a process", Agent, Dispatched, Succeeded, true},
		{"the executor answers no ping", Executor, Dispatched, Succeeded, false},
		{"the agent refuses before the executor has it", Agent, Dispatched, Refused, true},
		{"what was accepted is not refused", Agent, Accepted, Refused, false},
		{"only the executor's disk makes it accepted", Agent, Dispatched, Accepted, false},
		{"only the end-process creates the record of a start", Executor, Accepted, Starting, false},
		{"only the end-process creates the record of a start", EndProcess, Accepted, Starting, true},
		{"what has begun to start does not expire", EndProcess, Starting, Expired, false},
		{"the end-process cannot say that it is lost", EndProcess, Running, Lost, false},
		{"before the leader is known the executor can only lose it", Executor, Starting, Succeeded, false},
		{"a scheduler does not end a task well", Scheduler, Running, Succeeded, false},
		{"a late outcome is heard, not made: it goes through Join", EndProcess, Unknown, Succeeded, false},
		{"nobody may do anything", 0, Pending, Dispatched, false},
		{"standing still is no transition", Scheduler, Pending, Pending, false},
	} {
		if got := May(c.by, c.from, c.to); got != c.want {
			t.Errorf("%s: May(%v, %v, %v) = %v", c.sentence, c.by, c.from, c.to, got)
		}
	}
}

func TestEveryWalkThroughTheTableEndsFinalAndMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := Report{Attempt: 1}
		for steps := 0; !seen.State.Final(); steps++ {
			var out []Transition
			for e := range Transitions() {
				if e.From == seen.State && May(e.By, e.From, e.To) {
					out = append(out, e)
				}
			}
			if len(out) == 0 || steps > 6 {
				t.Fatalf("stuck in %v after %d steps", seen.State, steps)
			}
			next := seen
			next.State = rapid.SampledFrom(out).Draw(t, "edge").To
			if Join(seen, next) != next {
				t.Fatalf("%v does not outrank %v", next, seen)
			}
			seen = next
		}
	})
}

func TestAReaderOfTheTableMayStopEarly(t *testing.T) {
	n := 0
	for range Transitions() {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("read %d edges", n)
	}
}

func TestActorsAreNamed(t *testing.T) {
	want := []string{"nobody", "scheduler", "agent", "executor", "end-process", "nobody"}
	for a, name := range want {
		if got := Actor(a).String(); got != name {
			t.Errorf("actor %d is %q, want %q", a, got, name)
		}
	}
}
