// Package crash proves that whatever is killed, every task ends, with its true
// outcome, and is started once. What was started is read in a file outside CCS.
package crash

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const hosts = 4

// cluster is what the parts of the test share; they do not disturb each other.
type cluster struct{ *rig.Cluster }

func TestAfterKill9(t *testing.T) {
	c := cluster{rig.Start(t, devcluster.Options{Hosts: hosts})}
	t.Run("of agent and executor the command runs on and its exit status arrives", c.commandRunsOn)
	t.Run("of agent and executor a command that ended meanwhile has its exit status", c.endsMeanwhile)
	t.Run("of its end-process the command runs on and its exit status arrives", c.endProcessDies)
	t.Run("of end-process and executor nobody invents an exit status", c.allSupervisorsDie)
	t.Run("of an aggregator its hosts go on at the other one", c.aggregatorDies)
	t.Run("of access the other one serves", c.accessDies)
	t.Run("of the scheduler that owns the job the other one finishes it", c.ownerDies)
	t.Run("of etcd what was submitted goes on", c.etcdDies)
}

// gate is a command that has been seen to start and ends with a status once
// the test lets it.
func gate(w, key rig.Witness, status string) client.Command {
	return rig.Sh(w.Says("started") + "while [ ! -s " + key.Path + " ]; do sleep 0.05; done; exit " + status)
}

func kill9(t *testing.T, c *rig.Cluster, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := c.Kill9(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func restart(t *testing.T, c *rig.Cluster, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := c.Restart(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func startedOnce(t *testing.T, w rig.Witness, n int) {
	t.Helper()
	if lines := w.Lines(t); len(lines) != n {
		t.Errorf("%d starts, want %d: %v", len(lines), n, lines)
	}
}

func (c cluster) commandRunsOn(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h1"}, Command: gate(w, key, "7")})
	w.Await(t, 1)
	kill9(t, c.Cluster, "agent-h1", "executor-h1")
	restart(t, c.Cluster, "executor-h1", "agent-h1")
	c.AwaitHost(t, "h1", true)
	c.AwaitState(t, j.ID, "h1", "RUNNING")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "FAILED status 7")
	startedOnce(t, w, 1)
}

func (c cluster) endsMeanwhile(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h1"}, Command: gate(w, key, "9")})
	w.Await(t, 1)
	kill9(t, c.Cluster, "agent-h1", "executor-h1")
	key.Write(t, "open")
	rig.Eventually(t, func() string {
		if len(rig.Processes(t, j.ID)) > 0 {
			return "its end-process has not ended"
		}
		return ""
	})
	restart(t, c.Cluster, "executor-h1", "agent-h1")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "FAILED status 9")
	startedOnce(t, w, 1)
}

// endProcess is the process id of the end-process of a job on the only host
// that has it.
func endProcess(t *testing.T, jobID string) int {
	t.Helper()
	for _, p := range rig.Processes(t, jobID) {
		if len(p.Args) == 3 {
			return p.PID
		}
	}
	t.Fatalf("no end-process of job %s among %v", jobID, rig.Processes(t, jobID))
	return 0
}

func (c cluster) endProcessDies(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h2"}, Command: gate(w, key, "5")})
	w.Await(t, 1)
	if err := unix.Kill(endProcess(t, j.ID), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "FAILED status 5")
	startedOnce(t, w, 1)
}

func (c cluster) allSupervisorsDie(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h2"}, Command: gate(w, key, "0")})
	w.Await(t, 1)
	supervisor := endProcess(t, j.ID)
	kill9(t, c.Cluster, "executor-h2")
	if err := unix.Kill(supervisor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	restart(t, c.Cluster, "executor-h2")
	c.AwaitState(t, j.ID, "h2", "RUNNING")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "LOST supervisor_lost")
	startedOnce(t, w, 1)
}
