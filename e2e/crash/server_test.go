package crash

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

func (c cluster) aggregatorDies(t *testing.T) {
	h, err := c.SDK.Host(t.Context(), "h1")
	if err != nil {
		t.Fatal(err)
	}
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	running := c.Run(t, client.Request{Command: rig.Gate(w, key, "3")})
	w.Await(t, hosts)
	c.Kill9(t, h.Aggregator)
	c.AwaitHost(t, "h1", "attached to the other aggregator of its room", func(now client.Host) bool {
		return now.Attached && now.Aggregator != h.Aggregator
	})
	after := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, after.ID), hosts, "SUCCEEDED")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, running.ID), hosts, "FAILED status 3")
	startedOnce(t, w, hosts)
	c.Restart(t, h.Aggregator)
}

func (c cluster) accessDies(t *testing.T) {
	for _, name := range []string{"access-1", "access-2"} {
		c.Kill9(t, name)
		j := c.Run(t, client.Request{Command: rig.Sh("true")})
		rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
		c.Restart(t, name)
	}
}

// ownerDies kills the owner while one task runs, one waits for its turn and
// nothing of either has been heard: the other scheduler reads in the store what
// was released and asks the rooms for the rest.
func (c cluster) ownerDies(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: rig.Gate(w, key, "7"), Concurrency: client.Amount{Count: 2}, Deadline: time.Hour})
	w.Await(t, 2)
	owner, err := c.Owner(t.Context(), j.Pool, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.Kill9(t, owner)
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "FAILED status 7")
	startedOnce(t, w, hosts)
	next, err := c.Owner(t.Context(), j.Pool, j.ID)
	if err != nil || next == owner {
		t.Errorf("it was owned by %s, which was killed, and is by %s (%v)", owner, next, err)
	}
	c.Restart(t, owner)
	if got, err := c.SDK.Job(t.Context(), j.ID); err != nil || got.Counts["FAILED"] != hosts {
		t.Errorf("after the return of its first owner the job has %v (%v)", got.Counts, err)
	}
}

// etcdDies: losing etcd alone stops no owner.
func (c cluster) etcdDies(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: rig.Gate(w, key, "0"), Concurrency: client.Amount{Count: 2}})
	w.Await(t, 2)
	c.Kill9(t, "etcd")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
	startedOnce(t, w, hosts)
	c.Restart(t, "etcd")
	after := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, after.ID), hosts, "SUCCEEDED")
}
