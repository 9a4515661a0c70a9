package job

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ccs-project/ccs/pkg/core/task"
)

func TestEveryStateHasItsOwnCount(t *testing.T) {
	var c Counts
	for i, s := range task.States() {
		c.n[s/64] = uint32(i + 1)
	}
	for i, s := range task.States() {
		if got := c.Of(s); got != i+1 {
			t.Errorf("%s counts %d, want %d: two states share a count", s, got, i+1)
		}
	}
}

func TestCountsAreListedInTheOrderOfTheStates(t *testing.T) {
	var c Counts
	c.n[task.Succeeded/64], c.n[task.Pending/64], c.n[task.Lost/64] = 3, 1, 2
	var states []task.State
	for s, n := range c.All() {
		states = append(states, s)
		if n != c.Of(s) {
			t.Errorf("%s: %d", s, n)
		}
	}
	if len(states) != 3 || states[0] != task.Pending || states[1] != task.Lost || states[2] != task.Succeeded {
		t.Errorf("states %v", states)
	}
	for range c.All() {
		break // may be left early
	}
}

func TestCountsAreReadBackAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Counts
		for _, s := range task.States() {
			c.n[s/64] = rapid.Uint32Range(0, MaxTargets).Draw(t, s.String())
		}
		if got := CountsOf(c.All()); got != c {
			t.Fatalf("%v is read back as %v", c, got)
		}
	})
	strange := func(yield func(task.State, int) bool) {
		_ = yield(100, 1) && yield(64*99, 1) && yield(task.Running, -1)
	}
	if got := CountsOf(strange); got != (Counts{}) {
		t.Errorf("what is no count is read as %v", got)
	}
}

func TestWhatIsCountedOnDiskSurvivesARestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Counts
		total, released := 0, 0
		for _, s := range task.States() {
			n := rapid.IntRange(0, 9).Draw(t, s.String())
			c.n[s/64] = uint32(n)
			total += n
			if s.Live() && s != task.Pending {
				released += n
			}
		}
		d := c.durable()
		if d.Of(task.Dispatched) != released || d.unsettled() != c.unsettled() || d.durable() != d {
			t.Fatalf("%v is written as %v", c, d)
		}
		sum := 0
		for _, n := range d.All() {
			sum += n
		}
		if sum != total {
			t.Fatalf("%d tasks became %d", total, sum)
		}
		if got := (Row{Counts: c}).InFlight(); got != released {
			t.Fatalf("%d are in flight, want %d", got, released)
		}
	})
}

func TestTheStatesOfAJobHaveTheirWireNames(t *testing.T) {
	for s, want := range map[State]string{
		0: "UNSPECIFIED", Running: "RUNNING", Paused: "PAUSED", Stopping: "STOPPING", Done: "DONE", Quarantined: "QUARANTINED", 6: "UNSPECIFIED",
	} {
		if got := s.String(); got != want {
			t.Errorf("%d is %s, want %s", s, got, want)
		}
	}
}

func TestAnEmptyReadyOwesNothing(t *testing.T) {
	if rd := (Ready{}); !rd.Empty() {
		t.Error("an empty Ready owes something")
	}
	for _, rd := range []Ready{
		{Persist: Persist{Row: &Row{}}},
		{Send: Send{Dispatch: []Dispatch{{}}}},
		{Send: Send{Wishes: []Wish{{}}}},
		{Send: Send{Forget: []uint32{0}}},
		{Send: Send{Query: []uint32{0}}},
		{Changed: []uint32{0}},
		{Settled: true},
	} {
		if rd.Empty() {
			t.Errorf("%+v owes nothing", rd)
		}
	}
}
