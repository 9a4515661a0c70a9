// Package away proves what becomes of a task whose host is away when the job
// is submitted.
package away

import (
	"testing"
	"time"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const hosts = 4

// cluster is what the parts of the test share; they do not disturb each other.
type cluster struct{ *rig.Cluster }

func TestAHostThatWasAwayAtSubmit(t *testing.T) {
	t.Parallel()
	c := cluster{rig.Start(t, devcluster.Options{Hosts: hosts})}
	for _, away := range []string{"h3", "h4"} {
		c.Stop(t, "agent-"+away)
		c.AwaitAway(t, away)
	}
	t.Run("gets its task when it comes back within the TTL", c.comesBack)
	t.Run("does not start it when it comes back too late", c.comesTooLate)
	t.Run("does not keep the others waiting", c.othersGoOn)
}

func (c cluster) comesBack(t *testing.T) {
	w := rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h1", "h2", "h3"}, Command: rig.Sh(w.Says("started") + "exit 7"), TTL: time.Hour})
	c.AwaitState(t, j.ID, "h1", "FAILED")
	c.AwaitState(t, j.ID, "h2", "FAILED")
	if task := c.AwaitState(t, j.ID, "h3", "PENDING", "DISPATCHED"); !task.Unreachable {
		t.Error("nobody is told that h3 is unreachable")
	}
	c.Restart(t, "agent-h3")
	rig.WantAll(t, c.Settled(t, j.ID), 3, "FAILED status 7")
	if lines := w.Lines(t); len(lines) != 3 {
		t.Errorf("the witness saw %v", lines)
	}
}

func (c cluster) comesTooLate(t *testing.T) {
	w := rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h1", "h4"}, Command: rig.Sh(w.Says("started")), TTL: 4 * time.Second})
	tasks := c.Settled(t, j.ID)
	if got := rig.Word(tasks["h1"]); got != "SUCCEEDED" {
		t.Errorf("h1 ended %s", got)
	}
	if got := rig.Word(tasks["h4"]); got != "EXPIRED start_by_passed" {
		t.Errorf("h4 ended %s", got)
	}
	c.Restart(t, "agent-h4")
	c.AwaitAttached(t, "h4")
	// Whatever was for h4 would have reached it before this does.
	later := c.Run(t, client.Request{Hosts: []string{"h4"}, Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, later.ID), 1, "SUCCEEDED")
	if lines := w.Lines(t); len(lines) != 1 {
		t.Errorf("the witness saw %v", lines)
	}
}

// othersGoOn: with one at a time, the host that is away must not hold the slot.
func (c cluster) othersGoOn(t *testing.T) {
	c.Stop(t, "agent-h1")
	c.AwaitAway(t, "h1")
	j := c.Run(t, client.Request{Command: rig.Sh("true"), Concurrency: client.Amount{Count: 1}})
	for _, host := range []string{"h2", "h3", "h4"} {
		c.AwaitState(t, j.ID, host, "SUCCEEDED")
	}
	c.Restart(t, "agent-h1")
	rig.WantAll(t, c.Settled(t, j.ID), hosts, "SUCCEEDED")
}
