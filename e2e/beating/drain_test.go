package beating

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// drainBudget is what every tier has to end in good order. What takes all of it
// was cut short.
const drainBudget = 5 * time.Second

// TestAProcessThatIsAskedToEndIsNotMissed ends every process of the cluster in
// turn and starts it again, while short commands run all the time and one watch
// follows a job from before the first end to after the last.
func TestAProcessThatIsAskedToEndIsNotMissed(t *testing.T) {
	t.Parallel()
	const hosts = 6
	c := rig.Start(t, devcluster.Options{Hosts: hosts, Rooms: []string{"bj01"}})
	long := newDeeds(t)
	toTheEnd := c.Run(t, client.Request{Command: long.gated(), Concurrency: client.Amount{Count: 1}})
	watched := follow(t, c.SDK, toTheEnd.ID)
	short := startLoad(t, c, client.Request{All: true, Concurrency: client.Amount{Count: 3}}, "0.1")
	critical := startLoad(t, c, client.Request{Hosts: []string{"h1", "h2"}, Class: "critical"}, "0.3") // its pool has one scheduler
	short.awaitMore(t, 0)
	critical.awaitMore(t, 0)
	let := 0
	for i, name := range c.Processes() {
		began, rounds, others := time.Now(), short.count(), critical.count()
		if i%4 == 0 && let < hosts-1 {
			let++
			long.letOne(t)
		}
		c.Drain(t, name, budgetOf(name))
		ended := time.Now()
		c.Restart(t, name)
		served := time.Now()
		short.awaitMore(t, rounds)
		critical.awaitMore(t, others)
		watched.await(t, let)
		t.Logf("%s: ended in %.1f s, served again after %.1f s, and %.1f s later jobs had ended",
			name, ended.Sub(began).Seconds(), served.Sub(ended).Seconds(), time.Since(served).Seconds())
	}
	long.letAll(t)
	short.judge(t, c, hosts)
	critical.judge(t, c, 2)
	long.judge(t, c, toTheEnd.ID, hosts)
	watched.judge(t, c, toTheEnd.ID)
	for _, name := range c.Processes() {
		for _, line := range c.Errors(t, name) {
			t.Errorf("%s says: %s", name, line)
		}
	}
}

// budgetOf is how long a process may take to end: etcd is not ours, and waits
// for its clients.
func budgetOf(name string) time.Duration {
	if name == "etcd" {
		return rig.Patience
	}
	return drainBudget
}
