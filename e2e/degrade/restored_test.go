package degrade

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
	"github.com/ccs-project/ccs/pkg/run/obs"
	"github.com/ccs-project/ccs/pkg/state/coord"
)

// The snapshot is a copy of etcd's files, taken while it was stopped.
func TestWhenEtcdIsRestoredFromAnOlderSnapshotThereIsAnAlarmAndNothingIsForgotten(t *testing.T) {
	t.Parallel()
	soon := map[string]any{"etcd.resync": "1s"}
	c := rig.Start(t, devcluster.Options{
		Hosts: 2, Rooms: []string{"bj01"}, Settings: map[string]map[string]any{"access": soon, "scheduler": soon},
	})
	state, snapshot := filepath.Join(c.Dir(), "state", "etcd"), filepath.Join(rig.Dir(t), "snapshot")
	c.Stop(t, "etcd")
	if err := os.CopyFS(snapshot, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	c.Restart(t, "etcd")
	c.AwaitWhole(t)
	readers := forgettable(t, c)
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Command: rig.Gate(w, key, "0"), Concurrency: client.Amount{Count: 1}})
	w.Await(t, 1)

	for _, name := range readers {
		rig.Eventually(t, func() string { return alarm(t, c, name, false) })
	}
	c.Kill9(t, "etcd")
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(state, os.DirFS(snapshot)); err != nil {
		t.Fatal(err)
	}
	c.Restart(t, "etcd")
	for _, name := range readers {
		rig.Eventually(t, func() string { return alarm(t, c, name, true) })
	}
	after := c.Run(t, client.Request{Class: "urgent-standard", Command: rig.Sh("true")}) // everybody knows what he knew
	rig.WantAll(t, c.Settled(t, after.ID), 2, "SUCCEEDED")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), 2, "SUCCEEDED")
	if n := len(w.Lines(t)); n != 2 {
		t.Errorf("%d commands have begun", n)
	}

	// The operator has looked, and restarts them one by one.
	for _, name := range c.Processes() {
		if name != "etcd" && !strings.HasPrefix(name, "executor") && !strings.HasPrefix(name, "agent") {
			c.Restart(t, name)
		}
	}
	c.AwaitWhole(t)
	last := c.Run(t, client.Request{Command: rig.Sh("true")})
	rig.WantAll(t, c.Settled(t, last.ID), 2, "SUCCEEDED")
}

// forgettable writes into etcd what a restore takes back, and returns who has
// certainly seen it: schedulers that have taken a job of a new class, and the
// replica of access that has passed it on.
func forgettable(t *testing.T, c *rig.Cluster) (readers []string) {
	t.Helper()
	for pool, schedulers := range map[string][]string{
		"standard": {"scheduler-standard-1", "scheduler-standard-2"}, "critical": {"scheduler-critical-1"},
	} {
		class := "urgent-" + pool
		if err := coord.PutClass(t.Context(), c.Etcd(t), class, pool); err != nil {
			t.Fatal(err)
		}
		for _, name := range schedulers {
			signed := c.SignFor(t, pool, name, client.Request{Class: class, Command: rig.Sh("true")})
			rig.Eventually(t, func() string {
				if _, err := c.SDK.Submit(t.Context(), signed); err != nil {
					return err.Error()
				}
				return ""
			})
			readers = append(readers, name)
		}
	}
	return append(readers, c.Replica(t))
}

// alarm says that a process has not raised the alarm, in its log and for whoever
// watches its metrics, or that it has.
func alarm(t *testing.T, c *rig.Cluster, name string, want bool) string {
	t.Helper()
	if raised := c.Metric(t, name, obs.EtcdWentBack) == 1; raised != want {
		return fmt.Sprintf("the gauge of %s says that it has raised the alarm: %v", name, raised)
	}
	for _, line := range c.Errors(t, name) {
		if strings.Contains(line, "went back") {
			if want {
				return ""
			}
			return name + " has raised the alarm: " + line
		}
	}
	if want {
		return name + " has not raised the alarm"
	}
	return ""
}
