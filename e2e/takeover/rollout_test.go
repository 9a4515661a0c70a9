package takeover

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

// clock is a witness of when commands begin.
type clock struct{ rig.Witness }

func newClock(t *testing.T) clock {
	t.Helper()
	return clock{rig.NewWitness(t)}
}

// tells is shell text that tells the time.
func (c clock) tells() string { return c.Says("$(date +%s.%N)") }

// times are when commands began, in order.
func (c clock) times(t *testing.T) (all []time.Time) {
	t.Helper()
	for _, line := range c.Lines(t) {
		seconds, err := strconv.ParseFloat(line, 64)
		if err != nil {
			t.Fatalf("the witness says %q", line)
		}
		all = append(all, time.UnixMicro(int64(seconds*1e6)))
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// each is how long each command of a rollout takes: one after the other they last
// far longer than a change of owners.
const each = 400 * time.Millisecond

// rollout is a job on all hosts, one after the other.
type rollout struct {
	*rig.Cluster
	*client.Signed
	began clock
	owner string
}

// newRollout makes one that a scheduler owns when both are there.
func newRollout(t *testing.T, c *rig.Cluster, home string) *rollout {
	t.Helper()
	r := &rollout{Cluster: c, began: newClock(t)}
	r.Signed = c.SignFor(t, pool, home, client.Request{
		Concurrency: client.Amount{Count: 1},
		Command:     rig.Sh(r.began.tells() + fmt.Sprintf("sleep %.1f", each.Seconds())),
	})
	return r
}

// start submits it and waits until it is well under way.
func (r *rollout) start(t *testing.T) {
	t.Helper()
	r.Submit(t, r.Signed)
	r.owner = r.OwnerOf(t, pool, r.ID)
	r.began.Await(t, 3)
}

// judge waits until another scheduler owns it, which must be in the middle, and
// then until its end.
func (r *rollout) judge(t *testing.T, heir, what string) {
	t.Helper()
	if got := r.AwaitOtherOwner(t, pool, r.ID, r.owner); got != heir {
		t.Errorf("the rollout was owned by %s and is by %s, want %s", r.owner, got, heir)
	}
	if n := len(r.began.Lines(t)); n >= hosts {
		t.Errorf("the rollout was over before its owner changed")
	}
	tasks := r.Settled(t, r.ID)
	rig.WantAll(t, tasks, hosts, "SUCCEEDED")
	times := r.began.times(t)
	if len(times) != hosts {
		t.Errorf("%d commands have begun, want %d", len(times), hosts)
	}
	for host, task := range tasks {
		if task.Attempt != 1 {
			t.Errorf("%s has attempt %d", host, task.Attempt)
		}
	}
	var longest time.Duration
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1])-each)
	}
	t.Logf("while %s the longest pause between an end and the next dispatch was %v", what, longest.Round(time.Millisecond))
	if longest > handOver {
		t.Errorf("while %s no command began for %v, and it may be %v", what, longest, handOver)
	}
}
