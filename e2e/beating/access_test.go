package beating

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

func TestAWatchGoesOnAtTheOtherReplicaWhenItsOwnIsKilled(t *testing.T) {
	const hosts = 6
	c := rig.Start(t, devcluster.Options{Hosts: hosts})
	d := newDeeds(t)
	j := c.Run(t, client.Request{Command: d.gated(), Concurrency: client.Amount{Count: 1}})
	f := follow(t, c.SDK, j.ID)
	for ended := 0; ended < hosts; ended += 2 {
		d.letOne(t)
		f.await(t, ended+1)
		replica := c.Replica(t)
		d.letOne(t) // and nobody knows whether this one is heard before or after
		c.Kill9(t, replica)
		f.await(t, ended+2)
		if now := c.Replica(t); now == replica {
			t.Errorf("the watch came from %s, which was killed, and still does", replica)
		}
		c.Restart(t, replica)
	}
	f.judge(t, c, j.ID)
	d.judge(t, c, j.ID, hosts)
}

// A submission in flight: it has reached the scheduler, which has not read it,
// when access is killed. So it is durable, and nobody was told.
func TestASubmissionThatWasInFlightWhenAccessWasKilledIsOneJob(t *testing.T) {
	const hosts = 2
	c := rig.Start(t, devcluster.Options{Hosts: hosts})
	d, before := newDeeds(t), newDeeds(t)
	owner, signed, earlier := sameOwner(t, c, d, before)
	if err := submit(t.Context(), c, earlier); err != nil { // now access has a connection to the owner
		t.Fatal(err)
	}
	before.judge(t, c, earlier.ID, hosts)
	replica := c.Replica(t)
	c.Pause(t, owner)
	submitted := make(chan error, 1)
	go func() { submitted <- submit(t.Context(), c, signed) }()
	c.AwaitUnread(t, owner, weight)
	c.Kill9(t, replica)
	c.Resume(t, owner)
	if err := <-submitted; err != nil {
		t.Error(err)
	}
	d.judge(t, c, signed.ID, hosts)
	if err := submit(t.Context(), c, signed); err != nil { // and once more
		t.Error(err)
	}
	onlyJobs(t, c, signed.ID, earlier.ID)
	d.judge(t, c, signed.ID, hosts)
	c.Restart(t, replica)
}

// Of many submissions under way each has got to another point.
func TestSubmissionsUnderWayWhenAccessIsKilledAreOneJobEach(t *testing.T) {
	const hosts, many = 2, 16
	c := rig.Start(t, devcluster.Options{Hosts: hosts})
	all, ids := make([]*client.Signed, many), make([]string, many)
	deed := make([]deeds, many)
	for i := range many {
		deed[i] = newDeeds(t)
		all[i] = sign(t, c, deed[i])
		ids[i] = all[i].ID
	}
	replica := c.Replica(t)
	var flight errgroup.Group
	for _, signed := range all {
		flight.Go(func() error { return submit(t.Context(), c, signed) })
	}
	deed[0].awaitBegun(t, 1)
	c.Kill9(t, replica)
	if err := flight.Wait(); err != nil {
		t.Error(err)
	}
	for i, id := range ids {
		deed[i].judge(t, c, id, hosts)
	}
	onlyJobs(t, c, ids...)
}

// sameOwner makes two jobs that the same scheduler owns.
func sameOwner(t *testing.T, c *rig.Cluster, one, other deeds) (owner string, first, second *client.Signed) {
	t.Helper()
	first = sign(t, c, one)
	for {
		second = sign(t, c, other)
		a, errA := c.Owner(t.Context(), "standard", first.ID)
		b, errB := c.Owner(t.Context(), "standard", second.ID)
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if a == b {
			return a, first, second
		}
	}
}

// weight is how many bytes a signed job has at least.
const weight = 20_000

// sign makes a heavy job for all hosts.
func sign(t *testing.T, c *rig.Cluster, d deeds) *client.Signed {
	t.Helper()
	r := client.Request{All: true, Command: d.brief("0.1")}
	r.Command.Stdin = make([]byte, weight)
	targets, err := c.SDK.Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := c.SDK.Sign(r, targets)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func submit(ctx context.Context, c *rig.Cluster, signed *client.Signed) error {
	switch j, err := c.SDK.Submit(ctx, signed); {
	case err != nil:
		return err
	case j.ID != signed.ID:
		return fmt.Errorf("job %s was submitted and %s is there", signed.ID, j.ID)
	}
	return nil
}

// onlyJobs checks that there are these jobs, each once, and no other.
func onlyJobs(t *testing.T, c *rig.Cluster, ids ...string) {
	t.Helper()
	times := map[string]int{}
	for j, err := range c.SDK.Jobs(t.Context(), client.JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		times[j.ID]++
	}
	for _, id := range ids {
		if times[id] != 1 {
			t.Errorf("job %s is there %d times", id, times[id])
		}
	}
	if len(times) != len(ids) {
		t.Errorf("there are %d jobs, want %d", len(times), len(ids))
	}
}
