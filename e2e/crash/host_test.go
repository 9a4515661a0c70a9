// Package crash proves that whatever is killed, every task ends, with its true
// outcome, and is started once. What was started is read in a file outside CCS.
package crash

import (
	"errors"
	"os"
	"path/filepath"
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
	t.Run("of the executor what did not start yet can be canceled", c.canceledBeforeStart)
	t.Run("and the loss of its state a host says what it lost", c.stateIsWiped)
	t.Run("of an aggregator its hosts go on at the other one", c.aggregatorDies)
	t.Run("of access the other one serves", c.accessDies)
	t.Run("of the scheduler that owns the job the other one finishes it", c.ownerDies)
	t.Run("of etcd what was submitted goes on", c.etcdDies)
}

func startedOnce(t *testing.T, w rig.Witness, n int) {
	t.Helper()
	if lines := w.Lines(t); len(lines) != n {
		t.Errorf("%d starts, want %d: %v", len(lines), n, lines)
	}
}

func (c cluster) commandRunsOn(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h1"}, Command: rig.Gate(w, key, "7")})
	w.Await(t, 1)
	c.Kill9(t, "agent-h1", "executor-h1")
	c.Restart(t, "executor-h1", "agent-h1")
	c.AwaitAttached(t, "h1")
	c.AwaitState(t, j.ID, "h1", "RUNNING")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "FAILED status 7")
	startedOnce(t, w, 1)
}

func (c cluster) endsMeanwhile(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h1"}, Command: rig.Gate(w, key, "9")})
	w.Await(t, 1)
	c.Kill9(t, "agent-h1", "executor-h1")
	key.Write(t, "open")
	rig.Eventually(t, func() string {
		if len(rig.Processes(t, j.ID)) > 0 {
			return "its end-process has not ended"
		}
		return ""
	})
	c.Restart(t, "executor-h1", "agent-h1")
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
	j := c.Run(t, client.Request{Hosts: []string{"h2"}, Command: rig.Gate(w, key, "5")})
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
	j := c.Run(t, client.Request{Hosts: []string{"h2"}, Command: rig.Gate(w, key, "0")})
	w.Await(t, 1)
	supervisor := endProcess(t, j.ID)
	c.Kill9(t, "executor-h2")
	if err := unix.Kill(supervisor, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.Restart(t, "executor-h2")
	c.AwaitState(t, j.ID, "h2", "STARTING", "RUNNING")
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "LOST supervisor_lost")
	startedOnce(t, w, 1)
}

func (c cluster) canceledBeforeStart(t *testing.T) {
	w := rig.NewWitness(t)
	c.Kill9(t, "executor-h3")
	j := c.Run(t, client.Request{Hosts: []string{"h3"}, Command: rig.Sh(w.Says("started"))})
	c.AwaitState(t, j.ID, "h3", "DISPATCHED")
	if _, err := c.SDK.Cancel(t.Context(), j.ID, client.Cancel{}); err != nil {
		t.Fatal(err)
	}
	c.Restart(t, "executor-h3")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "CANCELED before_start")
	startedOnce(t, w, 0)
}

// stateIsWiped: with the executor's state directory a host loses what it knew of the task,
// and must not pretend otherwise. What the old state started still runs, so
// nothing new starts beside it.
func (c cluster) stateIsWiped(t *testing.T) {
	w, key := rig.NewWitness(t), rig.NewWitness(t)
	j := c.Run(t, client.Request{Hosts: []string{"h4"}, Command: rig.Gate(w, key, "7")})
	w.Await(t, 1)
	c.AwaitState(t, j.ID, "h4", "RUNNING")
	before, err := c.SDK.Host(t.Context(), "h4")
	if err != nil {
		t.Fatal(err)
	}
	c.Kill9(t, "executor-h4")
	state := filepath.Join(c.Dir(), "state", "executor-h4")
	if err := errors.Join(os.RemoveAll(state), os.Mkdir(state, 0o700)); err != nil {
		t.Fatal(err)
	}
	c.Restart(t, "executor-h4")
	rig.WantAll(t, c.Settled(t, j.ID), 1, "LOST state_wiped")
	c.AwaitHost(t, "h4", "of a new incarnation", func(h client.Host) bool { return h.Attached && h.Incarnation != before.Incarnation })
	next := c.Run(t, client.Request{Hosts: []string{"h4"}, Command: rig.Sh(w.Says("next"))})
	key.Write(t, "open")
	rig.WantAll(t, c.Settled(t, next.ID), 1, "SUCCEEDED")
	startedOnce(t, w, 2)
}
