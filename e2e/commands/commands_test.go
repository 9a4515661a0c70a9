// Package commands proves that what is asked of how a command is run reaches its
// process through all tiers, and that what may be secret in it reaches no log.
package commands

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ccs-project/ccs/e2e/rig"
	"github.com/ccs-project/ccs/internal/devcluster"
	"github.com/ccs-project/ccs/pkg/client"
)

const hosts = 2

// cluster is what the parts of the test share.
type cluster struct{ *rig.Cluster }

// secrets are what no log may have.
var secrets = map[string]string{
	"env": "enV-hunter2-7f3a", "stdin": "stdIn-hunter2-91bc", "script": "scrIpt-hunter2-44de",
}

// TestACommandIsRunAsItWasAskedForAndItsSecretsReachNoLog shares one cluster
// that logs all it can.
func TestACommandIsRunAsItWasAskedForAndItsSecretsReachNoLog(t *testing.T) {
	settings := map[string]map[string]any{}
	for _, tier := range []string{"access", "scheduler", "aggregator", "agent", "executor", "issuer"} {
		settings[tier] = map[string]any{"log.level": "debug"}
	}
	c := cluster{rig.Start(t, devcluster.Options{Hosts: hosts, Settings: settings})}
	t.Run("has its limits and settings", c.hasItsSettings)
	t.Run("fails with its secrets", c.failsWithSecrets)
	for _, name := range c.Processes() {
		text, err := c.Log(name)
		if err != nil {
			t.Errorf("the log of %s: %v", name, err)
		}
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s logs what is in the %s", name, what)
			}
		}
	}
}

func (c cluster) hasItsSettings(t *testing.T) {
	script := "# " + secrets["script"] + `
umask; cat /proc/self/oom_score_adj; pwd; echo "$SECRET"; cat; grep -E 'stack|open files|core' /proc/self/limits | tr -s ' '`
	j := c.Run(t, client.Request{Command: client.Command{
		Script: []byte(script), Env: []string{"SECRET=" + secrets["env"]}, Stdin: []byte(secrets["stdin"] + "\n"), Cwd: "/usr",
		Limits: client.Limits{MemoryBytes: 4 << 30, OpenFiles: 99}, Umask: new(uint32(0o27)), OOMScoreAdj: 321,
		Rlimits: map[string]uint64{"stack": 1 << 20, "core": 0}, LeaveDescendants: true,
	}})
	tasks := c.Settled(t, j.ID)
	rig.WantAll(t, tasks, hosts, "SUCCEEDED")
	want := fmt.Sprintf("0027\n321\n/usr\n%s\n%s\n", secrets["env"], secrets["stdin"]) +
		"Max stack size 1048576 1048576 bytes \nMax core file size 0 0 bytes \nMax open files 99 99 files \n"
	for host, task := range tasks {
		if got := string(c.Output(t, j.ID, task.Stdout)); got != want {
			t.Errorf("%s said %q\nwant %q", host, got, want)
		}
	}
	shown := c.Ctl(t, "job", "get", j.ID)
	if line := "in /usr; env SECRET; stdin of 19 bytes; umask 027; memory 4GiB; open files 99; rlimit core 0; rlimit stack 1MiB; OOM score +321; descendants are left"; !strings.Contains(shown.Out, line) {
		t.Errorf("%q is not in %s", line, shown.Out)
	}
	for what, secret := range secrets {
		if strings.Contains(shown.Out, secret) {
			t.Errorf("job get shows the %s", what)
		}
	}
}

// failsWithSecrets runs what is refused or cannot be started: a fault is what is
// logged most.
func (c cluster) failsWithSecrets(t *testing.T) {
	env, stdin := []string{"SECRET=" + secrets["env"]}, []byte(secrets["stdin"])
	for word, command := range map[string]client.Command{
		"START_FAILED no_file":       {Argv: []string{"/no/such/program"}, Env: env, Stdin: stdin},
		"START_FAILED no_account":    {Script: []byte(secrets["script"]), RunAs: "no-such-account", Env: env},
		"START_FAILED no_permission": {Argv: []string{"true"}, Limits: client.Limits{OpenFiles: 1 << 31}, Env: env, Stdin: stdin},
		"FAILED status 3":            {Script: []byte("exit 3 # " + secrets["script"]), Env: env, Umask: new(uint32)},
	} {
		j := c.Run(t, client.Request{Command: command})
		tasks := c.Settled(t, j.ID)
		rig.WantAll(t, tasks, hosts, word)
		for host, task := range tasks {
			for what, secret := range secrets {
				if strings.Contains(task.Message, secret) {
					t.Errorf("%s says the %s in %q", host, what, task.Message)
				}
			}
		}
	}
	_, err := c.SDK.Run(t.Context(), client.Request{All: true, Command: client.Command{Argv: []string{"true"}, Env: []string{secrets["env"]}}})
	if err == nil || strings.Contains(err.Error(), secrets["env"]) {
		t.Errorf("an environment that is none: %v", err)
	}
}

// TestTheEnvironmentOfACommandIsFreshEachTime: what the accounts of a host say is
// read for each command, and nothing of the executor's own environment, which may
// be as old as the host, reaches it.
func TestTheEnvironmentOfACommandIsFreshEachTime(t *testing.T) {
	t.Setenv("GORACE", "log_path=leak-of-the-executor") // one of the few that a cluster's processes inherit
	c := rig.Start(t, devcluster.Options{Hosts: 1, Rooms: []string{"bj01"}, AggregatorsPerRoom: 1})
	said := func(env ...string) string {
		j := c.Run(t, client.Request{Command: client.Command{Argv: []string{"env"}, Env: env}})
		for _, task := range c.Settled(t, j.ID) {
			return string(c.Output(t, j.ID, task.Stdout))
		}
		return ""
	}
	if got := said("A=1", "TMPDIR=/declared"); !strings.Contains(got, "A=1\n") || !strings.Contains(got, "TMPDIR=/declared\n") || strings.Contains(got, "leak-of") {
		t.Errorf("the first finds %q", got)
	}
	if got := said("B=2"); !strings.Contains(got, "B=2\n") || strings.Contains(got, "A=1") || strings.Contains(got, "declared") || strings.Contains(got, "leak-of") {
		t.Errorf("the second finds %q", got)
	}
}
