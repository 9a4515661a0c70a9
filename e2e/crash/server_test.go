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
	running := c.Run(t, client.Request{Command: gate(w, key, "3")})
	w.Await(t, hosts)
	kill9(t, c.Cluster, h.Aggregator)
	rig.Eventually(t, func() string {
		now, err := c.SDK.Host(t.Context(), "h1")
		if err != nil {
			return err.Error()
		}
		if !now.Attached || now.Aggregator == h.Aggregator {
			return "h1 is not attached to the other aggregator of its room"
		}
		return ""
	})
	after := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, after.ID), hosts, "SUCCEEDED")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, running.ID), hosts, "FAILED status 3")
	startedOnce(t, w, hosts)
	restart(t, c.Cluster, h.Aggregator)
}

func (c cluster) accessDies(t *testing.T) {
	for _, name := range []string{"access-1", "access-2"} {
		kill9(t, c.Cluster, name)
		j := c.Run(t, client.Request{Command: rig.Sh("true")})
		rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
		restart(t, c.Cluster, name)
	}
}

// ownerDies kills the owner while one task runs, one waits for its turn and
// nothing of either has been heard: the other scheduler reads in the store what
// was released and asks the rooms for the rest.
func (c cluster) ownerDies(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: gate(w, key, "7"), Concurrency: client.Amount{Count: 2}, Deadline: time.Hour})
	w.Await(t, 2)
	owner, err := c.Owner(t.Context(), j.Pool, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	kill9(t, c.Cluster, owner)
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "FAILED status 7")
	startedOnce(t, w, hosts)
	next, err := c.Owner(t.Context(), j.Pool, j.ID)
	if err != nil || next == owner {
		t.Errorf("it was owned by %s, which was killed, and is by %s (%v)", owner, next, err)
	}
	restart(t, c.Cluster, owner)
	if got, err := c.SDK.Job(t.Context(), j.ID); err != nil || got.Counts["FAILED"] != hosts {
		t.Errorf("after the return of its first owner the job has %v (%v)", got.Counts, err)
	}
}

// etcdDies: losing etcd alone stops no owner.
func (c cluster) etcdDies(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: gate(w, key, "0"), Concurrency: client.Amount{Count: 2}})
	w.Await(t, 2)
	kill9(t, c.Cluster, "etcd")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
	startedOnce(t, w, hosts)
	restart(t, c.Cluster, "etcd")
	after := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, after.ID), hosts, "SUCCEEDED")
}
