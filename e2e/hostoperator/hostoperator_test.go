// Package hostoperator proves that an operator who is logged in on a host of a
// working cluster sees what runs there, ends it and keeps new work out, with the
// host's agent or executor down, and that users are told.
package hostoperator

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

// site is a cluster with an operator on h1.
type site struct{ *rig.Cluster }

func TestAnOperatorOnAHost(t *testing.T) {
	c := site{rig.Start(t, devcluster.Options{Hosts: 2, Rooms: []string{"bj01"}, AggregatorsPerRoom: 1})}
	t.Run("sees whether it is healthy", c.looks)
	t.Run("freezes it", c.freezes)
	t.Run("kills a command", c.kills)
	t.Run("kills a command with everything down", c.killsAlone)
}

// host runs ccshost on h1.
func (c site) host(t *testing.T, args ...string) rig.Said {
	t.Helper()
	etc := filepath.Join(c.Dir(), "etc")
	return rig.Program(t, nil, filepath.Join(c.Bin, "ccshost"), append([]string{
		"--executor-config", filepath.Join(etc, "executor-h1.yaml"), "--agent-config", filepath.Join(etc, "agent-h1.yaml"),
	}, args...)...)
}

// want demands a status and words.
func (c site) want(t *testing.T, status int, words string, args ...string) {
	t.Helper()
	if said := c.host(t, args...); said.Status != status || !strings.Contains(said.Out+said.Err, words) {
		t.Errorf("ccshost %s ended with status %d, want %d with %q:\n%s%s", strings.Join(args, " "), said.Status, status, words, said.Out, said.Err)
	}
}

// becomes waits until it does.
func (c site) becomes(t *testing.T, status int, words string, args ...string) {
	t.Helper()
	rig.Eventually(t, func() string {
		said := c.host(t, args...)
		if said.Status != status || !strings.Contains(said.Out+said.Err, words) {
			return "ccshost " + strings.Join(args, " ") + " says\n" + said.Out + said.Err
		}
		return ""
	})
}

func (c site) looks(t *testing.T) {
	c.becomes(t, 0, "with aggregator-bj01-1 at", "status")
	if said := c.host(t, "doctor"); said.Status != 0 || strings.Contains(said.Out, "FAULT") {
		t.Errorf("a healthy host has faults:\n%s%s", said.Out, said.Err)
	}
	for _, process := range []string{"agent-h1", "executor-h1"} {
		c.Kill9(t, process)
		c.want(t, 1, "down", "status")
		c.want(t, 1, "FAULT  "+strings.TrimSuffix(process, "-h1")+": is down", "doctor")
		c.Restart(t, process)
		c.becomes(t, 0, "with aggregator-bj01-1 at", "status")
	}
}

func (c site) freezes(t *testing.T) {
	c.want(t, 0, "is frozen", "freeze", "--reason", "disk is being replaced")
	job := c.Run(t, client.Request{Command: rig.Sh("true")})
	tasks := c.Settled(t, job.ID)
	if h1 := tasks["h1"]; h1.State != "REFUSED" || h1.Reason != "freeze" || !strings.Contains(h1.Message, "disk is being replaced") {
		t.Errorf("the frozen host is %s %s: %s", h1.State, h1.Reason, h1.Message)
	}
	if got := rig.Word(tasks["h2"]); got != "SUCCEEDED" {
		t.Errorf("the other host is %s", got)
	}
	if said := c.Ctl(t, "explain", job.ID, "h1"); !strings.Contains(said.Out, "disk is being replaced") {
		t.Errorf("a user is told\n%s%s", said.Out, said.Err)
	}
	c.Kill9(t, "agent-h1", "executor-h1")
	c.Restart(t, "executor-h1", "agent-h1")
	c.AwaitAttached(t, "h1")
	if h1 := c.Settled(t, c.Run(t, client.Request{Command: rig.Sh("true")}).ID)["h1"]; h1.Reason != "freeze" {
		t.Errorf("after a restart the frozen host is %s %s", h1.State, h1.Reason)
	}
	c.want(t, 0, "not frozen any more", "thaw")
	rig.WantAll(t, c.Settled(t, c.Run(t, client.Request{Command: rig.Sh("true")}).ID), 2, "SUCCEEDED")
}

// gated runs a job on both hosts until key is written.
func (c site) gated(t *testing.T) (job client.Job, key rig.Witness) {
	t.Helper()
	gate := rig.NewWitness(t)
	key = rig.NewWitness(t)
	job = c.Run(t, client.Request{Command: rig.Gate(gate, key, "0")})
	gate.Await(t, 2)
	return job, key
}

// killedHere demands that h1's task was killed there, and the other was not.
func (c site) killedHere(t *testing.T, job client.Job, key rig.Witness) {
	t.Helper()
	key.Write(t, "go")
	tasks := c.Settled(t, job.ID)
	if h1 := tasks["h1"]; h1.State != "CANCELED" || h1.Reason != "killed" || !strings.Contains(h1.Message, "killed on the host by") || !strings.HasSuffix(h1.Message, ": fills /var") {
		t.Errorf("what was killed is %s %s: %s", h1.State, h1.Reason, h1.Message)
	}
	if got := rig.Word(tasks["h2"]); got != "SUCCEEDED" {
		t.Errorf("the other host is %s", got)
	}
}

func (c site) kills(t *testing.T) {
	job, key := c.gated(t)
	c.want(t, 0, job.ID, "list", "--running")
	c.want(t, 0, "the executor was told; it is CANCELED killed", "kill", job.ID, "--reason", "fills /var")
	c.killedHere(t, job, key)
}

func (c site) killsAlone(t *testing.T) {
	job, key := c.gated(t)
	c.Kill9(t, "agent-h1", "executor-h1")
	c.want(t, 0, job.ID, "list", "--running")
	c.want(t, 0, "its end-process was told; it is CANCELED killed", "kill", job.ID, "--reason", "fills /var")
	c.Restart(t, "executor-h1", "agent-h1")
	c.killedHere(t, job, key)
}
