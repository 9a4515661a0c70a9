package beating

import (
	"slices"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// One room, so that all hosts are concerned.
func TestTheHostsOfAKilledAggregatorGoOnAtTheOtherOneOfTheirRoom(t *testing.T) {
	const hosts = 6
	c := rig.Start(t, devcluster.Options{Hosts: hosts, Rooms: []string{"bj01"}})
	const first, second = "aggregator-bj01-1", "aggregator-bj01-2"

	long, ending, slow := newDeeds(t), newDeeds(t), newDeeds(t)
	toTheEnd := c.Run(t, client.Request{Command: long.gated()})
	thatEndsNow := c.Run(t, client.Request{Command: ending.gated()})
	twoAtATime := c.Run(t, client.Request{Command: slow.brief("0.5"), Concurrency: client.Amount{Count: 2}})
	watched := follow(t, c.SDK, toTheEnd.ID)
	long.awaitBegun(t, hosts)
	ending.awaitBegun(t, hosts)

	victim := aggregatorOf(t, c, "h1")
	heir := map[string]string{first: second, second: first}[victim]
	ending.letAll(t)
	c.Kill9(t, victim)
	awaitAllAt(t, c, hosts, heir)

	c.Restart(t, victim) // on the same port
	late := newDeeds(t)
	thatBeganLate := c.Run(t, client.Request{Command: late.gated()})
	late.awaitBegun(t, hosts)
	c.Kill9(t, heir)
	awaitAllAt(t, c, hosts, victim)
	c.Restart(t, heir)

	late.letAll(t)
	long.letAll(t)
	ending.judge(t, c, thatEndsNow.ID, hosts)
	slow.judge(t, c, twoAtATime.ID, hosts)
	late.judge(t, c, thatBeganLate.ID, hosts)
	long.judge(t, c, toTheEnd.ID, hosts)
	watched.judge(t, c, toTheEnd.ID)
}

func aggregatorOf(t *testing.T, c *rig.Cluster, host string) string {
	t.Helper()
	h, err := c.SDK.Host(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	return h.Aggregator
}

// awaitAllAt waits until all schedulers know all hosts at an aggregator.
func awaitAllAt(t *testing.T, c *rig.Cluster, n int, aggregator string) {
	t.Helper()
	var all []string
	for h, err := range c.SDK.Hosts(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h.ID)
		c.AwaitHost(t, h.ID, "attached to "+aggregator, func(h client.Host) bool { return h.Attached && h.Aggregator == aggregator })
	}
	if slices.Sort(all); len(all) != n {
		t.Errorf("there are %v", all)
	}
}
