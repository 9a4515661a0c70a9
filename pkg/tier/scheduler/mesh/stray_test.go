package mesh

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ccs-project/ccs/pkg/core/fleet"
	"github.com/ccs-project/ccs/pkg/core/job"
)

func strayID(n byte) job.ID { return job.NewID(time.Unix(1_800_000_000, 0), [10]byte{n}) }

// forgets are the hosts of each job in the messages that can be sent.
func forgets(t *testing.T, q *queue) map[job.ID][]string {
	t.Helper()
	out := map[job.ID][]string{}
	for _, msg := range drain(t, q) {
		w := msg.GetWishes()
		id, err := job.IDFromBytes(w.GetJobId())
		if err != nil || len(w.GetForget()) == 0 || len(w.GetForget()) > maxReleases || len(w.GetStop()) > 0 {
			t.Fatalf("%v: %v", err, msg)
		}
		for _, h := range w.GetForget() {
			out[id] = append(out[id], h.GetHostId())
		}
	}
	return out
}

func TestAHostThatSpeaksOfAJobThatIsGoneIsToldToForgetIt(t *testing.T) {
	q := testQueue(0)
	for range 2 { // it says so twice
		q.strays.add(strayID(1), "h1")
	}
	q.strays.add(strayID(1), "h2")
	q.strays.add(strayID(2), "h1")
	got := forgets(t, q)
	if len(got) != 2 || !slices.Equal(got[strayID(1)], []string{"h1", "h2"}) || !slices.Equal(got[strayID(2)], []string{"h1"}) {
		t.Errorf("told were %v", got)
	}
	if again := forgets(t, q); len(again) != 0 {
		t.Errorf("told again were %v", again)
	}
	q.strays.add(strayID(1), "h1") // it did not get it
	if got := forgets(t, q); len(got[strayID(1)]) != 1 {
		t.Errorf("who says it again is told %v", got)
	}
}

func TestForgetsForJobsThatAreGoneAreBoundedAndGoInPieces(t *testing.T) {
	q := testQueue(0)
	for i := range maxStrays + 10 {
		q.strays.add(strayID(1), fleet.HostID(fmt.Sprintf("h%d", i)))
	}
	hosts := forgets(t, q)[strayID(1)]
	slices.Sort(hosts)
	if n := len(slices.Compact(hosts)); n != maxStrays {
		t.Errorf("%d hosts were told, want %d", n, maxStrays)
	}
	if q.strays.n != 0 || len(q.strays.jobs) != 0 {
		t.Errorf("%d are left of %d jobs", q.strays.n, len(q.strays.jobs))
	}
}
