package rollout

import (
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// As long as a job runs on a host, that refuses every retry of it, whoever signed it.
func TestWhatFailedIsRetriedOnceNothingOfItLives(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: 2})}
	first, key, second := rig.NewWitness(t), rig.NewWitness(t), rig.NewWitness(t)
	parent := c.Run(t, client.Request{Hosts: []string{"h1"}, Command: rig.Gate(first, key, "3")})
	first.Await(t, 1)

	again := client.Request{Hosts: []string{"h1"}, Command: rig.Sh(second.Says("started"))}
	targets, err := c.SDK.Resolve(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	again.RetryOf = parent.ID // the servers would not resolve it: it has not ended
	signed, err := c.SDK.Sign(again, targets)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SDK.Submit(t.Context(), signed); err != nil {
		t.Fatal(err)
	}
	rig.WantAll(t, c.Settled(t, signed.ID), 1, "REFUSED parent_lives")

	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, parent.ID), 1, "FAILED status 3")
	job, err := c.SDK.Retry(t.Context(), parent.ID, []string{"FAILED"}, client.Request{Command: again.Command})
	if err != nil {
		t.Fatal(err)
	}
	rig.WantAll(t, c.Settled(t, job.ID), 1, "SUCCEEDED")
	if n := len(second.Lines(t)); n != 1 || job.ParentID != parent.ID {
		t.Errorf("it was started %d times, as a retry of %q", n, job.ParentID)
	}
	if _, err := c.SDK.Retry(t.Context(), job.ID, nil, client.Request{Command: again.Command}); client.CodeOf(err) != client.Invalid {
		t.Errorf("a job in which nothing failed is retried: %v", err)
	}
}
