package quarantine

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/pkg/client"
)

func TestAMalformedJobIsSetAsideAndTheOthersGoOn(t *testing.T) {
	c := start(t)
	t.Run("one that panics its shard twice", c.panics)
	t.Run("one that trips up whoever is to take it", c.refused)
	t.Run("one that ends every process", c.kills)
}

// refused lets a job panic before it is durable: where it is checked, and in its
// shard. Both cost no process, and the client learns that it need not try again.
func (c cluster) refused(t *testing.T) {
	others := c.bystanders(t)
	w := newWork(t)
	signed := c.sign(t, w, "malformed")
	c.arm(t, "scheduler.submit panic malformed")
	if _, err := c.SDK.Submit(t.Context(), signed); client.CodeOf(err) != client.Internal || !strings.Contains(err.Error(), "a fault of the server") {
		t.Errorf("a submission that panics where it is checked is answered with %v", err)
	}
	if n := c.said(t, "call crashed its handler"); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
	c.arm(t, "shard.create panic malformed")
	crashes := c.said(t, "job crashed its shard")
	if _, err := c.SDK.Submit(t.Context(), signed); client.CodeOf(err) != client.WrongState || !strings.Contains(err.Error(), "quarantined") {
		t.Errorf("a submission that panics its shard is answered with %v", err)
	}
	if n := c.said(t, "job crashed its shard") - crashes; n != 2 {
		t.Errorf("it has crashed its shard %d times", n)
	}
	if n := c.revive(t); n > 0 {
		t.Errorf("%d schedulers have died", n)
	}
	c.arm(t, "")
	c.wentOn(t, others)
	w.Job = c.Submit(t, c.sign(t, w, "malformed")) // under another id, when the fault is mended
	w.seen.Await(t, hosts)
	c.wentOn(t, []work{w})
}

func (c cluster) panics(t *testing.T) {
	others := c.bystanders(t)
	c.arm(t, "shard.heard panic poisoned")
	bad := c.begin(t, "poisoned")
	aside := c.aside(t, bad.ID, func() {})
	owner, err := c.Owner(t.Context(), bad.Pool, bad.ID)
	if err != nil || !strings.Contains(aside.Quarantine, "failpoint shard.heard") || !strings.Contains(aside.Quarantine, owner) {
		t.Errorf("of why it is set aside is said %q; %s owns it (%v)", aside.Quarantine, owner, err)
	}
	c.seenAside(t, bad.ID)
	// What runs on hosts goes on, and whoever owns the shard does not touch it.
	c.Kill9(t, owner)
	rig.Eventually(t, func() string {
		if next, err := c.Owner(t.Context(), bad.Pool, bad.ID); err != nil || next == owner {
			return "nobody has taken over from " + owner
		}
		return ""
	})
	bad.key.Write(t, "open")
	c.seenAside(t, bad.ID)
	c.Restart(t, owner)
	c.RestartAll(t, append([]string{"scheduler-critical-1"}, schedulers...))
	c.seenAside(t, bad.ID)
	c.wentOn(t, others)
	bad.once(t)
	if n := c.said(t, "job crashed its shard"); n != 2 {
		t.Errorf("it has crashed its shard %d times", n)
	}
	c.reinstated(t, bad)
}

// seenAside checks that whoever looks sees that a job is set aside, and why, and
// that nothing else can be done with it.
func (c cluster) seenAside(t *testing.T, id string) {
	t.Helper()
	rig.Eventually(t, func() string { // after a take-over its shard is soon served again
		if said := c.Ctl(t, "explain", id, "h1"); said.Status != 0 {
			return said.Err
		}
		return ""
	})
	for _, args := range [][]string{
		{"job", "list", "--state", "quarantined", "-o", "json"},
		{"job", "get", id},
		{"job", "get", id, "-o", "json"},
		{"explain", id, "h1"},
		{"job", "summary", id},
		{"job", "summary", id, "-o", "json"},
	} {
		said := c.Ctl(t, args...)
		if said.Status != 0 || !strings.Contains(said.Out, id) || !strings.Contains(said.Out, "QUARANTINED") || !strings.Contains(said.Out, "failpoint shard.heard") {
			t.Errorf("ccsctl %s says, with status %d:\n%s%s", strings.Join(args, " "), said.Status, said.Out, said.Err)
		}
	}
	if said := c.Ctl(t, "job", "cancel", id); said.Status == 0 || !strings.Contains(said.Err, "until an operator has reinstated it") {
		t.Errorf("ccsctl job cancel says, with status %d:\n%s%s", said.Status, said.Out, said.Err)
	}
}

// reinstated lets an operator take a job out of quarantine when the fault is
// mended: what its hosts have kept is heard, and nothing runs again.
func (c cluster) reinstated(t *testing.T, w work) {
	t.Helper()
	c.arm(t, "")
	config := filepath.Join(c.Dir(), "etc", schedulers[0]+".yaml")
	said := rig.Program(t, nil, filepath.Join(c.Bin, "ccs-scheduler"), "store", "reinstate", "--config", config, "--job", w.ID)
	if said.Status != 0 || !strings.Contains(said.Out, "is RUNNING again") {
		t.Fatalf("ccs-scheduler store reinstate says, with status %d:\n%s%s", said.Status, said.Out, said.Err)
	}
	c.wentOn(t, c.bystanders(t)) // with nothing to write its owner would not know for half a minute
	rig.WantAll(t, c.Settled(t, w.ID), hosts, "SUCCEEDED")
	w.once(t)
	again := rig.Program(t, nil, filepath.Join(c.Bin, "ccs-scheduler"), "store", "reinstate", "--config", config, "--job", w.ID)
	if again.Status != 1 || !strings.Contains(again.Err, "not quarantined") {
		t.Errorf("the second time it says, with status %d:\n%s%s", again.Status, again.Out, again.Err)
	}
}

// kills lets a job end the process of whoever owns it, which nothing can catch.
func (c cluster) kills(t *testing.T) {
	others := c.bystanders(t)
	c.arm(t, "shard.heard overflow deadly")
	bad := newWork(t)
	bad.Job = c.Run(t, client.Request{Command: rig.Gate(bad.seen, bad.key, "0"), Note: "deadly"})
	deaths := 0
	aside := c.aside(t, bad.ID, func() { deaths += c.revive(t) })
	if !strings.Contains(aside.Quarantine, "died when it had nothing in hand but this job") {
		t.Errorf("of why it is set aside is said %q", aside.Quarantine)
	}
	if deaths > 4 {
		t.Errorf("it has ended %d processes", deaths)
	}
	t.Logf("it has ended %d processes", deaths)
	c.allBack(t)
	after := c.begin(t, "harmless")
	after.seen.Await(t, hosts)
	c.wentOn(t, append(others, after))
	bad.key.Write(t, "open")
	bad.once(t)
	if n := c.revive(t); n > 0 {
		t.Errorf("%d more schedulers have died", n)
	}
}
