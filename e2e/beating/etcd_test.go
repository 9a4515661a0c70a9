package beating

import (
	"context"
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// away is how long etcd is: longer than every lease.
const away = 30 * time.Second

// Losing etcd alone stops no owner: what runs goes on, and what is submitted
// goes to the owners that are known, and runs.
func TestWhileEtcdIsAwayJobsRunAndNewOnesAreTaken(t *testing.T) {
	t.Parallel() // it mostly waits for etcd's return
	const hosts = 6
	c := rig.Start(t, devcluster.Options{Hosts: hosts + 1, Away: []string{"h7"}})
	c.AwaitWhole(t)
	present := client.Request{Hosts: []string{"h1", "h2", "h3", "h4", "h5", "h6"}}
	request := func(d client.Command, atOnce uint32) client.Request {
		r := present
		r.Command, r.Concurrency = d, client.Amount{Count: atOnce}
		return r
	}
	long, slow := newDeeds(t), newDeeds(t)
	toTheEnd := c.Run(t, request(long.gated(), hosts))
	oneByOne := c.Run(t, request(slow.gated(), 1))
	long.awaitBegun(t, hosts)
	watched := follow(t, c.SDK, oneByOne.ID)

	c.Kill9(t, "etcd")
	back := time.Now().Add(away)
	for n := 1; time.Now().Before(back); n++ {
		d := newDeeds(t)
		j := c.Run(t, request(d.brief("1"), hosts/2))
		if n < hosts {
			slow.letOne(t)
			watched.await(t, n)
		}
		d.judge(t, c, j.ID, hosts)
	}
	c.Restart(t, "etcd")

	c.AwaitWhole(t)
	slow.letAll(t)
	long.letAll(t)
	slow.judge(t, c, oneByOne.ID, hosts)
	watched.judge(t, c, oneByOne.ID)
	long.judge(t, c, toTheEnd.ID, hosts)
	allIsNormal(t, c, "h7")
}

// allIsNormal does what needs every part of the control plane: a host enrols,
// and a scheduler that is killed is replaced.
func allIsNormal(t *testing.T, c *rig.Cluster, host string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*rig.Patience)
	defer cancel()
	if err := c.StartHost(ctx, host); err != nil {
		t.Fatal(err)
	}
	d := newDeeds(t)
	all := len(c.Hosts(t))
	j := c.Run(t, client.Request{Command: d.gated()})
	d.awaitBegun(t, all)
	owner, err := c.Owner(t.Context(), j.Pool, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.Kill9(t, owner)
	d.letAll(t)
	d.judge(t, c, j.ID, all)
	if next, err := c.Owner(t.Context(), j.Pool, j.ID); err != nil || next == owner {
		t.Errorf("job %s was owned by %s, which was killed, and is by %q (%v)", j.ID, owner, next, err)
	}
	c.Restart(t, owner)
	c.AwaitWhole(t)
}
